"""From one step of a drive to messages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from carla_saliency.core import (
    Control,
    Decision,
    DriveStep,
    Explanation,
    Image,
    LaneView,
    Pose,
    Shadow,
)
from carla_saliency.record import format as the
from carla_saliency.record.encode_findings import event_fields, findings_messages
from carla_saliency.record.extras import NO_EXTRAS, Extras
from carla_saliency.record.format import Channel
from carla_saliency.record.pixels import to_grey, to_jpeg, to_png

Messages = Iterator[tuple[Channel, bytes]]
Crop = Callable[[Image], Image]
_INFO, _WARNING = 2, 3  # levels of foxglove.Log


def messages(
    step: DriveStep,
    extras: Extras = NO_EXTRAS,
    crop: Crop | None = None,
    nearest: bool = True,
    first_frame_id: int | None = None,
    lossless: bool = True,
) -> Messages:
    """Yield all that is kept of one step; the picture of another camera (`view`) is not.

    Args:
        step: Of the drive.
        extras: What is known of the tick beyond it.
        crop: To the network's grid: pictures are kept that small, and without tags.
        nearest: Whether to give the training picture that the frame is most like.
        first_frame_id: Of the record. The frame that was explained is given whole where it is
            older; else it is known by its number.
        lossless: Whether pictures are PNG, else JPEG; the tags always are PNG.
    """
    stamp = _stamp(step.observation.frame.sim_s)
    yield the.STEP.pack(**_step_fields(step, extras, first_frame_id))
    yield the.POSE.pack(timestamp=stamp, frame_id="world", pose=_pose_fields(step.observation.pose))
    yield from _pictures(step, crop, stamp, first_frame_id, lossless)
    yield from _decision_messages(step.decision, stamp)
    if step.observation.lane is not None:
        yield the.LANE.pack(**_lane_fields(step.observation.lane))
    yield from findings_messages(step.findings)
    if nearest and step.findings.novelty is not None:
        yield _picture(the.NEAREST, step.findings.novelty.nearest, stamp, lossless)
    for found, events in ((False, step.observation.events), (True, step.findings.events)):
        for event in events:
            yield the.EVENT.pack(**event_fields(event, found))
            yield log_message(
                f"{event.kind.value}: {event.text}",
                step.observation.frame.sim_s,
                name="event",
                level=_WARNING,
            )


def log_message(
    text: str, sim_s: float, name: str = "drive", level: int = _INFO
) -> tuple[Channel, bytes]:
    """Return a line of the log."""
    return the.LOG.pack(timestamp=_stamp(sim_s), level=level, message=text, name=name)


def contents_message(
    frame_ids: list[int], sim_s: list[float], events: list[dict[str, Any]]
) -> tuple[Channel, bytes]:
    """Return what says which steps and events a chunk holds."""
    return the.CONTENTS.pack(frame_ids=frame_ids, sim_s=sim_s, events=events)


# ------------------------------------------------------------------ inside


def _stamp(sim_s: float) -> dict[str, int]:
    seconds, nanos = divmod(the.nanoseconds(sim_s), 1_000_000_000)
    return {"seconds": seconds, "nanos": nanos}


def _picture(
    channel: Channel, picture: Image, stamp: dict[str, int], lossless: bool = True
) -> tuple[Channel, bytes]:
    data, kind = (to_png(picture), "png") if lossless else (to_jpeg(picture), "jpeg")
    return channel.pack(timestamp=stamp, frame_id="camera", data=data, format=kind)


def _pictures(
    step: DriveStep,
    crop: Crop | None,
    stamp: dict[str, int],
    first_frame_id: int | None,
    lossless: bool,
) -> Messages:
    frame, masked = step.observation.frame, step.decision.masked
    small = crop or (lambda picture: picture)
    yield _picture(the.CAMERA, small(frame.image), stamp, lossless)
    if frame.tags is not None and crop is None:
        yield _picture(the.TAGS, frame.tags, stamp)
    if masked is not None:
        yield _picture(the.MASKED, small(masked.image), stamp, lossless)
    explained = step.decision.explained
    if explained is not None and _before(explained.frame_id, first_frame_id):
        yield _picture(the.EXPLAINED, small(explained.image), stamp, lossless)


def _before(frame_id: int, first_frame_id: int | None) -> bool:
    return first_frame_id is not None and frame_id < first_frame_id


def _step_fields(step: DriveStep, extras: Extras, first_frame_id: int | None) -> dict[str, Any]:
    seen, decision, shadow = step.observation, step.decision, step.decision.shadow
    pose = seen.pose
    fields: dict[str, Any] = {
        **_control_fields(decision.control),
        "frame_id": seen.frame.frame_id,
        "sim_s": seen.frame.sim_s,
        "driver": decision.driver,
        "network_steering": decision.network_steering,
        "expert_steering": decision.expert_steering,
        "shadow_steering": None if shadow is None else shadow.command,
        "speed_mps": seen.speed_mps,
        "frame_speed_mps": seen.frame.speed_mps,
        **{name: getattr(pose, name) for name in Pose.__dataclass_fields__},
        "off_road_s": step.findings.off_road_s,
        "map_scale": extras.map_scale,
        "server_ms": seen.server_ms,
        "notice": decision.notice,
        "every": decision.every,
        "applied": None if seen.applied is None else _control_fields(seen.applied),
        "timing_ms": _named(decision.timing_ms),
        "parts_ms": _named(extras.parts_ms),
        "masks": [
            {"left": left, "top": top, "right": right, "bottom": bottom}
            for left, top, right, bottom in extras.masks
        ],
    }
    if (explained := decision.explained) is not None:
        fields["explained_frame_id"] = explained.frame_id
        if _before(explained.frame_id, first_frame_id):
            fields["explained_sim_s"] = explained.sim_s
            fields["explained_speed_mps"] = explained.speed_mps
    return fields


def _control_fields(control: Control) -> dict[str, Any]:
    return {name: getattr(control, name) for name in Control.__dataclass_fields__}


def _named(values: Mapping[str, float]) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def _pose_fields(pose: Pose) -> dict[str, Any]:
    """Return the pose for viewers, whose y is to the left and whose yaw is counter-clockwise."""
    roll, pitch, yaw = (
        math.radians(angle) / 2 for angle in (pose.roll_deg, -pose.pitch_deg, -pose.yaw_deg)
    )
    (cr, sr), (cp, sp), (cy, sy) = ((math.cos(a), math.sin(a)) for a in (roll, pitch, yaw))
    return {
        "position": {"x": pose.x_m, "y": -pose.y_m, "z": pose.z_m},
        "orientation": {
            "x": sr * cp * cy - cr * sp * sy,
            "y": cr * sp * cy + sr * cp * sy,
            "z": cr * cp * sy - sr * sp * cy,
            "w": cr * cp * cy + sr * sp * sy,
        },
    }


def _lane_fields(lane: LaneView) -> dict[str, Any]:
    return {
        "offset_m": lane.offset_m,
        "heading_error_deg": lane.heading_error_deg,
        "width_m": lane.width_m,
        "in_junction": lane.in_junction,
        "expert_must_steer": lane.expert_must_steer,
        "turn_ahead": lane.turn_ahead,
        "gap_m": lane.gap_m,
        "ahead_speed_mps": lane.ahead_speed_mps,
        "stop_in_m": lane.stop_in_m,
        "path_x_m": lane.path[:, 0].tolist(),
        "path_y_m": lane.path[:, 1].tolist(),
        "path_curvature": lane.path_curvature.tolist(),
    }


def _decision_messages(decision: Decision, stamp: dict[str, int]) -> Messages:
    if decision.driver == "manual":
        yield the.HAND.pack(**_control_fields(decision.control))
    if decision.explanation is not None:
        yield from _map_messages(decision.explanation, the.MAP, the.MAP_IMAGE, stamp)
    if (shadow := decision.shadow) is not None:
        yield from _shadow_messages(shadow, stamp)


def _shadow_messages(shadow: Shadow, stamp: dict[str, int]) -> Messages:
    yield the.SHADOW.pack(letter=shadow.letter, title=shadow.title, steering=shadow.command)
    if shadow.explanation is not None:
        yield from _map_messages(shadow.explanation, the.SHADOW_MAP, the.SHADOW_MAP_IMAGE, stamp)


def _map_messages(
    explanation: Explanation, about: Channel, image: Channel, stamp: dict[str, int]
) -> Messages:
    meaning = explanation.meaning
    pixels, zero, step = to_grey(explanation.attribution, meaning.signed)
    yield about.pack(
        frame_id=explanation.frame_id,
        method=explanation.method,
        steering=explanation.steering,
        zero=zero,
        step=step,
        title=meaning.title,
        of=meaning.of,
        unit=meaning.unit,
        signed=meaning.signed,
        left=meaning.left,
        right=meaning.right,
        hint=meaning.hint,
        place=explanation.place or (),
    )
    height, width = pixels.shape
    yield image.pack(
        timestamp=stamp,
        frame_id="network",
        width=width,
        height=height,
        encoding="mono16",
        step=2 * width,
        data=pixels.astype("<u2").tobytes(),
    )
