from __future__ import annotations

from dataclasses import dataclass

import msgpack
import numpy as np
import pytest

from carla_saliency.errors import ProtocolError
from carla_saliency.server.nouns import Transform, Weather
from carla_saliency.server.wire.codec import decode, encode
from carla_saliency.server.wire.structs import (
    AckermannControl,
    ActorDescription,
    ActorInfo,
    AttributeValue,
    BoundingBox,
    EpisodeInfo,
    EpisodeSettings,
    LightState,
    MapInfo,
    Token,
    VehicleTelemetry,
    WheelTelemetry,
)
from carla_saliency.server.world.vehicle import VEHICLES, PhysicsControl, VehicleControl
from carla_saliency.server.world.vehicle_physics import physics_control

DESCRIPTION = ActorDescription(3, "vehicle.audi.tt", (AttributeValue("color", 5, "1,2,3"),))
BOX = BoundingBox((0.0, 0.0, 0.7), (2.0, 1.0, 0.7), actor_id=5)
VALUES = [
    Transform(1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
    DESCRIPTION,
    BOX,
    ActorInfo(5, 2, DESCRIPTION, BOX, b"\x0e", bytes(24)),
    EpisodeInfo(1 << 60, Token(b"x" * 24)),
    MapInfo("Carla/Maps/curvy", (Transform(), Transform(x=1.0))),
    EpisodeSettings(),
    EpisodeSettings(synchronous_mode=True, fixed_delta_s=0.05),
    AckermannControl(0.1, 0.0, 5.0, 1.0, 0.0),
    VehicleTelemetry(1.0, 0.0, 0.5, 0.0, 900.0, 2, 0.1, (WheelTelemetry(), WheelTelemetry(1.0))),
    LightState(8),
    VehicleControl(0.5, -0.25, 0.0, True, False, False, 1),
    physics_control(VEHICLES["vehicle.tesla.model3"], Transform()),
    Weather(),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_comes_back_from_the_wire_as_it_was(value: object) -> None:
    packed = msgpack.packb(encode(value), use_bin_type=True)
    assert decode(type(value), msgpack.unpackb(packed)) == value


def test_the_documented_default_settings_have_the_documented_form() -> None:
    expected = [False, False, [False], True, 0.01, 10, 0.0, False, 3000, 2000, True]
    assert encode(EpisodeSettings()) == expected


def test_a_transform_is_location_and_rotation() -> None:
    assert encode(Transform(1, 2, 3, 4, 5, 6)) == [[1, 2, 3], [4, 5, 6]]


def test_numbers_of_numpy_can_be_packed() -> None:
    control = VehicleControl(throttle=np.float32(0.5), gear=np.int64(2))  # type: ignore[arg-type]
    assert msgpack.unpackb(msgpack.packb(encode(control)))[0] == 0.5


def test_whole_numbers_are_read_where_a_float_is_meant() -> None:
    assert decode(Transform, [[1, 2, 3], [0, 90, 0]]) == Transform(1.0, 2.0, 3.0, yaw=90.0)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (float, float("nan")),
        (float, float("inf")),
        (float, 1e30),
        (float, True),
        (float, "1"),
        (int, 1.0),
        (int, True),
        (bool, 1),
        (str, b"x"),
        (Transform, [[1, 2, 3], [4, 5]]),
        (Transform, [[1, 2, 3]]),
        (Transform, 5),
        (tuple[int, ...], 5),
        (tuple[float, float], [1.0]),
        (float | None, []),
        (float | None, [True]),
        (float | None, [1, 2.0]),
        (VehicleControl, [0.0, 0.0, 0.0]),
        (VehicleControl, {"throttle": 1}),
        (PhysicsControl, []),
    ],
)
def test_what_is_of_another_type_is_refused(kind: object, raw: object) -> None:
    with pytest.raises(ProtocolError, match=r"expected .* received"):
        decode(kind, raw)


def test_an_optional_is_a_pair_or_a_lonely_false() -> None:
    assert decode(float | None, [False]) is None
    assert decode(float | None, [False, 0.0]) is None
    assert decode(float | None, [True, 0.05]) == 0.05


def test_object_is_left_as_it_came() -> None:
    @dataclass
    class Command:
        raw: object

    assert encode(Command([1, {"a": 2}])) == [[1, {"a": 2}]]
    assert decode(object, [1, [2]]) == [1, [2]]
