from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from carla_saliency.core import GROUPS
from carla_saliency.insight.without import PART_FROM, WithoutClasses, partition, plain_road

LINES, ROAD, SIDEWALK, WALL, VEGETATION, BUILDING, VEHICLE, SKY = range(8)
COLOURS = np.array(
    [
        (250, 220, 10),  # yellow lines
        (90, 90, 95),
        (150, 140, 130),
        (120, 60, 50),
        (30, 110, 40),
        (200, 180, 160),
        (200, 20, 30),
        (100, 160, 240),
    ],
    np.uint8,
)
Ask = Callable[[np.ndarray], np.ndarray]


def scene() -> np.ndarray:
    """A street of 66x200 pixels, as groups: sky, houses, trees, a wall, a car, pavements, lines."""
    groups = np.full((66, 200), ROAD)
    groups[:14] = SKY
    groups[6:14, 30:80] = BUILDING
    groups[4:14, 90:150] = VEGETATION
    groups[14:, :30] = SIDEWALK
    groups[14:30, 160:] = WALL
    groups[30:, 180:] = SIDEWALK
    groups[20:28, 60:76] = VEHICLE
    groups[16:, 100:102] = LINES
    groups[30:, 44:46] = LINES
    return groups


def one_hot(groups: np.ndarray) -> np.ndarray:
    return np.eye(len(GROUPS), dtype=np.float32)[groups]


def counts(colour: np.ndarray, where: np.ndarray | bool = True) -> Ask:
    """A network that reads only the pixels of exactly one colour: left ones minus right ones."""

    def ask(pictures: np.ndarray) -> np.ndarray:
        there = (pictures == colour).all(axis=3) & where
        return (there[:, :, :95].sum(axis=(1, 2)) - there[:, :, 95:].sum(axis=(1, 2))) / 100.0

    return ask


def averages(there: np.ndarray) -> Ask:
    """A network that reads the mean blue of a part of the picture."""
    return lambda pictures: pictures[:, there, 2].mean(axis=1) / 255


def effects(
    ask: Ask, groups: np.ndarray | None = None, rgb: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    groups = scene() if groups is None else groups
    rgb = COLOURS[groups] if rgb is None else rgb
    found = WithoutClasses().measure(5, rgb, one_hot(groups), float(ask(rgb[None])[0]), ask)
    assert found.frame_id == 5
    assert found.change.dtype == found.floor.dtype == np.float32
    return found.change, found.floor


def test_a_network_that_reads_only_yellow_depends_on_the_yellow_lines_alone() -> None:
    ask = counts(COLOURS[LINES])
    change, floor = effects(ask)
    assert (np.delete(change, LINES) == 0).all()
    assert change[LINES] == pytest.approx(-float(ask(COLOURS[scene()][None])[0]), abs=1e-6)
    assert abs(change[LINES]) > 0.1
    assert np.nanmax(floor) == 0


@pytest.mark.parametrize("group", range(8), ids=GROUPS)
def test_a_network_that_reads_one_class_depends_on_that_class_alone(group: int) -> None:
    # What is painted over may take any colour but that of lines, so it looks at the places too.
    ask = counts(COLOURS[group], scene() == group)
    change, _ = effects(ask)
    assert (np.delete(change, group) == 0).all()
    assert change[group] == pytest.approx(-float(ask(COLOURS[scene()][None])[0]), abs=0.02)
    assert abs(change[group]) > 0.1


def test_a_network_that_averages_the_sky_depends_on_the_sky_alone() -> None:
    change, floor = effects(averages(scene() == SKY))
    assert np.abs(np.delete(change, SKY)).max() < 1e-6
    assert change[SKY] < -0.1  # everything below is less blue
    assert np.nanmax(floor) == 0


def test_a_network_that_sees_nothing_depends_on_nothing() -> None:
    change, floor = effects(lambda pictures: np.full(len(pictures), 0.3, np.float32))
    assert np.abs(change).max() < 1e-6
    assert np.nanmax(floor) < 1e-6


def test_a_linear_network_answers_what_can_be_worked_out() -> None:
    weights = np.random.default_rng(0).normal(size=(66, 200, 3)) / 1e5
    groups = scene()
    change, _ = effects(lambda pictures: np.tensordot(pictures, weights, 3))
    instead = COLOURS[ROAD].astype(float) - COLOURS[LINES]  # lines become exactly road
    expected = (weights[groups == LINES] @ instead).sum()
    assert change[LINES] == pytest.approx(expected, abs=1e-6)
    assert abs(expected) > 1e-4


def pictures_of(groups: np.ndarray, cover: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    asked = []

    def ask(pictures: np.ndarray) -> np.ndarray:
        asked.append(pictures)
        return np.zeros(len(pictures), np.float32)

    WithoutClasses().measure(0, rgb, cover, 0.0, ask)
    assert len(asked) == 1
    assert asked[0].dtype == np.uint8
    return np.asarray(asked[0])


def test_all_is_asked_at_once_at_most_nine_pictures() -> None:
    groups = scene()
    pictures = pictures_of(groups, one_hot(groups), COLOURS[groups])
    assert pictures.shape == (9, 66, 200, 3)
    for group, picture in enumerate(pictures[:8]):
        changed = (picture != COLOURS[groups]).any(axis=2)
        assert not changed[groups != group].any()
        assert changed[groups == group].all()


def test_lines_become_road_although_the_sidewalk_is_next_to_them() -> None:
    groups = np.full((66, 200), SIDEWALK)
    groups[:, 120:] = ROAD
    groups[:, 100:110] = LINES
    picture = pictures_of(groups, one_hot(groups), COLOURS[groups])[LINES]
    assert (picture[groups == LINES] == COLOURS[ROAD]).all()


def test_lines_without_a_road_become_what_is_around() -> None:
    groups = np.full((66, 200), SIDEWALK)
    groups[:, 100:110] = LINES
    pictures = pictures_of(groups, one_hot(groups), COLOURS[groups])
    assert len(pictures) == 2  # no plain road either
    assert (pictures[0] == COLOURS[SIDEWALK]).all()


def test_a_wall_becomes_what_is_around_it() -> None:
    groups = np.full((66, 200), VEGETATION)
    groups[:20] = SKY
    groups[15:30, 50:150] = WALL
    wall = pictures_of(groups, one_hot(groups), COLOURS[groups])[0]
    green = (wall[15:30, 50:150] - COLOURS[VEGETATION].astype(int))[..., 2]  # bluer towards the sky
    assert green[-1].max() < 30
    assert green[0].min() > 130
    assert (np.diff(green[:, 50]) <= 0).all()


def test_lines_are_behind_nothing() -> None:
    groups = np.full((66, 200), ROAD)
    groups[:30] = VEGETATION
    groups[30:, 100:104] = LINES
    road = pictures_of(groups, one_hot(groups), COLOURS[groups])[1]
    assert (road[groups == ROAD] == COLOURS[VEGETATION]).all()


def test_a_class_is_painted_over_where_it_shares_a_pixel_and_never_with_itself() -> None:
    cover = one_hot(np.full((66, 200), ROAD))
    cover[:20] = np.eye(8)[WALL]
    cover[20, :] = 0.3 * np.eye(8)[WALL] + 0.7 * np.eye(8)[ROAD]
    cover[21, :] = 0.05 * np.eye(8)[WALL] + 0.95 * np.eye(8)[ROAD]  # too little to be painted over
    rgb = (cover @ COLOURS.astype(np.float32)).round().astype(np.uint8)
    wall = pictures_of(partition(cover), cover, rgb)[1]
    assert (wall[:21] == COLOURS[ROAD]).all()
    assert (wall[21] == rgb[21]).all()


def test_a_tenth_of_a_line_makes_a_pixel_a_line() -> None:
    cover = np.zeros((1, 4, 8), np.float32)
    for column, line in enumerate((0, PART_FROM - 0.01, PART_FROM, 0.6)):
        cover[0, column, LINES], cover[0, column, ROAD] = line, 1 - line
    assert partition(cover)[0].tolist() == [ROAD, ROAD, LINES, LINES]
    assert partition(cover).dtype == np.uint8


def test_every_other_pixel_belongs_to_the_group_that_covers_most_of_it() -> None:
    cover = np.random.default_rng(0).random((66, 200, 8)).astype(np.float32)
    cover[..., LINES] = 0
    assert (partition(cover) == cover.argmax(axis=2)).all()


def test_what_is_hardly_in_sight_is_not_asked() -> None:
    groups = np.full((66, 200), ROAD)
    groups.flat[:13] = SKY  # of 13200
    groups[40, :14] = VEHICLE
    change, floor = effects(lambda pictures: pictures.mean(axis=(1, 2, 3)) / 255, groups)
    assert np.isfinite(change[[ROAD, VEHICLE]]).all()
    assert np.isnan(np.delete(change, [ROAD, VEHICLE])).all()
    assert np.isnan(floor[SKY])


def test_plain_road_keeps_clear_of_all_else() -> None:
    groups = np.full((30, 40), ROAD)
    groups[:, 20] = LINES
    plain = plain_road(groups.astype(np.uint8))
    assert not plain[:, 18:23].any()
    assert plain[:, :17].all()
    assert plain[:, 24:].all()


def test_a_whole_picture_of_road_is_plain_and_becomes_its_mean() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (66, 200, 3), np.uint8)
    groups = np.full((66, 200), ROAD)
    assert plain_road(groups.astype(np.uint8)).all()
    road = pictures_of(groups, one_hot(groups), rgb)[0]
    assert (road == np.rint(rgb.mean(axis=(0, 1)))).all()


def rough() -> tuple[np.ndarray, np.ndarray]:
    """The street with a grain, and its classes."""
    groups = scene()
    grain = np.random.default_rng(1).integers(-15, 16, groups.shape)[..., None]
    return np.clip(COLOURS[groups].astype(int) + grain, 0, 255).astype(np.uint8), one_hot(groups)


def painted_pieces(calls: int) -> list[np.ndarray]:
    """What the last picture of each call has painted over, of the rough street."""
    rgb, cover = rough()
    pieces = []

    def ask(pictures: np.ndarray) -> np.ndarray:
        pieces.append((pictures[-1] != rgb).any(axis=2))
        return np.zeros(len(pictures), np.float32)

    without = WithoutClasses(3)
    for i in range(calls):
        without.measure(i, rgb, cover, 0.0, ask)
    return pieces


def test_the_floor_is_of_as_much_plain_road_as_the_class_whose_turn_it_is() -> None:
    groups = scene()
    plain = plain_road(groups.astype(np.uint8))
    for i, piece in enumerate(painted_pieces(10)):
        area = min((groups == i % 8).sum(), plain.sum())
        assert not piece[~plain].any()
        # a filled pixel may happen to keep its colour
        assert 0.9 * area <= piece.sum() <= area


def test_a_piece_is_compact_and_taken_anywhere() -> None:
    pieces = painted_pieces(17)[0::8]  # of the lines' 172 pixels
    centres = []
    for piece in pieces:
        rows, columns = np.nonzero(piece)
        centres.append((rows.mean(), columns.mean()))
        assert np.hypot(rows - rows.mean(), columns - columns.mean()).max() < 30
    assert len(set(centres)) == 3


def mean_of_road(pictures: np.ndarray) -> np.ndarray:
    """Moves with every pixel, those at the left most: a floor that depends on the piece."""
    weights = np.linspace(1, 0, pictures.shape[2])[:, None]
    return np.asarray((pictures * weights).mean(axis=(1, 2, 3)) / 25, np.float32)


def measured(without: WithoutClasses, calls: int) -> list[np.ndarray]:
    rgb, cover = rough()
    steering = float(mean_of_road(rgb[None])[0])
    return [without.measure(i, rgb, cover, steering, mean_of_road).floor for i in range(calls)]


def test_one_floor_is_measured_at_a_time_and_each_is_the_mean_of_its_last_five() -> None:
    asked: list[float] = []
    rgb, cover = rough()
    steering = float(mean_of_road(rgb[None])[0])

    def ask(pictures: np.ndarray) -> np.ndarray:
        answers = mean_of_road(pictures)
        asked.append(abs(float(answers[-1] - np.float32(steering))))
        return answers

    without = WithoutClasses()
    for i in range(8 * 7):
        floor = without.measure(i, rgb, cover, steering, ask).floor
        for group in range(8):
            own = asked[group::8][-5:]
            if own:
                assert floor[group] == pytest.approx(np.mean(own), rel=1e-5)
            else:
                assert np.isnan(floor[group])
    assert min(asked) > 0


def test_forgotten_floors_are_measured_anew() -> None:
    without = WithoutClasses()
    assert np.isfinite(measured(without, 8)[-1]).all()
    without.forget()
    assert np.isfinite(measured(without, 1)[0]).sum() == 1


def test_without_plain_road_there_is_no_floor() -> None:
    groups = np.where(scene() == ROAD, SIDEWALK, scene())
    _, floor = effects(mean_of_road, groups)
    assert np.isnan(floor).all()


def test_classes_out_of_sight_miss_their_turn() -> None:
    groups = np.full((66, 200), ROAD)
    groups[:20] = SKY
    rgb, without = COLOURS[groups], WithoutClasses()
    floors = [without.measure(i, rgb, one_hot(groups), 0.0, mean_of_road).floor for i in range(2)]
    assert np.flatnonzero(np.isfinite(floors[0])).tolist() == [ROAD]
    assert np.flatnonzero(np.isfinite(floors[1])).tolist() == [ROAD, SKY]


def test_a_seed_gives_the_same_floors_again() -> None:
    first, again, other = (measured(WithoutClasses(seed), 9) for seed in (1, 1, 2))
    assert np.array_equal(first, again, equal_nan=True)
    assert not np.array_equal(first, other, equal_nan=True)


def test_a_floor_is_of_as_many_pixels_as_are_painted_over_of_a_class() -> None:
    cover = one_hot(np.full((66, 200), ROAD))
    cover[:10] = np.eye(8)[WALL]
    cover[10, :] = 0.3 * np.eye(8)[WALL] + 0.7 * np.eye(8)[ROAD]
    rgb = np.random.default_rng(0).integers(0, 256, (66, 200, 3), np.uint8)
    pieces = []

    def ask(pictures: np.ndarray) -> np.ndarray:
        pieces.append((pictures[-1] != rgb).any(axis=2).sum())
        return np.zeros(len(pictures), np.float32)

    without = WithoutClasses()
    for i in range(2):
        without.measure(i, rgb, cover, 0.0, ask)
    assert 0.98 * 2200 < pieces[1] <= 2200  # the turn of the wall: 11 rows of it
