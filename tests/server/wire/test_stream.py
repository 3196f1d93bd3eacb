from __future__ import annotations

import struct

import msgpack
import numpy as np
import pytest

from carla_saliency.server.nouns import Transform
from carla_saliency.server.wire import stream
from carla_saliency.server.wire.stream import (
    ActorState,
    Episode,
    SensorType,
    Stamp,
    SubscriptionDecoder,
)


def test_a_token_has_the_documented_24_bytes() -> None:
    assert stream.token(7, 2001) == struct.pack("<IH", 7, 2001) + b"\x01\x00" + bytes(16)


@pytest.mark.parametrize("cut", range(5))
def test_a_subscription_is_read_wherever_it_is_cut(cut: int) -> None:
    decoder = SubscriptionDecoder()
    data = struct.pack("<I", 0x01020304)
    found = [decoder.receive(data[:cut]), decoder.receive(data[cut:])]
    assert [one for one in found if one is not None] == [0x01020304]


def test_what_comes_after_a_subscription_is_dropped() -> None:
    decoder = SubscriptionDecoder()
    assert decoder.receive(b"\x01\x00\x00\x00garbage") == 1
    assert decoder.receive(b"more") is None


def test_a_snapshot_has_every_field_at_its_place() -> None:
    extra = stream.vehicle_state(
        0.5,
        -0.25,
        0.125,
        hand_brake=True,
        reverse=False,
        manual_gear_shift=True,
        gear=-1,
        speed_limit_kmh=50.0,
    )
    state = ActorState(
        77,
        Transform(1, 2, 3, pitch=4, yaw=5, roll=6),
        velocity=(7, 8, 9),
        angular_velocity=(10, 11, 12),
        acceleration=(13, 14, 15),
        extra=extra,
    )
    message = stream.snapshot(Stamp(42, 2.1), Episode(99, 1.5, 0.05, flags=1), [state, state])
    (length,) = struct.unpack_from("<I", message)
    body = message[4:]
    assert length == len(body) == 48 + 36 + 2 * 119
    assert struct.unpack_from("<QQd", body) == (SensorType.SNAPSHOT, 42, 2.1)
    assert struct.unpack_from("<Qdf", body, 48)[:2] == (99, 1.5)
    assert np.float32(0.05) == struct.unpack_from("<f", body, 48 + 16)[0]
    assert struct.unpack_from("<I", body, 48 + 32) == (1,)
    actor = body[84:203]
    assert struct.unpack_from("<IB", actor) == (77, 1)
    assert struct.unpack_from("<15f", actor, 5) == (1, 2, 3, 4, 5, 6, *range(7, 16))
    assert struct.unpack_from("<3f3?i", actor, 65) == (0.5, -0.25, 0.125, True, False, True, -1)
    assert struct.unpack_from("<fB?IB", actor, 84) == (50.0, 2, False, 0, 0)
    assert actor[95:] == bytes(24)
    assert body[203:] == actor


def test_a_picture_follows_its_head_row_by_row_from_the_top() -> None:
    bgra = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    pose = Transform(1, 2, 3, pitch=4, yaw=5, roll=6)
    message = stream.camera_message(SensorType.RGB, Stamp(5, 0.25), pose, 90.0, bgra)
    assert struct.unpack_from("<I", message) == (len(message) - 4,)
    assert struct.unpack_from("<QQd6f", message, 4) == (13, 5, 0.25, 1, 2, 3, 4, 5, 6)
    assert struct.unpack_from("<IIf", message, 52) == (3, 2, 90.0)
    assert message[64:] == bytes(range(24))


def test_a_picture_that_is_a_view_is_sent_as_it_looks() -> None:
    bgra = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)[::-1]
    message = stream.camera_message(SensorType.RGB, Stamp(1, 0.0), Transform(), 90.0, bgra)
    assert message[64:] == bytes(range(12, 24)) + bytes(range(12))


def test_a_semantic_picture_has_its_tag_in_red() -> None:
    picture = stream.tag_picture(np.array([[1, 24]], np.uint8))
    assert picture.tolist() == [[[0, 0, 1, 255], [0, 0, 24, 255]]]


@pytest.mark.parametrize("metres", [0.0, 0.06, 1.0, 123.456, 999.9])
def test_depth_comes_back_by_the_formula_of_carla(metres: float) -> None:
    depth = np.array([[metres]], np.float32)
    blue, green, red, alpha = (int(v) for v in stream.depth_picture(depth)[0, 0])
    back = (red + green * 256 + blue * 65536) / (2**24 - 1) * 1000
    assert back == pytest.approx(metres, abs=1e-4)
    assert alpha == 255


def test_depth_beyond_its_range_saturates() -> None:
    picture = stream.depth_picture(np.array([[1000.0, 5000.0, -1.0]], np.float32))
    assert picture[0].tolist() == [[255, 255, 255, 255], [255, 255, 255, 255], [0, 0, 0, 255]]


def test_other_data_is_msgpack_behind_the_head() -> None:
    message = stream.data_message(SensorType.GNSS, Stamp(3, 0.1), Transform(), [1.5, 2.5, 3.5])
    assert struct.unpack_from("<IQQ", message) == (len(message) - 4, 4, 3)
    assert msgpack.unpackb(message[52:]) == [1.5, 2.5, 3.5]
