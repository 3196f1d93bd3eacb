from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from carla_saliency.core import Explanation, Meaning
from carla_saliency.errors import BadInputError, CarlaSaliencyError
from carla_saliency.output.map_table import COLUMNS, MapTable, Shown, sums_and_peak


def explanation(values: np.ndarray, steering: float = 0.25) -> Explanation:
    return Explanation(7, "contrast", steering, values.astype(np.float32), Meaning(title="a map"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_sums_are_of_each_side_and_the_peak_of_the_magnitudes() -> None:
    values = np.zeros((10, 100))
    values[0, :3] = -2, -0.5, 1
    values[5] = 0.01
    left, right, peak = sums_and_peak(explanation(values))
    assert left == pytest.approx(-2.5)
    assert right == pytest.approx(2.0)
    assert peak == pytest.approx(0.01)
    values[9, :10] = -3
    assert sums_and_peak(explanation(values))[2] == pytest.approx(3)


def test_a_map_of_zeros_and_one_without_cells_are_zero() -> None:
    for shape in ((4, 5), (0, 0)):
        assert sums_and_peak(explanation(np.zeros(shape))) == (0, 0, 0)


def test_each_row_says_which_frame_what_was_recorded_and_what_the_map_is(tmp_path) -> None:
    path = tmp_path / "explain.csv"
    values = np.array([[-1.0, 2.0]])
    with MapTable(path, lock_deg=70) as table:
        table.add(Shown("sim, old/driving_log.csv", 3, 0.3, -0.5), explanation(values))
        table.add(Shown("a.png", 0), explanation(values, -0.1))
        assert len(rows(path)) == 2  # in the file at once
        assert table.count == 2
    first, second = rows(path)
    assert tuple(first) == COLUMNS
    assert first["input"] == "sim, old/driving_log.csv"
    assert (first["frame"], first["time_s"], first["recorded_steering"]) == ("3", "0.3", "-0.5")
    assert (first["method"], first["of"]) == ("contrast", "steering")
    assert (first["steering"], first["degrees"]) == ("0.25", "17.5")
    assert (first["map_left"], first["map_right"]) == ("-1", "2")
    assert float(first["map_p99_5"]) == pytest.approx(1.995)
    assert (second["time_s"], second["recorded_steering"]) == ("", "")
    assert second["degrees"] == "-7"


def test_degrees_are_left_out_where_nobody_knows_them(tmp_path) -> None:
    with MapTable(tmp_path / "a.csv") as table:
        table.add(Shown("a.png", 0), explanation(np.ones((2, 2))))
    assert rows(tmp_path / "a.csv")[0]["degrees"] == ""


def test_names_that_are_no_text_do_not_stop_it(tmp_path) -> None:
    with MapTable(tmp_path / "a.csv") as table:
        table.add(Shown("strange\udcff\nname.png", 0), explanation(np.ones((2, 2))))
    assert rows(tmp_path / "a.csv")[0]["input"] == "strange?\nname.png"


def test_a_table_that_can_not_be_written_is_one_line(tmp_path) -> None:
    with pytest.raises(BadInputError, match=r"no/a.csv can't be written: No such file"):
        MapTable(tmp_path / "no" / "a.csv")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is full")
def test_a_full_disk_is_one_line() -> None:
    with pytest.raises(CarlaSaliencyError, match=r"can't be written any further \(No space left"):
        MapTable(Path("/dev/full"))
