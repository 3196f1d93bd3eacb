"""One moment as files: the picture of the window, or a frame with all that is known of it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import DriveStep, Frame, Image, Place
from carla_saliency.errors import BadInputError
from carla_saliency.output import telemetry
from carla_saliency.output.names import free_name
from carla_saliency.output.png import to_png


def save_screenshot(picture: Image, folder: Path, name: str) -> Path:
    """Write the picture of the window as a PNG.

    Args:
        picture: RGB, uint8, (H, W, 3).
        folder: Must be there.
        name: Without ".png"; gets a number where it is taken.

    Returns:
        The file.

    Raises:
        BadInputError: If it can't be written.
    """
    path = free_name(str(folder / f"{name}.png"))
    _write(path, to_png(picture))
    return path


def save_frame(
    folder: Path,
    step: DriveStep,
    rgb: Image | None = None,
    more: Mapping[str, NDArray[Any]] | None = None,
) -> Path:
    """Write a step's camera picture (.png), its arrays (.npz) and its numbers (.json).

    The picture is the one that the map is of. The arrays, as far as there are any: `attribution`
    (raw, float32), `tags` (uint8, the camera's size), `rgb`, `masked` (the camera picture with the
    masks), `shadow_attribution`, `share`, `area`, `change`, `floor`.

    Args:
        folder: Must be there.
        step: Of the frame.
        rgb: What the network was given, RGB on its grid, uint8 (H, W, 3).
        more: Further arrays by name.

    Returns:
        The picture; the others differ in their suffix.

    Raises:
        BadInputError: If they can't be written.
    """
    frame = step.decision.explained or step.observation.frame
    path = _free_stem(folder, f"carla-saliency-frame-{frame.frame_id:06d}")
    arrays = {**_arrays(step, frame), **({} if rgb is None else {"rgb": rgb}), **(more or {})}
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    text = json.dumps(_facts(step), indent=2, allow_nan=False)
    _write(path.with_suffix(".png"), to_png(frame.image))
    _write(path.with_suffix(".npz"), packed.getvalue())
    _write(path.with_suffix(".json"), (text + "\n").encode())
    return path.with_suffix(".png")


# ------------------------------------------------------------------ parts


def _free_stem(folder: Path, name: str) -> Path:
    """Return a path without a suffix of which none of the three files exists."""
    path = wanted = folder / name
    number = 2
    while any(path.with_suffix(suffix).exists() for suffix in (".png", ".npz", ".json")):
        path = wanted.with_name(f"{name}-{number}")
        number += 1
    return path


def _arrays(step: DriveStep, frame: Frame) -> dict[str, NDArray[Any]]:
    explanation, shadow = step.decision.explanation, step.decision.shadow
    masked = step.decision.masked
    shares, effects = step.findings.shares, step.findings.effects
    arrays: dict[str, NDArray[Any] | None] = {
        "attribution": None if explanation is None else explanation.attribution,
        "tags": frame.tags,
        "masked": None if masked is None else masked.image,
    }
    if shadow is not None and shadow.explanation is not None:
        arrays["shadow_attribution"] = shadow.explanation.attribution
    if shares is not None:
        arrays |= {"share": shares.share, "area": shares.area}
    if effects is not None:
        arrays |= {"change": effects.change, "floor": effects.floor}
    return {name: values for name, values in arrays.items() if values is not None}


def _facts(step: DriveStep) -> dict[str, object]:
    """Return the numbers of the step, and what those of its map mean."""
    numbers = {name: value for name, value in telemetry.row(step).items() if value != ""}
    facts: dict[str, object] = dict(numbers)
    explanation, causal = step.decision.explanation, step.findings.causal
    if explanation is not None:
        facts["map"] = {
            "frame": explanation.frame_id,
            "method": explanation.method,
            "steering": float(explanation.steering),
            "shape": list(explanation.attribution.shape),
            "place": None if explanation.place is None else _floats(explanation.place),
            "meaning": asdict(explanation.meaning),
        }
    if causal is not None:
        facts["causal_check"] = {
            "frame": causal.frame_id,
            "limit": float(causal.limit) if np.isfinite(causal.limit) else None,
            "patches": causal.patches,
            "blobs": [
                {
                    "place": _floats(blob.place),
                    "change": float(blob.change),
                    "moves": bool(blob.moves),
                }
                for blob in causal.blobs
            ],
        }
    facts["units"] = {
        "steering": "number in [-1, 1], left negative; so are its changes",
        "place": "top, bottom, left, right in pixels of the network's grid",
        "attribution": "raw, in meaning.unit where that is not in degrees, else in steering",
    }
    return facts


def _floats(place: Place) -> list[float]:
    return [float(edge) for edge in place]


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise BadInputError(
            f"{path} can't be written: {error.strerror}; start in a folder that can, with some "
            "space left"
        ) from error
