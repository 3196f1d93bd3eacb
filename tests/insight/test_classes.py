from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.core import GROUPS
from carla_saliency.insight.classes import cover, shares, tag_table

IN_ORDER = np.arange(256, dtype=np.uint8)  # a table for tags that are the groups themselves


def group_of(version: str, tag: int) -> str:
    return GROUPS[tag_table(version)[tag]]


def one_hot(groups: np.ndarray) -> np.ndarray:
    return np.eye(len(GROUPS), dtype=np.float32)[groups]


def test_the_groups_are_stacked_from_the_lines_up_to_the_sky() -> None:
    assert GROUPS == (
        "lines",
        "road",
        "sidewalk",
        "wall",
        "vegetation",
        "building",
        "vehicle",
        "sky",
    )


NEW = {
    "lines": [24],
    "road": [1],
    "sidewalk": [2, 25],
    "wall": [4, 5, 6, 7, 8, 28],
    "vegetation": [9, 10],
    "building": [0, 3, 20, 21, 22, 23, 26, 27, 29, 100, 255],
    "vehicle": [12, 13, 14, 15, 16, 17, 18, 19],
    "sky": [11],
}
OLD = {
    "lines": [6],
    "road": [7],
    "sidewalk": [8, 14],
    "wall": [2, 5, 11, 12, 17, 18],
    "vegetation": [9, 22],
    "building": [0, 1, 3, 15, 16, 19, 20, 21, 23, 255],
    "vehicle": [4, 10],
    "sky": [13],
}


@pytest.mark.parametrize(
    "version", ["0.9.14", "0.9.15", "0.9.16", "0.9.16-dirty", "0.10.0", "1.0", "", "nightly", "UE5"]
)
def test_new_servers_have_the_new_tags(version: str) -> None:
    for group, tags in NEW.items():
        assert [group_of(version, tag) for tag in tags] == [group] * len(tags)


@pytest.mark.parametrize("version", ["0.9.13", "0.9.13-7-gab12cd", "0.9.5", "0.8.4", "v0.9.12"])
def test_old_servers_have_the_old_tags(version: str) -> None:
    for group, tags in OLD.items():
        assert [group_of(version, tag) for tag in tags] == [group] * len(tags)


def test_every_tag_has_a_group() -> None:
    for version in ("0.9.13", "0.9.16"):
        table = tag_table(version)
        assert table.shape == (256,)
        assert table.dtype == np.uint8
        assert table.max() < len(GROUPS)


def test_cells_of_whole_pixels_count_pixels() -> None:
    region = np.array([[24, 24, 1, 1], [1, 1, 1, 9]], np.uint8)
    result = cover(region, (1, 2), tag_table("0.9.16"))
    assert result.dtype == np.float32
    assert result.shape == (1, 2, 8)
    assert result[0, 0].tolist() == [0.5, 0.5, 0, 0, 0, 0, 0, 0]
    assert result[0, 1].tolist() == [0, 0.75, 0, 0, 0.25, 0, 0, 0]


def test_a_cell_edge_through_a_pixel_divides_it() -> None:
    region = np.array([[0, 1, 3]], np.uint8)  # 3 pixels on 2 cells: the middle one is shared
    result = cover(region, (1, 2), IN_ORDER)[0]
    assert np.allclose(result[0, :4], [2 / 3, 1 / 3, 0, 0], atol=1e-7)
    assert np.allclose(result[1, :4], [0, 1 / 3, 0, 2 / 3], atol=1e-7)


def test_cells_smaller_than_a_pixel_are_what_the_pixel_is() -> None:
    region = np.array([[0, 1], [2, 3]], np.uint8)
    result = cover(region, (4, 6), IN_ORDER)
    assert (result.argmax(axis=2) == np.kron(region, np.ones((2, 3)))).all()
    assert (result.max(axis=2) == 1).all()


@pytest.mark.parametrize(
    ("camera", "grid"),
    [((212, 640), (66, 200)), ((220, 640), (66, 200)), ((30, 90), (66, 200)), ((7, 5), (5, 7))],
)
def test_no_area_is_lost_or_found(camera: tuple[int, int], grid: tuple[int, int]) -> None:
    region = np.random.default_rng(0).integers(0, 8, camera, np.uint8)
    result = cover(region, grid, IN_ORDER)
    assert np.allclose(result.sum(axis=2), 1, atol=1e-6)
    assert result.min() >= 0
    of_camera = np.bincount(region.ravel(), minlength=8) / region.size
    assert np.allclose(result.mean(axis=(0, 1), dtype=np.float64), of_camera, atol=1e-7)


def test_a_part_of_a_larger_picture_is_taken_as_it_is() -> None:
    tags = np.random.default_rng(0).integers(0, 8, (36, 64), np.uint8)
    part = tags[14:, 3:50]
    assert (cover(part, (6, 20), IN_ORDER) == cover(part.copy(), (6, 20), IN_ORDER)).all()


def test_attention_on_a_cell_half_line_half_road_counts_half_for_each() -> None:
    covered = np.zeros((1, 4, 8), np.float32)
    covered[0, 0, [0, 1]] = 0.5
    covered[0, 1, 1] = 1
    covered[0, 2, 3] = 1
    covered[0, 3, 7] = 1
    attribution = np.array([[-4, 1, 3, 0]], np.float32)
    found = shares(17, attribution, covered)
    assert found.frame_id == 17
    assert found.share.tolist() == [0.25, 0.375, 0, 0.375, 0, 0, 0, 0]
    assert found.area.tolist() == [0.125, 0.375, 0, 0.25, 0, 0, 0, 0.25]
    assert found.on_road == 0.625
    assert found.lift[0] == 2
    assert found.share.dtype == found.area.dtype == np.float32


def test_a_map_planted_on_tags_gives_back_what_was_planted() -> None:
    random = np.random.default_rng(3)
    tags = random.choice(np.array([1, 2, 9, 11, 14, 24], np.uint8), (66, 200))
    covered = cover(tags, (66, 200), tag_table("0.9.16"))
    planted = {24: 5.0, 1: 3.0, 14: 2.0}
    attribution = np.zeros((66, 200), np.float32)
    for tag, amount in planted.items():
        there = tags == tag
        attribution[there] = amount / there.sum() * random.choice([-1, 1], there.sum())
    share = shares(1, attribution, covered).share
    assert np.allclose(share, [0.5, 0.3, 0, 0, 0, 0, 0.2, 0], atol=1e-6)


def test_shares_and_areas_sum_to_one() -> None:
    random = np.random.default_rng(0)
    covered = cover(random.integers(0, 8, (212, 640), np.uint8), (66, 200), IN_ORDER)
    found = shares(1, random.normal(size=(66, 200)).astype(np.float32) * 1e-9, covered)
    assert found.share.sum() == pytest.approx(1, abs=1e-6)
    assert found.area.sum() == pytest.approx(1, abs=1e-6)


def test_a_flat_map_has_no_shares_but_areas() -> None:
    covered = one_hot(np.array([[0, 1], [1, 1]]))
    found = shares(1, np.zeros((2, 2), np.float32), covered)
    assert not found.share.any()
    assert found.area[:2].tolist() == [0.25, 0.75]
    assert found.on_road == 0


def test_only_what_the_map_covers_counts() -> None:
    covered = one_hot(np.array([[0, 1], [7, 7]]))
    attribution = np.array([[1, 3], [9, 9]], np.float32)
    found = shares(1, attribution, covered, np.array([[True, True], [False, False]]))
    assert found.share[:2].tolist() == [0.25, 0.75]
    assert found.area.tolist() == [0.5, 0.5, 0, 0, 0, 0, 0, 0]
    nothing = shares(1, attribution, covered, np.zeros((2, 2), bool))
    assert not nothing.share.any()
    assert not nothing.area.any()
    assert np.isnan(nothing.lift).all()


def test_huge_and_tiny_attributions_stay_numbers() -> None:
    covered = one_hot(np.array([[0, 1]]))
    for size in (1e38, 3e38, 1e-38, 1e-45):
        found = shares(1, np.full((1, 2), size, np.float32), covered)
        assert found.share[:2].tolist() == [0.5, 0.5]


def test_a_map_of_another_grid_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\), received \(2, 3\)"):
        shares(1, np.zeros((2, 3), np.float32), one_hot(np.zeros((2, 2), int)))
