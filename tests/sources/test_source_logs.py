from __future__ import annotations

import math
from pathlib import Path

import made_logs
import pytest

from carla_saliency.errors import BadInputError
from carla_saliency.sources import Broken, Picture, Source
from carla_saliency.sources.donkey import is_tub, tub
from carla_saliency.sources.logs import number_or_none
from carla_saliency.sources.udacity import udacity_log


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(source: Source) -> tuple[list[Picture], list[str]]:
    everything = list(source.read())
    pictures = [one for one in everything if isinstance(one, Picture)]
    return pictures, [one.text for one in everything if isinstance(one, Broken)]


def shades(pictures: list[Picture]) -> list[int]:
    return [round(one.image[:, :, 0].mean()) for one in pictures]


# ------------------------------------------------------------------ Udacity


@pytest.mark.parametrize("titles", [False, True])
def test_a_udacity_log_gives_the_centre_camera_with_its_steering_and_time(titles) -> None:
    source = udacity_log(made_logs.udacity(Path("log"), [0, -0.5, 1, 3.5e-2], titles))
    assert source.moving
    assert source.count == 4
    assert source.rate == pytest.approx(10)
    pictures, broken = read(source)
    assert broken == []
    assert [one.recorded for one in pictures] == [0, -0.5, 1, 0.035]
    assert [one.time_s for one in pictures] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert [one.name for one in pictures] == [made_logs.CENTRE.format(0, 100 * i) for i in range(4)]
    assert [one.number for one in pictures] == [0, 1, 2, 3]
    assert shades(pictures) == pytest.approx([100, 110, 120, 130], abs=3)


def test_red_of_a_log_stays_red() -> None:
    pictures, _ = read(udacity_log(made_logs.udacity(Path("log"), [0])))
    assert pictures[0].image.reshape(-1, 3).mean(axis=0) == pytest.approx((100, 0, 0), abs=3)


def test_lines_that_are_broken_are_named_with_their_number_and_the_others_read() -> None:
    log = made_logs.udacity(Path("log"), [0, 0.1, "left", 0.3])
    text = log.read_text() + 'C:\\IMG\\center_2020.jpg, C:\\IMG\n\n"not closed, 1\n'
    log.write_text(text)
    (Path("log/IMG") / made_logs.CENTRE.format(0, 100)).unlink()
    (Path("log/IMG") / made_logs.CENTRE.format(0, 300)).write_bytes(b"no picture")
    pictures, broken = read(udacity_log(log))
    assert [one.recorded for one in pictures] == [0]
    assert len(broken) == 5
    assert "can't read the picture log/IMG/center_2020_08_22_15_45_00_100.jpg: No such" in broken[0]
    assert broken[1].startswith("log/driving_log.csv, line 3: expected center, left, right")
    assert "00_300.jpg is not a whole picture" in broken[2]
    assert broken[3].startswith("log/driving_log.csv, line 5: ")
    assert broken[4].startswith("log/driving_log.csv, line 7: ")
    assert all(len(text.splitlines()) == 1 for text in broken)


def test_what_is_no_such_log_is_refused() -> None:
    Path("prices.csv").write_text("pear;3\nplum;4\n")
    with pytest.raises(BadInputError, match=r"prices.csv is no log of Udacity's simulator"):
        udacity_log(Path("prices.csv"))
    Path("random.csv").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(BadInputError, match=r"random.csv is no log"):
        udacity_log(Path("random.csv"))
    with pytest.raises(BadInputError, match=r"none.csv can't be read: No such file"):
        udacity_log(Path("none.csv"))


def test_an_empty_log_is_named() -> None:
    Path("driving_log.csv").write_text("")
    pictures, broken = read(udacity_log(Path("driving_log.csv")))
    assert pictures == []
    assert broken == ["driving_log.csv lists no picture"]


def test_pictures_without_times_in_their_names_have_none_and_the_usual_rate() -> None:
    made_logs.save(Path("center_a.jpg"))
    Path("driving_log.csv").write_text("center_a.jpg,left_a.jpg,right_a.jpg,0.25,1,0,3\n")
    source = udacity_log(Path("driving_log.csv"))
    pictures, broken = read(source)
    assert broken == []
    assert (pictures[0].time_s, pictures[0].recorded, source.rate) == (None, 0.25, 10)


def test_pauses_between_recordings_do_not_slow_the_rate_down() -> None:
    log = made_logs.udacity(Path("log"), [0] * 6)
    lines = log.read_text().replace("45_00_500", "59_00_500")
    log.write_text(lines)
    assert udacity_log(log).rate == pytest.approx(10)


def test_a_picture_of_another_size_is_named_and_left_out() -> None:
    log = made_logs.udacity(Path("log"), [0, 0.1, 0.2])
    made_logs.save(Path("log/IMG") / made_logs.CENTRE.format(0, 100), size=(64, 48))
    pictures, broken = read(udacity_log(log))
    assert [one.recorded for one in pictures] == [0, 0.2]
    assert len(broken) == 1
    assert "00_100.jpg is 64x48, the pictures before it are 32x16" in broken[0]


# ------------------------------------------------------------------ donkey


@pytest.mark.parametrize("make", [made_logs.tub_1, made_logs.tub_2])
def test_a_tub_is_read_in_the_order_of_its_numbers(make) -> None:
    angles = [i / 20 - 0.3 for i in range(12)]  # record 10 comes after record 9, not after 1
    folder = make(Path("tub"), angles)
    assert is_tub(folder)
    source = tub(folder)
    pictures, broken = read(source)
    assert broken == []
    assert source.count == 12
    assert [one.recorded for one in pictures] == pytest.approx(angles)
    assert [one.number for one in pictures] == list(range(12))
    assert shades(pictures) == pytest.approx([100 + 10 * i for i in range(12)], abs=3)
    step_s = 0.05 if make is made_logs.tub_1 else 0.04
    assert [one.time_s for one in pictures] == pytest.approx([i * step_s for i in range(12)])
    assert source.rate == pytest.approx(1 / step_s)


def test_deleted_records_are_left_out_and_leave_gaps_in_the_numbers() -> None:
    source = tub(made_logs.tub_2(Path("tub"), [0.1 * i for i in range(6)], deleted=(0, 4)))
    pictures, broken = read(source)
    assert broken == []
    assert source.count == 4
    assert [one.number for one in pictures] == [1, 2, 3, 5]
    assert [one.recorded for one in pictures] == pytest.approx([0.1, 0.2, 0.3, 0.5])
    assert pictures[0].time_s == 0


def test_a_tub_whose_manifest_is_broken_is_read_and_that_is_said() -> None:
    folder = made_logs.tub_2(Path("tub"), [0.1, 0.2], deleted=(1,))
    for content in (b"", b"[1, 2\n", b"[]\n\xff\xfe", None):
        manifest = folder / "manifest.json"
        manifest.unlink() if content is None else manifest.write_bytes(content)
        pictures, broken = read(tub(folder))
        assert len(pictures) == 2
        assert len(broken) == 1
        assert "tub/manifest.json can't be used" in broken[0]
        assert "deleted records are shown as well" in broken[0]


def test_broken_records_and_pictures_of_a_new_tub_are_named() -> None:
    folder = made_logs.tub_2(Path("tub"), [0.0, 0.1, 0.2, 0.3], each=2)
    catalog = folder / "catalog_0.catalog"
    first, second = catalog.read_text().splitlines()
    catalog.write_text(f"{first}\n{second[:30]}\n")
    (folder / "images/2_cam_image_array_.jpg").write_bytes(b"")
    pictures, broken = read(tub(folder))
    assert [one.number for one in pictures] == [0, 3]
    assert broken[0].startswith("tub/catalog_0.catalog, line 2: expected a record with cam/image_")
    assert "tub/images/2_cam_image_array_.jpg is not a whole picture" in broken[1]
    assert len(broken) == 2


def test_broken_records_and_pictures_of_an_old_tub_are_named() -> None:
    folder = made_logs.tub_1(Path("tub"), [0.0, 0.1, 0.2, 0.3])
    (folder / "record_1.json").write_bytes(b'{"cam/image_array": "1_cam')
    (folder / "2_cam-image_array_.jpg").unlink()
    pictures, broken = read(tub(folder))
    assert [one.number for one in pictures] == [0, 3]
    assert broken[0].startswith("tub/record_1.json: expected a record with cam/image_array")
    assert "can't read the picture tub/2_cam-image_array_.jpg: No such file" in broken[1]


def test_records_without_a_time_or_an_angle_are_shown_without() -> None:
    folder = made_logs.tub_1(Path("tub"), [0.0])
    name = r"C:\\mycar\\tub\\0_cam-image_array_.jpg"  # old tubs had the whole path
    (folder / "record_0.json").write_text(f'{{"cam/image_array": "{name}", "user/angle": NaN}}')
    source = tub(folder)
    pictures, broken = read(source)
    assert broken == []
    assert (pictures[0].time_s, pictures[0].recorded, source.rate) == (None, None, 20)


def test_a_folder_of_anything_else_is_no_tub() -> None:
    Path("plain").mkdir()
    Path("plain/manifest.json").write_text("{}")
    Path("plain/record_x.json").write_text("{}")
    assert not is_tub(Path("plain"))
    with pytest.raises(BadInputError, match=r"the folder nowhere can't be read: No such file"):
        is_tub(Path("nowhere"))


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (" -0.25", -0.25),
        (1, 1.0),
        ("", None),
        ("left", None),
        (None, None),
        (True, None),
        ("nan", None),
        (math.inf, None),
        (10**400, None),
        ([0.1], None),
    ],
)
def test_only_numbers_of_a_log_are_numbers(value, number) -> None:
    assert number_or_none(value) == number
