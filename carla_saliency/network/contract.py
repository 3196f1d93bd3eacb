"""Contracts as JSON files beside the models: `dave2.keras` has `dave2.contract.json`."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carla_saliency.core import Contract, Pose
from carla_saliency.errors import BadInputError

# Of the network that is trained here; the trainer writes the live car's numbers in.
DEFAULT_CONTRACT = Contract(
    name="dave2",
    camera=Pose(x_m=1.5, z_m=1.6, pitch_deg=-10.0),
    width_px=640,
    height_px=360,
    fov_deg=100.0,
    crop=(140, 360, 0, 640),
    input_height_px=66,
    input_width_px=200,
    speed_kmh=(10.0, 35.0),
    max_steer_deg=70.0,
    wheelbase_m=2.87,
)

CHOICES = {"resize": ("area", "linear"), "colour": ("rgb", "bgr", "yuv")}
PAIRS = {"crop": 4, "speed_kmh": 2}  # key -> how many numbers


def contract_path(model_path: str | Path) -> Path:
    """Return where the contract of a model file is."""
    return Path(model_path).with_suffix(".contract.json")


def save_contract(path: str | Path, contract: Contract) -> None:
    """Write a contract as JSON.

    Args:
        path: Of the contract itself; see `contract_path`.
        contract: To be written.

    Raises:
        BadInputError: If the file can't be written.
    """
    text = json.dumps(dataclasses.asdict(contract), indent=2) + "\n"
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"can't write {path}: {error.strerror}") from None


def load_contract(model_path: str | Path) -> Contract | None:
    """Return the contract beside a model file, or None if there is none.

    Args:
        model_path: Of the model, not of the contract.

    Raises:
        BadInputError: If the contract is not JSON, has an unknown or missing key, or a value of the
            wrong type or outside its range.
    """
    path = contract_path(model_path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"can't read {path}: {error}") from None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{path} is not JSON: {error}") from None
    contract: Contract = _build(path, Contract, values)
    _check(path, contract)
    return contract


def default_contract_for(input_shape: tuple[int, int, int], name: str = "model") -> Contract:
    """Return a contract for a network that came without one.

    It is our own camera with the lower 60 % of its picture, RGB values of 0..255, and steering that
    is used as it is: whoever drives with it should say so, and show steering, not degrees.

    Args:
        input_shape: Rows, columns, channels of the network's input.
        name: Of the network.

    Raises:
        BadInputError: If the network does not take three channels.
    """
    rows, columns, channels = input_shape
    if channels != 3:
        raise BadInputError(
            f"a network must take pictures of 3 channels, {name} takes {channels}: "
            "only colour pictures can be fed"
        )
    camera = DEFAULT_CONTRACT
    return dataclasses.replace(
        camera,
        name=name,
        crop=(round(0.4 * camera.height_px), camera.height_px, 0, camera.width_px),
        input_height_px=rows,
        input_width_px=columns,
        speed_kmh=(0.0, 50.0),
    )


def require_fit(contract: Contract, input_shape: tuple[int, int, int]) -> None:
    """Compare a contract with the network that it was found beside.

    Args:
        contract: Of the model.
        input_shape: Rows, columns, channels of the model.

    Raises:
        BadInputError: If the network takes another grid.
    """
    grid = (contract.input_height_px, contract.input_width_px, 3)
    if grid != input_shape:
        raise BadInputError(
            f"the contract of {contract.name} says an input of {grid}, but the network takes "
            f"{input_shape}: they don't belong together"
        )


def _build(path: Path, kind: type[Any], values: Any) -> Any:
    """Make a dataclass of a JSON object; each value by the type of its field."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if not isinstance(values, Mapping):
        raise BadInputError(f"{path}: expected an object, received {values!r:.60}")
    for key in values:
        if key not in fields:
            raise BadInputError(f"{path}: unknown key {key!r}; known are {', '.join(fields)}")
    for key, field in fields.items():
        if key not in values and field.default is dataclasses.MISSING:
            raise BadInputError(f"{path}: the key {key!r} is missing")
    return kind(**{key: _value(path, fields[key], value) for key, value in values.items()})


def _value(path: Path, field: dataclasses.Field[Any], value: Any) -> Any:
    key, kind = field.name, str(field.type)
    if key in CHOICES:
        return _expect(path, key, value, " or ".join(CHOICES[key]), value in CHOICES[key])
    if key in PAIRS:
        number = _is_int if key == "crop" else _is_number
        size = PAIRS[key]
        fine = isinstance(value, list) and len(value) == size and all(map(number, value))
        what = f"{size} {'whole numbers' if key == 'crop' else 'numbers'}"
        return tuple(_expect(path, key, value, what, fine))
    if kind == "Pose":
        return _build(path, Pose, value)
    if kind == "str":
        return _expect(path, key, value, "a text", isinstance(value, str))
    if kind == "int":
        return _expect(path, key, value, "a whole number", _is_int(value))
    return float(_expect(path, key, value, "a number", _is_number(value)))


def _expect(path: Path, key: str, value: Any, what: str, fine: bool) -> Any:
    if not fine:
        raise BadInputError(f"{path}: {key} must be {what}, received {value!r:.60}")
    return value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check(path: Path, contract: Contract) -> None:
    """Refuse values that no camera, grid or car can have."""
    top, bottom, left, right = contract.crop
    height, width = contract.height_px, contract.width_px
    low, high = contract.speed_kmh
    rules = (
        ("width_px", width, "at least 1", width >= 1),
        ("height_px", height, "at least 1", height >= 1),
        ("fov_deg", contract.fov_deg, "in (0, 180)", 0 < contract.fov_deg < 180),
        (
            "crop",
            list(contract.crop),
            f"top, bottom, left, right inside a picture of {width}x{height}",
            0 <= top < bottom <= height and 0 <= left < right <= width,
        ),
        ("input_height_px", contract.input_height_px, "at least 1", contract.input_height_px >= 1),
        ("input_width_px", contract.input_width_px, "at least 1", contract.input_width_px >= 1),
        ("scale", contract.scale, "a number other than 0", contract.scale != 0),
        ("speed_kmh", [low, high], "lowest and highest, not negative", 0 <= low <= high),
        ("max_steer_deg", contract.max_steer_deg, "in (0, 90]", 0 < contract.max_steer_deg <= 90),
        ("wheelbase_m", contract.wheelbase_m, "positive", contract.wheelbase_m > 0),
    )
    for key, value, what, fine in rules:
        _expect(path, key, value, what, fine)
