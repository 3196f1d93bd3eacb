"""Contracts from plain values: of a JSON or YAML file, and of flags such as `crop=60,135,0,320`."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

from carla_saliency.core import Contract, Pose
from carla_saliency.errors import BadInputError

CHOICES = {
    "resize": ("area", "linear", "nearest", "cubic"),
    "colour": ("rgb", "bgr", "yuv", "grey", "hsv"),
}
PAIRS = {"crop": 4, "speed_kmh": 2}  # key -> how many numbers
OUTPUTS = ("steering", "degrees", "radians", "bins", "two-heads")  # and vector:I
POSE_KEYS = tuple(field.name for field in dataclasses.fields(Pose))
FIELDS = {field.name: field for field in dataclasses.fields(Contract)}


def contract_of_values(where: object, values: Any) -> Contract:
    """Return the contract that a file's values say.

    Args:
        where: The file, for messages.
        values: A mapping by the names of the fields; the camera is a mapping too.

    Raises:
        BadInputError: If a key is unknown or missing, or a value of the wrong type or outside its
            range.
    """
    contract: Contract = _build(where, Contract, values)
    _check(where, contract)
    return contract


def with_overrides(where: object, contract: Contract, overrides: Mapping[str, str]) -> Contract:
    """Return the contract with some of its parts said anew.

    A size without a crop keeps the crop's share of the picture.

    Args:
        where: The flag, for messages.
        contract: Gives the rest.
        overrides: Part -> text: any field of the contract (`fov_deg` or `fov-deg`), a field of the
            camera (`z_m`), `crop` as top,bottom,left,right, `camera` as x,y,z,pitch,yaw,roll in
            metres and degrees, or `size` as WIDTHxHEIGHT. Numbers may be fractions: `1/255`.

    Raises:
        BadInputError: If a part is unknown, or a value can't be used.
    """
    values = dataclasses.asdict(contract)
    new = {key.replace("-", "_"): text.strip() for key, text in overrides.items()}
    if "size" in new:
        new["width_px"], new["height_px"] = _size(where, new.pop("size"))
    for key, text in new.items():
        if key in POSE_KEYS:
            values["camera"][key] = _number(text)
        elif key == "camera":
            values["camera"] = _pose(where, text)
        elif key not in FIELDS:
            known = ", ".join([*FIELDS, "size", *POSE_KEYS])
            raise BadInputError(f"{where}: unknown part {key!r}; known are {known}")
        elif key in PAIRS:
            values[key] = [_number(part) for part in text.split(",")]
        else:
            is_text = str(FIELDS[key].type) == "str" or key in CHOICES
            values[key] = text if is_text else _number(text)
    if "crop" not in new and {"width_px", "height_px"} & new.keys():
        sized = _build(where, Contract, values | {"crop": list(contract.crop)})
        down, across = (
            getattr(sized, key) / getattr(contract, key) for key in ("height_px", "width_px")
        )
        values["crop"] = [
            round(v * f) for v, f in zip(contract.crop, (down, down, across, across), strict=True)
        ]
    return contract_of_values(where, values)


def output_element(output: str) -> int | None:
    """Return I of "vector:I"; None for another kind of output."""
    match = re.fullmatch(r"vector:(\d{1,4})", output)
    return int(match[1]) if match else None


def _size(where: object, text: str) -> tuple[str, str]:
    match = re.fullmatch(r"(\d+)[x×](\d+)", text)
    if match is None:
        raise BadInputError(f"{where}: size must be like 640x360, received {text!r}")
    return match[1], match[2]


def _pose(where: object, text: str) -> dict[str, Any]:
    parts = [_number(part) for part in text.split(",")]
    if len(parts) != len(POSE_KEYS):
        raise BadInputError(
            f"{where}: camera must be x,y,z,pitch,yaw,roll in metres and degrees, received {text!r}"
        )
    return dict(zip(POSE_KEYS, parts, strict=True))


def _number(text: str) -> Any:
    """Return the number that a text says, or the text, which is refused where it is checked."""
    if text.lower() == "none":
        return None
    try:
        top, _, bottom = text.partition("/")
        if bottom:
            return float(top) / float(bottom)
        return int(text)
    except (ValueError, ZeroDivisionError):
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _build(where: object, kind: type[Any], values: Any) -> Any:
    """Make a dataclass of a mapping; each value by the type of its field."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if not isinstance(values, Mapping):
        raise BadInputError(f"{where}: expected an object, received {values!r:.60}")
    for key in values:
        if key not in fields:
            raise BadInputError(f"{where}: unknown key {key!r}; known are {', '.join(fields)}")
    for key, field in fields.items():
        if key not in values and field.default is dataclasses.MISSING:
            raise BadInputError(f"{where}: the key {key!r} is missing")
    return kind(**{key: _value(where, fields[key], value) for key, value in values.items()})


def _value(where: object, field: dataclasses.Field[Any], value: Any) -> Any:
    key, kind = field.name, str(field.type)
    if key in CHOICES:
        return _expect(where, key, value, " or ".join(CHOICES[key]), value in CHOICES[key])
    if key in PAIRS:
        number = _is_int if key == "crop" else _is_number
        size = PAIRS[key]
        fine = isinstance(value, list | tuple) and len(value) == size and all(map(number, value))
        what = f"{size} {'whole numbers' if key == 'crop' else 'numbers'}"
        return tuple(_expect(where, key, value, what, fine))
    if kind == "Pose":
        return _build(where, Pose, value)
    if kind == "str":
        return _expect(where, key, value, "a text", isinstance(value, str))
    if kind == "int":
        return _expect(where, key, value, "a whole number", _is_int(value))
    if value is None and "None" in kind:
        return None
    return float(_expect(where, key, value, "a number", _is_number(value)))


def _expect(where: object, key: str, value: Any, what: str, fine: bool) -> Any:
    if not fine:
        raise BadInputError(f"{where}: {key} must be {what}, received {value!r:.60}")
    return value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check(where: object, contract: Contract) -> None:
    """Refuse values that no camera, grid, car or network can have."""
    top, bottom, left, right = contract.crop
    height, width = contract.height_px, contract.width_px
    low, high = contract.speed_kmh
    blur, outputs = contract.blur_px, " or ".join(OUTPUTS)
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
        ("blur_px", blur, "0 or an odd size up to 99", blur == 0 or (0 < blur < 100 and blur % 2)),
        ("speed_kmh", [low, high], "lowest and highest, not negative", 0 <= low <= high),
        ("max_steer_deg", contract.max_steer_deg, "in (0, 90]", 0 < contract.max_steer_deg <= 90),
        ("wheelbase_m", contract.wheelbase_m, "positive", contract.wheelbase_m > 0),
        (
            "output",
            contract.output,
            f"{outputs} or vector:I",
            contract.output in OUTPUTS or output_element(contract.output) is not None,
        ),
        ("output_range", contract.output_range, "other than 0", contract.output_range != 0),
        ("speed_scale", contract.speed_scale, "other than 0", contract.speed_scale != 0),
    )
    for key, value, what, fine in rules:
        _expect(where, key, value, what, bool(fine))
