"""Values to msgpack's lists, and back with checks; a dataclass is its own schema.

On CARLA's wire a class is an array of its fields in the order of declaration. What a type hint
becomes:

    bool, int, str, bytes   as they are             float        a number; never NaN, never huge
    tuple[float, float]     [x, y]                  tuple[X, ...]     [...]
    X | None                [False] or [True, x]    a dataclass       [field, ...]
    Transform               [[x, y, z], [pitch, yaw, roll]]           object       left alone
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable
from typing import Any

from carla_saliency.errors import ProtocolError
from carla_saliency.server.nouns import Transform

MAX_NUMBER = 1e9
"""Largest number that is read: far from what overflows a float32 when it is sent again."""

_Step = Callable[[Any], Any]


def decode(kind: Any, raw: object) -> Any:
    """Return the value of a type that msgpack's lists stand for.

    Args:
        kind: Any type of the module docstring's table.
        raw: What msgpack gave.

    Raises:
        ProtocolError: If it is something else.
    """
    return _reader(kind)(raw)


def encode(value: object) -> Any:
    """Return what msgpack must pack for a value: a dataclass, a sequence of values, or a scalar."""
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _writer(type(value))(value)
    return value


def _wrong(expected: str, raw: object) -> ProtocolError:
    return ProtocolError(f"expected {expected}, received {repr(raw)[:60]}")


# ------------------------------------------------------------------ reading


@functools.cache
def _reader(kind: Any) -> _Step:
    if kind is object:
        return lambda raw: raw
    if kind is float:
        return _read_float
    if kind in (bool, int, str, bytes):
        return _scalar_reader(kind)
    if kind is Transform:
        return _read_transform
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        item = _reader(args[0])
        return lambda raw: tuple(item(one) for one in _array(raw, None))
    if origin is tuple:
        return _fields_reader(lambda *values: values, [_reader(arg) for arg in args])
    if origin in (types.UnionType, typing.Union):
        return _optional_reader(_reader(args[0]))
    return _fields_reader(kind, [_reader(hint) for hint in _hints(kind)])


def _hints(kind: Any) -> list[Any]:
    hints = typing.get_type_hints(kind)
    return [hints[field.name] for field in dataclasses.fields(kind)]


def _array(raw: object, length: int | None) -> list[Any]:
    if not isinstance(raw, list) or (length is not None and len(raw) != length):
        raise _wrong(f"an array of {'any length' if length is None else length}", raw)
    return raw


def _read_float(raw: object) -> float:
    if isinstance(raw, float | int) and not isinstance(raw, bool) and abs(raw) <= MAX_NUMBER:
        return float(raw)
    raise _wrong(f"a number within ±{MAX_NUMBER:g}", raw)


def _scalar_reader(kind: type) -> _Step:
    def read(raw: object) -> object:
        if type(raw) is kind:  # not isinstance: True is no integer here
            return raw
        raise _wrong(kind.__name__, raw)

    return read


def _read_transform(raw: object) -> Transform:
    location, rotation = _array(raw, 2)
    return Transform(*map(_read_float, _array(location, 3) + _array(rotation, 3)))


def _fields_reader(make: Callable[..., Any], readers: list[_Step]) -> _Step:
    def read(raw: object) -> object:
        values = _array(raw, len(readers))
        return make(*[reader(value) for reader, value in zip(readers, values, strict=True)])

    return read


def _optional_reader(item: _Step) -> _Step:
    def read(raw: object) -> object:
        match raw:
            case [False, *_]:
                return None
            case [True, value]:
                return item(value)
        raise _wrong("[False] or [True, value]", raw)

    return read


# ------------------------------------------------------------------ writing


@functools.cache
def _writer(kind: Any) -> _Step:
    if kind is Transform:
        return lambda t: [[t.x, t.y, t.z], [t.pitch, t.yaw, t.roll]]
    if kind in (float, int, bool):
        return typing.cast(_Step, kind)  # NumPy's scalars are not known to msgpack
    if kind in (str, bytes, object):
        return lambda value: value
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        item = _writer(args[0])
        return lambda values: [item(value) for value in values]
    if origin is tuple:
        items = [_writer(arg) for arg in args]
        return lambda values: [w(v) for w, v in zip(items, values, strict=True)]
    if origin in (types.UnionType, typing.Union):
        some = _writer(args[0])
        return lambda value: [False] if value is None else [True, some(value)]
    writers = [_writer(hint) for hint in _hints(kind)]
    names = [field.name for field in dataclasses.fields(kind)]
    return lambda value: [w(getattr(value, n)) for w, n in zip(writers, names, strict=True)]
