"""Maps by name and by path."""

from __future__ import annotations

from pathlib import Path

import pytest

from carla_saliency.errors import BadInputError
from carla_saliency.server.roads.network import load_map, map_names


def test_the_default_map_comes_first() -> None:
    assert map_names()[0] == "town"
    assert set(map_names()) == {"town", "village", "curvy", "country", "highway", "unseen"}


def test_a_file_gives_the_same_map_as_its_text(tmp_path: Path) -> None:
    shipped = load_map("curvy")
    path = tmp_path / "mine.xodr"
    path.write_text("\ufeff" + shipped.xodr, encoding="utf-8")  # with a byte order mark
    mine = load_map(str(path))
    assert mine.name == "mine"
    assert mine.xodr == shipped.xodr
    assert mine.spawn_points == shipped.spawn_points


def test_a_missing_map_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(BadInputError, match=r"'Town99'.*town.*\.xodr"):
        load_map("Town99")


def test_a_folder_is_no_map(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no map"):
        load_map(str(tmp_path))


def test_a_file_that_is_not_text_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "picture.xodr"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(BadInputError, match=r"picture\.xodr must be .* UTF-8"):
        load_map(str(path))


def test_a_file_without_a_road_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "empty.xodr"
    path.write_text("<OpenDRIVE/>", encoding="utf-8")
    with pytest.raises(BadInputError, match=r"empty\.xodr: .*<road>"):
        load_map(str(path))
