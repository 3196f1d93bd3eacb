"""From messages back to one step of a drive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from carla_saliency.core import (
    GROUPS,
    Array,
    Blob,
    CausalCheck,
    ClassEffects,
    ClassShares,
    Comparison,
    Control,
    Decision,
    DriveStep,
    Event,
    EventKind,
    Explanation,
    Findings,
    Frame,
    Image,
    LaneView,
    MapCheck,
    Meaning,
    Novelty,
    Observation,
    Pose,
    Shadow,
)
from carla_saliency.record import format as the
from carla_saliency.record.extras import Extras
from carla_saliency.record.format import Channel
from carla_saliency.record.pixels import from_grey, from_png

Parts = Mapping[str, list[bytes]]
"""The messages of one step: topic -> all of them."""


def frame_from(parts: Parts) -> Frame:
    """Return the camera's frame of a step.

    Raises:
        ValueError: If a message is damaged.
    """
    told = _read(the.STEP, parts)
    tags = _read(the.TAGS, parts)
    return Frame(
        told.frame_id,
        told.sim_s,
        from_png(_read(the.CAMERA, parts).data),
        None if tags is None else from_png(tags.data),
        told.frame_speed_mps,
    )


def step_from(parts: Parts, frame: Frame, frame_of: Callable[[int], Frame]) -> DriveStep:
    """Return a step.

    Args:
        parts: Its messages.
        frame: Its frame.
        frame_of: Returns an older frame of the record by its number, or raises LookupError.

    Raises:
        ValueError: If a message is damaged.
    """
    told = _read(the.STEP, parts)
    step = _step(told, parts, frame)
    if not told.HasField("explained_frame_id"):
        return step
    try:
        explained = _explained(told, parts, frame_of)
    except LookupError:  # the frame is in a part that was lost: then its map says nothing
        return replace(step, decision=replace(step.decision, explanation=None))
    return replace(step, decision=replace(step.decision, explained=explained))


def _step(told: Any, parts: Parts, frame: Frame) -> DriveStep:
    """Return a step; its `explained` is None."""
    seen: list[Event] = []
    found: list[Event] = []
    for data in parts.get(the.EVENT.topic, ()):
        message = the.EVENT.schema.message.FromString(data)
        (found if message.found else seen).append(event_from(message))
    observation = Observation(
        frame,
        Pose(*(getattr(told, name) for name in Pose.__dataclass_fields__)),
        told.speed_mps,
        _lane(_read(the.LANE, parts)),
        tuple(seen),
        told.server_ms,
        applied=_control(told.applied) if told.HasField("applied") else None,
    )
    findings = _findings(told, parts, tuple(found))
    return DriveStep(observation, _decision(told, parts, frame), findings)


def numbers_from(parts: Parts) -> DriveStep:
    """Return a step without pictures and maps: its frame is 0 x 0, the rest of them is None.

    Raises:
        ValueError: If a message is damaged.
    """
    told = _read(the.STEP, parts)
    frame = Frame(
        told.frame_id,
        told.sim_s,
        np.zeros((0, 0, 3), np.uint8),
        speed_mps=told.frame_speed_mps,
    )
    pictures = {the.MASKED.topic, the.MAP_IMAGE.topic, the.SHADOW_MAP_IMAGE.topic}
    light = {topic: data for topic, data in parts.items() if topic not in pictures}
    return _step(told, light, frame)


def extras_from(parts: Parts) -> Extras:
    """Return what was known of the tick beside its step."""
    told = _read(the.STEP, parts)
    return Extras(
        _by_name(told.parts_ms),
        tuple((mask.left, mask.top, mask.right, mask.bottom) for mask in told.masks),
        _maybe(told, "map_scale"),
    )


def event_from(message: Any) -> Event:
    """Return the event of an `Event` message."""
    return Event(EventKind[message.kind], message.frame_id, message.text)


# ------------------------------------------------------------------ inside


def _read(channel: Channel, parts: Parts) -> Any:
    """Return a step's one message on a channel; None without one."""
    found = parts.get(channel.topic)
    return channel.schema.message.FromString(found[-1]) if found else None


def _maybe(message: Any, name: str) -> Any:
    return getattr(message, name) if message.HasField(name) else None


def _by_name(values: Any) -> dict[str, float]:
    return {one.name: one.value for one in values}


def _control(told: Any) -> Control:
    return Control(*(getattr(told, name) for name in Control.__dataclass_fields__))


def _decision(told: Any, parts: Parts, frame: Frame) -> Decision:
    masked = _read(the.MASKED, parts)
    return Decision(
        _control(told),
        told.driver,
        _explanation(parts, the.MAP, the.MAP_IMAGE),
        expert_steering=_maybe(told, "expert_steering"),
        network_steering=_maybe(told, "network_steering"),
        timing_ms=_by_name(told.timing_ms),
        notice=told.notice,
        every=told.every,
        shadow=_shadow(parts),
        masked=None if masked is None else replace(frame, image=from_png(masked.data)),
    )


def _explained(told: Any, parts: Parts, frame_of: Callable[[int], Frame]) -> Frame:
    older = _read(the.EXPLAINED, parts)
    if older is None:
        return frame_of(told.explained_frame_id)
    return Frame(
        told.explained_frame_id,
        told.explained_sim_s,
        from_png(older.data),
        speed_mps=told.explained_speed_mps,
    )


def _explanation(parts: Parts, about: Channel, image: Channel) -> Explanation | None:
    told, raw = _read(about, parts), _read(image, parts)
    if told is None or raw is None:
        return None
    pixels = np.frombuffer(raw.data, "<u2").reshape(raw.height, raw.width)
    meaning = Meaning(
        title=told.title,
        of=told.of,
        unit=told.unit,
        signed=told.signed,
        left=told.left,
        right=told.right,
        hint=tuple(told.hint),
    )
    return Explanation(
        told.frame_id,
        told.method,
        told.steering,
        from_grey(pixels, told.zero, told.step),
        meaning,
        _place(told.place),
    )


def _place(values: Any) -> tuple[float, float, float, float] | None:
    if not values:
        return None
    top, bottom, left, right = values
    return top, bottom, left, right


def _shadow(parts: Parts) -> Shadow | None:
    told = _read(the.SHADOW, parts)
    if told is None:
        return None
    return Shadow(
        letter=told.letter,
        title=told.title,
        command=_maybe(told, "steering"),
        explanation=_explanation(parts, the.SHADOW_MAP, the.SHADOW_MAP_IMAGE),
    )


def _lane(told: Any) -> LaneView | None:
    if told is None:
        return None
    return LaneView(
        told.offset_m,
        told.heading_error_deg,
        told.width_m,
        told.in_junction,
        np.array([told.path_x_m, told.path_y_m], np.float32).T.copy(),
        np.array(told.path_curvature, np.float32),
        told.expert_must_steer,
        told.turn_ahead or None,
        _maybe(told, "gap_m"),
        told.ahead_speed_mps,
        _maybe(told, "stop_in_m"),
    )


def _by_group(told: Any, prefix: str) -> Array:
    return np.array([getattr(told, f"{prefix}{name}") for name in GROUPS], np.float32)


def _findings(told: Any, parts: Parts, events: tuple[Event, ...]) -> Findings:
    shares, effects = _read(the.SHARES, parts), _read(the.EFFECTS, parts)
    novelty, comparison = _read(the.NOVELTY, parts), _read(the.COMPARISON, parts)
    return Findings(
        shares=shares
        and ClassShares(shares.frame_id, _by_group(shares, ""), _by_group(shares, "area_")),
        effects=effects
        and ClassEffects(effects.frame_id, _by_group(effects, ""), _by_group(effects, "floor_")),
        causal=_causal(_read(the.CAUSAL, parts)),
        check=_check(_read(the.CHECK, parts)),
        novelty=novelty
        and Novelty(novelty.distance, novelty.limit, _nearest(parts), novelty.stand_in),
        comparison=comparison and Comparison(comparison.difference, _maybe(comparison, "alike")),
        off_road_s=told.off_road_s,
        events=events,
    )


def _nearest(parts: Parts) -> Image:
    *_, message = parts[the.NEAREST.topic]
    return _picture_in(message)


@lru_cache(maxsize=2)
def _picture_in(message: bytes) -> Image:  # the same for many steps
    return from_png(the.NEAREST.schema.message.FromString(message).data)


def _causal(told: Any) -> CausalCheck | None:
    if told is None:
        return None
    blobs = tuple(
        Blob((one.top, one.bottom, one.left, one.right), one.change, one.moves)
        for one in told.blobs
    )
    return CausalCheck(told.frame_id, blobs, told.limit, told.patches)


def _check(told: Any) -> MapCheck | None:
    if told is None:
        return None
    deletion = _maybe(told, "deletion")
    return MapCheck(
        told.frame_id,
        told.edges,
        _maybe(told, "random"),
        _maybe(told, "others"),
        None if deletion is None else (deletion, told.deletion_of_other),
        tuple(told.doubts),
    )
