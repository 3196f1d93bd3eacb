"""From what was found out about a map to messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from carla_saliency.core import GROUPS, Array, CausalCheck, Event, Findings, MapCheck
from carla_saliency.record import format as the
from carla_saliency.record.format import Channel


def findings_messages(findings: Findings) -> Iterator[tuple[Channel, bytes]]:
    """Yield what was found out in a tick, but for the events and the training picture."""
    if (shares := findings.shares) is not None:
        by_group = {**_by_group("", shares.share), **_by_group("area_", shares.area)}
        yield the.SHARES.pack(frame_id=shares.frame_id, on_road=shares.on_road, **by_group)
    if (effects := findings.effects) is not None:
        by_group = {**_by_group("", effects.change), **_by_group("floor_", effects.floor)}
        yield the.EFFECTS.pack(frame_id=effects.frame_id, **by_group)
    if findings.causal is not None:
        yield the.CAUSAL.pack(**_causal_fields(findings.causal))
    if findings.check is not None:
        yield the.CHECK.pack(**_check_fields(findings.check))
    if (novelty := findings.novelty) is not None:
        yield the.NOVELTY.pack(
            distance=novelty.distance, limit=novelty.limit, stand_in=novelty.stand_in
        )
    if (comparison := findings.comparison) is not None:
        yield the.COMPARISON.pack(difference=comparison.difference, alike=comparison.alike)


def event_fields(event: Event, found: bool, step: int = 0) -> dict[str, Any]:
    """Return the fields of an `Event` message.

    Args:
        event: Of a tick.
        found: By what examined the map, rather than told by the simulator.
        step: In which it was told; matters in `Contents` only.
    """
    return {
        "kind": event.kind.name,
        "frame_id": event.frame_id,
        "text": event.text,
        "found": found,
        "step": step,
    }


# ------------------------------------------------------------------ inside


def _by_group(prefix: str, values: Array) -> dict[str, float]:
    return {f"{prefix}{name}": float(v) for name, v in zip(GROUPS, values, strict=True)}


def _causal_fields(causal: CausalCheck) -> dict[str, Any]:
    blobs = [
        {
            **dict(zip(("top", "bottom", "left", "right"), blob.place, strict=True)),
            "change": blob.change,
            "moves": blob.moves,
        }
        for blob in causal.blobs
    ]
    return {
        "frame_id": causal.frame_id,
        "limit": causal.limit,
        "patches": causal.patches,
        "blobs": blobs,
    }


def _check_fields(check: MapCheck) -> dict[str, Any]:
    deletion, of_other = check.deletion or (None, None)
    return {
        "frame_id": check.frame_id,
        "edges": check.edges,
        "random": check.random,
        "others": check.others,
        "deletion": deletion,
        "deletion_of_other": of_other,
        "doubts": check.doubts,
    }
