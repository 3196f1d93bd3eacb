"""What is known of one frame of a dataset, and what is known of all of its frames."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carla_saliency.core import Car, Contract, Pose
from carla_saliency.errors import BadInputError

FORMAT = 1
PLACE_M = 40.0  # frames of one square of this size are never split over training and validation


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What is known of one frame.

    Attributes:
        steering: What the expert would send, [-1, 1], left negative.
        speed_mps: That the steering is for.
        curvature: Of the path here, 1/m, right positive.
        offset_m: Of the car from the lane's centre, right positive.
        heading_error_deg: Of the car from the lane, clockwise positive.
        in_junction: On a junction lane.
        ambiguous: The picture can't say where to go: on or before a turning junction lane.
        map_name: Where.
        look: Seed of the map's appearance.
        weather: One word or line for a person.
        place: Of frames that show the same piece of road; see `place_of`.
        source: "poses" for independent poses, "driving" for a network's own driving.
    """

    steering: float
    speed_mps: float
    curvature: float
    offset_m: float
    heading_error_deg: float
    in_junction: bool
    ambiguous: bool
    map_name: str
    look: int
    weather: str
    place: str
    source: str


LABEL_FIELDS = {field.name: field.type for field in dataclasses.fields(Label)}
_TYPES: dict[str, tuple[type, ...]] = {"float": (float, int), "bool": (bool,), "int": (int,)}


@dataclass(frozen=True, slots=True)
class Header:
    """What all frames of a dataset share.

    Attributes:
        contract: The camera that took them; the crop is that of the network they are meant for.
        car: The car that carried it.
        stored: (top, bottom, left, right) of the camera's picture that is on the disk.
        made_with: Versions and settings, for a person.
    """

    contract: Contract
    car: Car
    stored: tuple[int, int, int, int]
    made_with: dict[str, Any] = field(default_factory=dict)


def place_of(map_name: str, pose: Pose) -> str:
    """Return the name of the piece of road that a pose lies on."""
    return f"{map_name} {pose.x_m // PLACE_M:.0f} {pose.y_m // PLACE_M:.0f}"


def label_to_json(label: Label) -> str:
    """Return one line."""
    return json.dumps(dataclasses.asdict(label))


def label_from_json(line: str) -> Label:
    """Return the label of one line.

    Raises:
        ValueError: If it is not one, or lacks something.
        TypeError: If a value is of another type.
    """
    values = json.loads(line)
    if not isinstance(values, dict) or values.keys() != LABEL_FIELDS.keys():
        raise ValueError(f"a label has {', '.join(LABEL_FIELDS)}; received {line:.80}")
    for name, kind in LABEL_FIELDS.items():
        if not isinstance(values[name], _TYPES.get(str(kind), (str,))):
            raise TypeError(f"{name} must be a {kind}, received {values[name]!r:.40}")
    return Label(**values)


def same_camera(a: Contract, b: Contract) -> str:
    """Return in what two contracts' cameras differ, or "" if frames of both can be mixed."""
    for name in ("camera", "width_px", "height_px", "fov_deg"):
        one, other = getattr(a, name), getattr(b, name)
        if one != other:
            return f"{name} {one} and {other}"
    return ""


def same_car(a: Car, b: Car) -> str:
    """Return in what two cars steer differently, or "" if frames of both can be mixed.

    Axles are read from wheel positions in the world, so they differ by some micrometres each time.
    """
    if a.blueprint != b.blueprint:
        return f"blueprint {a.blueprint} and {b.blueprint}"
    for name, limit in (("max_steer_deg", 0.1), ("wheelbase_m", 0.01), ("rear_axle_m", 0.05)):
        one, other = getattr(a, name), getattr(b, name)
        if abs(one - other) > limit:
            return f"{name} {one:g} and {other:g}"
    return ""


def write_header(path: Path, header: Header) -> None:
    """Write `dataset.json` in one move."""
    values = {"format": FORMAT, **dataclasses.asdict(header)}
    part = path.with_suffix(".part")
    part.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def read_header(path: Path) -> Header:
    """Read `dataset.json`.

    Raises:
        BadInputError: If there is none, or it is not one of ours.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInputError(f"{path.parent} is not a dataset: it has no {path.name}") from None
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path} can't be read: {error}") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        received = values.get("format") if isinstance(values, dict) else values
        raise BadInputError(f"{path}: expected format {FORMAT}, received {received!r:.40}")
    try:
        contract, car = dict(values["contract"]), dict(values["car"])
        contract |= {key: tuple(contract[key]) for key in ("crop", "speed_kmh")}
        contract["camera"] = Pose(**contract["camera"])
        car["steering_curve"] = tuple((float(x), float(y)) for x, y in car["steering_curve"])
        top, bottom, left, right = map(int, values["stored"])
        made_with: Mapping[str, Any] = values["made_with"]
        stored = (top, bottom, left, right)
        return Header(Contract(**contract), Car(**car), stored, dict(made_with))
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(
            f"{path} lacks something or has too much ({error}): was it edited?"
        ) from None
