"""Planted maps: which of them could be had without the network, or without the picture."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from carla_saliency import factory
from carla_saliency.core import Array, Contract, Frame, Image, MapCheck, Network
from carla_saliency.drive import drive
from carla_saliency.embedded import EmbeddedServer
from carla_saliency.factory import Steering
from carla_saliency.insight.map_check import Limits, MapChecker, edge_map, strongest
from carla_saliency.insight.ranks import alike, is_flat, magnitudes, ranks
from carla_saliency.pilot.learned import LearnedPilot
from carla_saliency.pilot.speed import SpeedControl
from carla_saliency.saliency import METHODS
from carla_saliency.sim.session import CarlaSession, SessionSettings

GRID = 66, 200
SECONDS = 20
Maps = Callable[[Image, int], Array]


def picture(number: int) -> Image:
    """Another picture for each number, with structure of all sizes."""
    random = np.random.default_rng((9, number))
    result = np.zeros((*GRID, 3), np.float32)
    for cell_px in (40, 20, 10, 4):
        shape = (GRID[0] // cell_px + 1, GRID[1] // cell_px + 1, 3)
        coarse = random.uniform(0, 64, shape).astype(np.float32)
        result += cv2.resize(coarse, GRID[::-1], interpolation=cv2.INTER_NEAREST)
    return result.clip(0, 255).astype(np.uint8)


def blobs(*seed: int) -> Array:
    """A smooth map that is another one for each seed."""
    noise = np.random.default_rng(seed).normal(0, 1, GRID).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 5).astype(np.float32)


def reads(weights: Array) -> Callable[[NDArray[np.uint8]], Array]:
    """A linear network."""
    return lambda pictures: (pictures.mean(axis=3) * weights).sum(axis=(1, 2)).astype(np.float32)


def checked(maps: Maps, random_maps: Maps | None = None, seconds: int = SECONDS) -> list[MapCheck]:
    """Return what a checker says each second of a network whose gradient is its map."""
    checker, found = MapChecker(), []
    for second in range(seconds):
        rgb, weights = picture(second), maps(picture(second), second)
        ask = reads(weights)
        random_map = None if random_maps is None else random_maps(rgb, second)
        steering = float(ask(rgb[None])[0])
        found.append(checker.full(second, float(second), rgb, weights, steering, ask, random_map))
    return found


def own(rgb: Image, second: int) -> Array:
    """A map that is about this picture and this network."""
    return blobs(1, second)


def about(check: MapCheck) -> set[str]:
    return {text.partition(", r")[0] for text in check.doubts}


EDGES, RANDOM, OTHERS = "like an edge detector", "like random weights", "like other pictures' maps"
DELETION = "as telling as another frame's"


def laplace(rgb: Image, second: int) -> Array:
    return cv2.Laplacian(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32), cv2.CV_32F)


@pytest.mark.parametrize("detector", [lambda rgb, second: -edge_map(rgb) * 1e-6, laplace])
def test_a_map_that_is_an_edge_detector_is_in_doubt(detector: Maps) -> None:
    for check in checked(detector):
        assert EDGES in about(check)
        assert check.edges > 0.8


def test_a_map_that_is_the_same_for_every_picture_is_in_doubt() -> None:
    found = checked(lambda rgb, second: blobs(5))
    assert [check.others for check in found[:2]] == [None, None]
    for check in found[2:]:
        assert OTHERS in about(check)
        assert check.others == pytest.approx(1)
        assert check.deletion is not None
        assert check.deletion[0] == check.deletion[1]
    assert DELETION in about(found[-1])


def test_a_map_that_random_weights_have_too_is_in_doubt() -> None:
    found = checked(own, random_maps=lambda rgb, second: -2 * own(rgb, second))
    assert all(about(check) == {RANDOM} for check in found)
    assert found[-1].random == pytest.approx(1)


def test_a_map_of_this_picture_and_this_network_passes() -> None:
    for check in checked(own, random_maps=lambda rgb, second: blobs(2, second)):
        assert check.doubts == ()
        assert abs(check.edges) < 0.5
        assert check.random is not None
        assert abs(check.random) < 0.5
    assert check.others is not None
    assert abs(check.others) < 0.3
    assert check.deletion is not None
    assert check.deletion[0] > 1.5 * check.deletion[1]


def test_where_other_maps_move_the_steering_as_much_there_is_doubt() -> None:
    def ask(pictures: NDArray[np.uint8]) -> Array:
        return np.array([0.1, 0.1], np.float32)

    checker, found = MapChecker(), []
    for second in range(12):
        found.append(checker.full(second, second, picture(second), blobs(second), 0.0, ask))
    assert [about(check) for check in found[2:5]] == [set()] * 3  # few say little
    assert all(about(check) == {DELETION} for check in found[5:])
    assert found[-1].deletion == pytest.approx((0.1, 0.1))


def test_a_flat_map_is_in_doubt() -> None:
    for value in (0.0, 0.25):
        found = checked(lambda rgb, second, value=value: np.full(GRID, value, np.float32))
        assert {check.doubts for check in found} == {("flat, it points nowhere",)}
        assert {check.edges for check in found} == {0.0}
        assert found[-1].others is None


def test_a_picture_without_edges_says_nothing() -> None:
    check = MapChecker().cheap(1, 0.0, np.full((*GRID, 3), 99, np.uint8), blobs(1))
    assert check == MapCheck(1, 0.0)


# ------------------------------------------------------------------ time


def asking(*answers: float) -> Callable[[NDArray[np.uint8]], Array]:
    return lambda pictures: np.array(answers, np.float32)


def refuse(pictures: NDArray[np.uint8]) -> Array:
    raise AssertionError


def test_in_between_the_last_known_numbers_are_told() -> None:
    checker = MapChecker()
    for second in range(4):
        rgb, random = picture(second), blobs(3, second)
        full = checker.full(second, second, rgb, blobs(second), 0.0, asking(0.3, -0.1), random)
    cheap = checker.cheap(9, 3.05, picture(4), blobs(4))
    assert cheap.frame_id == 9
    assert cheap.edges != full.edges
    assert (cheap.random, cheap.others, cheap.deletion) == (full.random, full.others, full.deletion)
    assert cheap.deletion == pytest.approx((0.3, 0.1))


def test_maps_of_the_last_two_seconds_are_no_others() -> None:
    checker = MapChecker()
    first = [
        checker.full(n, n * 0.5, picture(n), blobs(1), 0.0, asking(0.3, 0.1)) for n in range(5)
    ]
    assert [check.others is None for check in first] == [True] * 4 + [False]


def test_a_car_that_waits_sees_no_other_pictures() -> None:
    checker, random = MapChecker(), np.random.default_rng(0)
    for second in range(30):
        noise = random.integers(-2, 3, (*GRID, 3))
        rgb = (picture(1).astype(int) + noise).clip(0, 255).astype(np.uint8)
        check = checker.full(second, second, rgb, blobs(1), 0.0, refuse)
        assert check.others is None
        assert check.doubts == ()


def test_doubts_do_not_flicker() -> None:
    """An edge detector in every other frame is half of one: there is one answer, not thirty."""
    for share in (0.2, 0.5, 0.8):
        checker, seen = MapChecker(), []
        for tick in range(200):
            rgb = picture(tick)
            weights = edge_map(rgb) if (tick * share) % 1 < share else blobs(tick)
            seen.append(bool(checker.cheap(tick, tick * 0.05, rgb, weights).doubts))
        assert np.count_nonzero(np.diff(seen[40:])) <= 2


def test_a_doubt_ends_below_its_limit() -> None:
    checker = MapChecker(Limits(edges=0.6))
    assert checker.cheap(1, 0.0, picture(1), edge_map(picture(1))).doubts
    times = np.arange(0.05, 3, 0.05)
    later = [checker.cheap(2, s, picture(1), blobs(1)) for s in times]
    ended = next(check for check in later if not check.doubts)
    assert ended.edges < 0.58
    assert later[later.index(ended) - 1].doubts[0].startswith("like an edge detector, r 0.")


def test_after_a_step_back_in_time_it_begins_anew() -> None:
    checker = MapChecker()
    for second in range(6):
        checker.full(second, second, picture(second), blobs(1), 0.0, asking(0.3, 0.1))
    back = checker.full(7, 1.0, picture(7), blobs(1), 0.0, refuse)
    assert back == MapChecker().cheap(7, 1.0, picture(7), blobs(1))


def test_one_frame_alone_leaves_no_trace() -> None:
    checker, twin = MapChecker(), MapChecker()
    for second in range(8):
        for one in (checker, twin):
            one.full(second, second, picture(second), blobs(second), 0.0, asking(0.1, 0.1))
        once = checker.once(99, second - 0.5, picture(50), edge_map(picture(50)), 0.0, asking(1, 2))
        assert once.edges == pytest.approx(1)
        assert about(once) == {EDGES}
    assert once.deletion == (1, 2)
    end = [one.full(9, 9, picture(9), blobs(9), 0.0, asking(0.1, 0.1)) for one in (checker, twin)]
    assert end[0] == end[1]


def test_limits_can_be_others() -> None:
    rgb = picture(1)
    weak = (edge_map(rgb) + 40 * np.abs(blobs(1)) * edge_map(rgb).std()).astype(np.float32)
    r = MapChecker().cheap(1, 0.0, rgb, weak).edges
    assert 0.1 < r < 0.6
    assert MapChecker(Limits(edges=r - 0.01)).cheap(1, 0.0, rgb, weak).doubts
    assert not MapChecker(Limits(edges=r + 0.01)).cheap(1, 0.0, rgb, weak).doubts


# ------------------------------------------------------------------ parts


def test_equal_values_share_their_mean_rank() -> None:
    one = ranks(np.array([3, 1, 1, 2], np.float32))
    expected = np.array([3, 0.5, 0.5, 2]) - 1.5
    assert np.allclose(one, expected / np.linalg.norm(expected))


def test_the_rank_correlation_is_spearmans() -> None:
    first = np.array([106, 100, 86, 101, 99, 103, 97, 113, 112, 110], np.float32)
    second = np.array([7, 27, 2, 50, 28, 29, 20, 12, 6, 17], np.float32)
    # n = 10 and squared differences of ranks that sum to 194: 1 - 6 * 194 / 990
    assert alike(ranks(first), ranks(second)) == pytest.approx(1 - 6 * 194 / 990)
    assert alike(ranks(first), ranks(np.exp(first / 9))) == pytest.approx(1)
    assert alike(ranks(first), ranks(-first)) == pytest.approx(-1)
    assert alike(ranks(first), ranks(np.ones(10, np.float32))) == 0


def test_magnitudes_are_means_of_cells() -> None:
    values = np.zeros((64, 200), np.float32)
    values[4:8, 8:12] = -2
    values[4, 12] = 4
    cells = magnitudes(values)
    assert cells.shape == (16, 50)
    assert (cells[1, 2], cells[1, 3], cells.sum()) == (2, 0.25, 2.25)
    assert magnitudes(np.ones((5, 7), np.float32)).shape == (5, 7)


def test_a_map_of_one_value_is_flat() -> None:
    assert is_flat(np.full(GRID, -0.3, np.float32))
    assert is_flat(np.zeros(GRID, np.float32))
    assert not is_flat(blobs(1) * 1e-9)


def test_the_strongest_are_one_in_twenty_and_never_where_the_map_is_zero() -> None:
    values = blobs(1)
    where = strongest(values)
    assert np.count_nonzero(where) == round(0.05 * values.size)
    assert np.abs(values[where]).min() >= np.abs(values[~where]).max()
    spot = np.zeros(GRID, np.float32)
    spot[3, 4] = -1
    assert np.argwhere(strongest(spot)).tolist() == [[3, 4]]


# ------------------------------------------------------------------ real maps


def in_doubt(method: str, network: Network, steering: Steering, frames: list[Image]) -> float:
    """Return in which share of a drive's last seconds its maps are in doubt."""
    feed, grid = steering.feed, _grid(steering.contract)
    explain = METHODS[method](network, feed)
    random = METHODS[method](network.randomised(4711), feed)
    checker, doubts = MapChecker(), []
    for second, image in enumerate(frames):
        seen = feed.look(_frame(second, image))
        own, other = explain.explain_seen(seen), random.explain_seen(seen)
        assert own.attribution.shape == grid
        check = checker.full(
            second,
            float(second),
            seen.rgb,
            own.attribution,
            own.steering,
            lambda pictures, seen=seen: network.steer(feed.vary(seen, pictures)),
            other.attribution,
        )
        doubts.append(bool(check.doubts))
    return float(np.mean(doubts[5:]))


def _grid(contract: Contract) -> tuple[int, int]:
    return contract.input_height_px, contract.input_width_px


def _frame(second: int, image: Image) -> Frame:
    return Frame(second, float(second), image)


@pytest.mark.slow
def test_trained_networks_usually_pass_and_random_ones_do_not() -> None:
    steering = factory.load_steering()
    with EmbeddedServer("town", 5) as server:
        settings = SessionSettings(host=server.host, port=server.port, timeout_s=30, seed=5)
        with CarlaSession(settings, steering.contract) as session:
            explainers = factory.make_explainers(steering, "contrast")
            speed = SpeedControl(30 / 3.6)
            pilot = LearnedPilot(explainers, session.car, steering.contract, speed)
            steps = islice(drive(session, pilot), 20, 400, 20)
            frames = [step.observation.frame.image for step in steps]
    for method in ("contrast", "gradient"):
        assert in_doubt(method, steering.network, steering, frames) < 0.3
        for seed in range(3):
            assert in_doubt(method, steering.network.randomised(seed), steering, frames) > 0.7
