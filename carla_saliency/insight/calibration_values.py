"""What a calibration says, and the same as plain arrays for a file: every value is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import GROUPS, Array, Image
from carla_saliency.errors import BadInputError
from carla_saliency.insight.jumps import Gamma
from carla_saliency.insight.map_check import Limits

Source = Literal["training", "nominal drive", "pictures"]
SOURCES: tuple[Source, ...] = get_args(Source)

FORMAT = 1
MOST_FRAMES = 2000
MOST_FEATURES = 64
LARGEST_THUMBNAIL_PX = 512
LONGEST_TEXT = 500
LIMITS = ("edges", "random", "others", "deletion_ratio")

Values = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class KnownFrames:
    """Frames that the network knows, by which another one is called new.

    Attributes:
        layer: Whose outputs the features are.
        units: Of that layer; more than 64 are folded, see `novelty.folded`.
        source: Where the frames are from; a nominal drive stands in for the training.
        features: In standard deviations from the mean, float16 (N, D), D at most 64.
        mean: Of the (folded) outputs, float32 (D,).
        spread: Their standard deviations, float32 (D,), above 0.
        limit: Distance to the nearest of them beyond which a frame is new, in standard deviations.
        thumbnails: N JPEG files, all of one size.
    """

    layer: str
    units: int
    source: Source
    features: NDArray[np.float16]
    mean: Array
    spread: Array
    limit: float
    thumbnails: tuple[bytes, ...]

    def picture(self, index: int) -> Image:
        """Return the thumbnail of one frame, RGB, uint8 (h, w, 3).

        Raises:
            BadInputError: If it is damaged.
        """
        bgr = None
        if jpeg_size(self.thumbnails[index]) is not None:
            data = np.frombuffer(self.thumbnails[index], np.uint8)
            bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
        if bgr is None:
            raise BadInputError(f"thumbnail {index} of the calibration is damaged: calibrate again")
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


@dataclass(frozen=True)
class Nominal:
    """What the maps of one method are like while the network drives as it should.

    Attributes:
        method: Name of the saliency method.
        maps: Where it drove, for a person.
        frames: That counted.
        map_scale: 99.5th percentile of |map|, in the map's own unit.
        shares: Median share of the attention on each of `GROUPS`, float32 (8,); NaN if there was
            no semantic camera.
        on_road: Median share of road and lines together; NaN likewise.
        jumps: Distribution of the jumps in parts of `map_scale`; None if there were too few.
        apart_s: Simulated seconds from one map to the next.
        limits: Of the map check; None if it was not made.
    """

    method: str
    maps: str
    frames: int
    map_scale: float
    shares: Array
    on_road: float
    jumps: Gamma | None
    apart_s: float
    limits: Limits | None


@dataclass(frozen=True)
class Calibration:
    """All that is known to be usual for one network.

    Attributes:
        network: Its `network_digest`.
        known: Frames that it learned from; None if nobody said.
        nominal: Its maps in a nominal drive; None if there was none.
    """

    network: str
    known: KnownFrames | None = None
    nominal: Nominal | None = None

    def nominal_for(self, method: str) -> Nominal | None:
        """Return what is usual for the maps of a method, if it is the one that was calibrated."""
        return self.nominal if self.nominal is not None and self.nominal.method == method else None


def to_values(calibration: Calibration) -> dict[str, Any]:
    """Return a calibration as plain numbers, texts and arrays by name."""
    values: dict[str, Any] = {"format": FORMAT, "network": calibration.network}
    if (known := calibration.known) is not None:
        lengths = [len(each) for each in known.thumbnails]
        values |= {
            "layer": known.layer,
            "units": known.units,
            "source": known.source,
            "features": known.features,
            "mean": known.mean,
            "spread": known.spread,
            "novelty_limit": known.limit,
            "thumbnails": np.frombuffer(b"".join(known.thumbnails), np.uint8),
            "offsets": np.cumsum([0, *lengths], dtype=np.int64),
        }
    if (nominal := calibration.nominal) is not None:
        values |= {
            "method": nominal.method,
            "maps": nominal.maps,
            "frames": nominal.frames,
            "map_scale": nominal.map_scale,
            "shares": nominal.shares,
            "on_road": nominal.on_road,
            "apart_s": nominal.apart_s,
        }
        if nominal.jumps is not None:
            values["jumps"] = np.array([nominal.jumps.shape, nominal.jumps.scale])
        if nominal.limits is not None:
            values["limits"] = np.array([getattr(nominal.limits, name) for name in LIMITS])
    return values


def from_values(values: Values) -> Calibration:
    """Return the calibration that plain arrays say.

    Raises:
        KeyError: If one is missing.
        ValueError: If one can't be used.
    """
    if int(_number(values, "format")) != FORMAT:
        raise ValueError(f"format must be {FORMAT}, received {values['format']}")
    known = _known(values) if "features" in values else None
    nominal = _nominal(values) if "method" in values else None
    return Calibration(_text(values, "network"), known, nominal)


def _known(values: Values) -> KnownFrames:
    features = _array(values, "features", np.float16, 2)
    count, width = features.shape
    if not (1 <= count <= MOST_FRAMES and 1 <= width <= MOST_FEATURES):
        raise ValueError(f"features must be (1 to {MOST_FRAMES}, 1 to {MOST_FEATURES})")
    mean, spread = (_array(values, name, np.float32, 1) for name in ("mean", "spread"))
    if mean.shape != (width,) or spread.shape != (width,) or not (spread > 0).all():
        raise ValueError(f"mean and spread must be of {width} features, the spread above 0")
    source = _text(values, "source")
    if source not in SOURCES:
        raise ValueError(f"source must be one of {', '.join(SOURCES)}")
    units = int(_number(values, "units", 1))
    return KnownFrames(
        _text(values, "layer"),
        units,
        source,
        features,
        mean,
        spread,
        _number(values, "novelty_limit", 0),
        _thumbnails(values, count),
    )


def _thumbnails(values: Values, count: int) -> tuple[bytes, ...]:
    offsets = _array(values, "offsets", np.int64, 1)
    data = _array(values, "thumbnails", np.uint8, 1).tobytes()
    steps = np.diff(offsets)
    if offsets.shape != (count + 1,) or offsets[0] != 0 or offsets[-1] != len(data):
        raise ValueError("offsets must say where each frame's thumbnail begins")
    if not (steps > 0).all():
        raise ValueError("every frame must have a thumbnail")
    thumbnails = tuple(data[a:b] for a, b in pairwise(offsets.tolist()))
    sizes = {jpeg_size(each) for each in thumbnails}
    size = sizes.pop()
    if sizes or size is None or not 1 <= min(size) <= max(size) <= LARGEST_THUMBNAIL_PX:
        raise ValueError(f"thumbnails must be JPEG, of one size up to {LARGEST_THUMBNAIL_PX} px")
    return thumbnails


def _nominal(values: Values) -> Nominal:
    shares = _array(values, "shares", np.float32, 1, finite=False)
    road = _number(values, "on_road", finite=False)
    if shares.shape != (len(GROUPS),) or not _is_share(shares) or not _is_share(np.array(road)):
        raise ValueError(f"shares must be {len(GROUPS)} numbers from 0 to 1, and on_road one")
    jumps = limits = None
    if "jumps" in values:
        pair = _array(values, "jumps", np.float64, 1)
        if pair.shape != (2,) or not (pair > 0).all():
            raise ValueError("jumps must be a shape and a scale above 0")
        jumps = Gamma(*pair.tolist())
    if "limits" in values:
        four = _array(values, "limits", np.float64, 1)
        if four.shape != (len(LIMITS),):
            raise ValueError(f"limits must be {len(LIMITS)}: {', '.join(LIMITS)}")
        limits = Limits(**dict(zip(LIMITS, four.tolist(), strict=True)))
    return Nominal(
        _text(values, "method"),
        _text(values, "maps"),
        int(_number(values, "frames", 1)),
        _number(values, "map_scale", 0),
        shares,
        road,
        jumps,
        _number(values, "apart_s", 0),
        limits,
    )


def _is_share(shares: NDArray[Any]) -> bool:
    """Return whether all are from 0 to 1, or none is known."""
    return bool(np.isnan(shares).all() or ((shares >= 0) & (shares <= 1)).all())


# ------------------------------------------------------------------ one value


def _array(
    values: Values, name: str, kind: type[np.generic], axes: int, finite: bool = True
) -> NDArray[Any]:
    array = values[name]
    if array.dtype != kind or array.ndim != axes:
        raise ValueError(
            f"{name} must be {kind.__name__} with {axes} axes, received {array.dtype} {array.shape}"
        )
    if finite and not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinity")
    return array


def _number(values: Values, name: str, least: float | None = None, finite: bool = True) -> float:
    array = values[name]
    if array.shape != () or array.dtype.kind not in "if":
        raise ValueError(f"{name} must be a number, received {array.dtype} {array.shape}")
    number = float(array)
    if (finite and not np.isfinite(number)) or (least is not None and not number >= least):
        raise ValueError(f"{name} must be at least {least}, received {number}")
    return number


def _text(values: Values, name: str) -> str:
    array = values[name]
    if array.shape != () or array.dtype.kind != "U":
        raise ValueError(f"{name} must be a text, received {array.dtype} {array.shape}")
    text = str(array)
    if len(text) > LONGEST_TEXT or not text.isprintable():
        raise ValueError(f"{name} must be one line of at most {LONGEST_TEXT} characters")
    return text


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return rows and columns that a JPEG says it has, before anything is decoded; None if none."""
    at = 2
    while data[:2] == b"\xff\xd8" and at + 9 <= len(data) and data[at] == 0xFF:
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= kind <= 0xC2:  # baseline, extended, progressive
            return (
                int.from_bytes(data[at + 5 : at + 7], "big"),
                int.from_bytes(data[at + 7 : at + 9], "big"),
            )
        at += 2 + length
    return None
