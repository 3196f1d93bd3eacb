import numpy as np
import pytest

from carla_saliency.core import Array, ClassShares, MapCheck
from carla_saliency.insight.map_check import Limits
from carla_saliency.insight.nominal import HIGHEST, LOWEST, NominalDrive

GRID = (20, 60)


def a_map(value: float, seed: int = 0) -> Array:
    noise = np.random.default_rng(seed).normal(size=GRID)
    return (value * noise).astype(np.float32)


def shares_of(lines: float, road: float) -> ClassShares:
    share = np.array([lines, road, 0, 1 - lines - road, 0, 0, 0, 0], np.float32)
    return ClassShares(0, share, np.full(8, 0.125, np.float32))


def test_it_says_what_the_drive_was_like() -> None:
    drive = NominalDrive("contrast")
    for tick in range(200):
        road = 0.5 if tick % 3 else 0.1  # the median is not moved by a third of the frames
        check = MapCheck(tick, 0.5, 0.7, 0.8, (3.0, 2.0))
        drive.add(tick * 0.05, a_map(2.0, tick), shares_of(0.2, road), check, tick % 20 == 0)
    found = drive.result("town")
    assert drive.frames == found.frames == 200
    assert (found.method, found.maps) == ("contrast", "town")
    assert found.map_scale == pytest.approx(2 * 2.807, rel=0.04)  # of a normal distribution
    assert found.shares.tolist()[:2] == pytest.approx([0.2, 0.5])
    assert found.on_road == pytest.approx(0.7)
    assert found.apart_s == pytest.approx(0.05)
    assert found.jumps is not None
    expected = 2 * np.sqrt(2) * np.sqrt(2 / np.pi) / found.map_scale  # of two normal ones
    assert found.jumps.mean == pytest.approx(expected, rel=0.02)
    assert found.limits == Limits(
        edges=pytest.approx(0.55),
        random=pytest.approx(0.75),
        others=pytest.approx(0.85),
        deletion_ratio=pytest.approx(1.5 / 1.2),
    )


def test_a_map_after_a_break_does_not_jump() -> None:
    drive = NominalDrive("contrast")
    check = MapCheck(0, 0.5)
    for tick in range(40):
        if tick == 20:
            drive.skip()
        value = 1.0 if tick < 20 else 1000.0
        drive.add(tick * 0.05, a_map(value), None, check, False)
    assert drive.jumps_beyond(0.0, 1.0) == 0


def test_what_the_drive_did_not_show_is_not_made_up() -> None:
    drive = NominalDrive("occlusion")
    drive.add(0.0, a_map(1.0), None, MapCheck(0, 0.5), True)
    found = drive.result("town")
    assert np.isnan(found.shares).all()
    assert np.isnan(found.on_road)
    assert found.jumps is None
    assert found.limits is not None
    usual = Limits()
    assert (found.limits.random, found.limits.others) == (usual.random, usual.others)
    with pytest.raises(ValueError, match="no map"):
        NominalDrive("contrast").result("town")


@pytest.mark.parametrize(("number", "bounds"), [(0.0, LOWEST), (0.99, HIGHEST)])
def test_limits_stay_sensible_for_a_network_whose_maps_say_nothing(
    number: float, bounds: Limits
) -> None:
    drive = NominalDrive("contrast")
    for tick in range(30):
        check = MapCheck(tick, number, number, number, (1 + 9 * number, 1.0))
        drive.add(tick * 0.05, a_map(1.0, tick), None, check, True)
    assert drive.result("town").limits == bounds


def test_a_dead_network_has_a_scale_of_0_and_no_jumps() -> None:
    drive = NominalDrive("contrast")
    for tick in range(30):
        drive.add(tick * 0.05, a_map(0.0), None, MapCheck(tick, 0.0), False)
    found = drive.result("town")
    assert found.map_scale == 0
    assert found.jumps is None
