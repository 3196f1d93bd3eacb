from __future__ import annotations

import csv
import json
import shutil
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import av
import numpy as np
import pytest
from made_steps import FPS, SIZE, frame_of, step_of

from carla_saliency.core import Event, EventKind
from carla_saliency.errors import CarlaSaliencyError
from carla_saliency.output import clips as clips_module
from carla_saliency.output.clip_frames import ClipFrames
from carla_saliency.output.clips import Clips
from carla_saliency.output.past import Past
from carla_saliency.output.recorder import Recorder


@dataclass
class Drive:
    """A made-up drive with clips."""

    past: Past
    recorder: Recorder
    clips: Clips
    said: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def on(self, first: int, last: int, events: dict[int, Event] | None = None) -> None:
        """Drive the frames from the first up to and without the last."""
        for number in range(first, last):
            self.past.add(step_of(number))
            self.recorder.write(frame_of(number).image)
            if events and number in events:
                self.clips.add(events[number], number / FPS)
            self.clips.tick()

    def close(self) -> None:
        self.clips.close()
        self.recorder.__exit__(None, None, None)
        self.past.close()


def drive_in(folder: Path | None, past_s: float = 20.0, **options: object) -> Drive:
    said: list[str] = []
    failed: list[str] = []
    past = Past()
    recorder = Recorder(SIZE, FPS, said.append, failed.append, past_s=past_s, may_skip=False)
    clips = Clips(folder, past, recorder, said.append, failed.append, **options)  # type: ignore[arg-type]
    return Drive(past, recorder, clips, said, failed)


def event_at(frame_id: int, kind: EventKind = EventKind.LANE_DEPARTURE) -> Event:
    return Event(kind, frame_id, "0.3 m over the left edge")


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "telemetry.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pictures_of(folder: Path) -> list[np.ndarray]:
    with av.open(str(folder / "clip.mp4")) as container:
        return [
            frame.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
            for frame in container.decode(video=0)
        ]


def test_an_event_keeps_everything_from_ten_seconds_before_to_five_after(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    drive = drive_in(folder, settings={"method": "contrast"})
    drive.on(0, 500, {300: event_at(300)})
    drive.close()
    clip = folder / "01_lane-departure_000300"
    assert list(folder.iterdir()) == [clip]
    assert drive.said == [f"event 1, lane departure: {clip}"]
    assert drive.failed == []

    wanted = list(range(100, 401))  # the frame of 10 s before is the first one
    assert sorted(int(path.stem) for path in (clip / "frames").iterdir()) == wanted
    assert sorted(int(path.stem) for path in (clip / "tags").iterdir()) == wanted
    rows = rows_of(clip)
    assert [int(row["frame"]) for row in rows] == wanted
    assert [row["events"] for row in rows if row["events"]] == [
        "lane departure: 0.3 m over the left edge"
    ]
    assert rows[200]["events"]

    facts = json.loads((clip / "event.json").read_text())
    assert (facts["kind"], facts["frame"], facts["sim_s"]) == ("lane departure", 300, 15.0)
    assert facts["settings"] == {"method": "contrast"}
    assert facts["frames"] == 301

    frames = ClipFrames(clip)
    assert (len(frames), frames.index) == (301, 200)
    for index in (0, 57, frames.index, -1):
        frame, original = frames.at(index), frame_of(wanted[index])
        assert (frame.frame_id, frame.sim_s, frame.speed_mps) == (
            original.frame_id,
            original.sim_s,
            original.speed_mps,
        )
        assert np.array_equal(frame.image, original.image)
        assert frame.tags is not None
        assert original.tags is not None
        assert np.array_equal(frame.tags, original.tags)


def test_the_video_plays_and_ends_with_the_last_frame(tmp_path: Path) -> None:
    drive = drive_in(tmp_path)
    drive.on(0, 500, {300: event_at(300)})
    drive.close()
    pictures = pictures_of(tmp_path / "01_lane-departure_000300")
    assert 301 <= len(pictures) <= 301 + FPS  # from the key picture before the first frame on
    flat = [float(picture[SIZE[1] // 2 :].mean()) for picture in pictures]
    for shown, number in ((flat[-1], 400), (flat[-301], 100), (flat[-101], 300)):
        assert shown == pytest.approx(number % 251, abs=3)


def test_events_close_together_have_a_clip_each_with_their_own_span(tmp_path: Path) -> None:
    drive = drive_in(tmp_path, before_s=1.0, after_s=0.5)
    events = {50: event_at(50), 55: event_at(55, EventKind.COLLISION)}
    drive.on(0, 100, events)
    drive.close()
    first, second = tmp_path / "01_lane-departure_000050", tmp_path / "02_collision_000055"
    assert [int(row["frame"]) for row in rows_of(first)] == list(range(30, 61))
    assert [int(row["frame"]) for row in rows_of(second)] == list(range(35, 66))
    same = "frames/000040.png"  # on the disk once
    assert (first / same).samefile(second / same)
    shutil.rmtree(first)
    assert np.array_equal(ClipFrames(second).at(5).image, frame_of(40).image)


def test_where_files_can_not_be_shared_each_clip_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(there: Path, path: Path) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    drive = drive_in(tmp_path, before_s=1.0, after_s=0.5)
    drive.on(0, 100, {50: event_at(50), 51: event_at(51)})
    drive.close()
    for name in ("01_lane-departure_000050", "02_lane-departure_000051"):
        assert len(list((tmp_path / name / "frames").iterdir())) == 31
    assert drive.failed == []


def test_the_list_says_how_each_clip_stands(tmp_path: Path) -> None:
    drive = drive_in(tmp_path, before_s=1.0, after_s=0.5)
    drive.on(0, 52, {50: event_at(50)})
    (entry,) = drive.clips.entries
    assert (entry.number, entry.kind, entry.sim_s, entry.frame_id, entry.text, entry.status) == (
        1,
        EventKind.LANE_DEPARTURE,
        2.5,
        50,
        "0.3 m over the left edge",
        "coming",
    )
    assert entry.path is None
    assert drive.clips.load(1) is None
    drive.on(52, 70)
    drive.close()
    (entry,) = drive.clips.entries
    assert entry.status == "saved"
    assert entry.path == tmp_path / "01_lane-departure_000050"
    frames = drive.clips.load(1)
    assert frames is not None
    assert frames.at(frames.index).frame_id == 50
    assert drive.clips.load(2) is None


def test_the_end_of_the_drive_saves_what_there_is(tmp_path: Path) -> None:
    drive = drive_in(tmp_path)
    drive.on(0, 10, {8: event_at(8)})
    drive.close()
    assert [entry.status for entry in drive.clips.entries] == ["saved"]
    assert len(rows_of(tmp_path / "01_lane-departure_000008")) == 10
    assert len(pictures_of(tmp_path / "01_lane-departure_000008")) == 10


def test_without_a_folder_events_are_listed_only() -> None:
    drive = drive_in(None)
    drive.on(0, 10, {3: event_at(3), 5: event_at(5)})
    assert [entry.status for entry in drive.clips.entries] == ["none", "none"]
    assert [entry.number for entry in drive.clips.entries] == [1, 2]
    drive.close()
    assert drive.said == drive.failed == []


def test_no_event_makes_no_folder(tmp_path: Path) -> None:
    drive = drive_in(tmp_path / "clips")
    drive.on(0, 10)
    drive.close()
    assert not list(tmp_path.iterdir())


def test_without_a_remembered_video_a_clip_has_the_rest(tmp_path: Path) -> None:
    drive = drive_in(tmp_path, past_s=0.0)
    drive.on(0, 10, {3: event_at(3)})
    drive.close()
    clip = tmp_path / "01_lane-departure_000003"
    assert {path.name for path in clip.iterdir()} == {
        "frames",
        "tags",
        "telemetry.csv",
        "event.json",
    }
    assert json.loads((clip / "event.json").read_text())["video_pictures"] == 0


def test_frames_without_tags_have_none(tmp_path: Path) -> None:
    drive = drive_in(tmp_path)
    drive.past.add(step_of(1, tags=False))
    drive.clips.add(event_at(1), 1 / FPS)
    drive.close()
    clip = tmp_path / "01_lane-departure_000001"
    assert not (clip / "tags").exists()
    assert ClipFrames(clip).at(0).tags is None


def test_a_step_that_is_looked_at_again_is_one_frame_with_the_newer_numbers(
    tmp_path: Path,
) -> None:
    drive = drive_in(tmp_path, before_s=0.2, after_s=0.2)
    drive.on(0, 21, {20: event_at(20)})
    again = step_of(20)
    drive.past.add(replace(again, decision=replace(again.decision, network_steering=0.75)))
    drive.clips.tick()
    drive.on(21, 40)
    drive.close()
    rows = rows_of(tmp_path / "01_lane-departure_000020")
    assert [int(row["frame"]) for row in rows] == list(range(16, 25))
    assert rows[4]["network_steering"] == "0.75"


def test_another_episode_ends_the_clips_of_the_last_one(tmp_path: Path) -> None:
    drive = drive_in(tmp_path, before_s=0.2, after_s=1.0)
    drive.on(100, 111, {110: event_at(110)})
    drive.on(0, 30)
    drive.close()
    rows = rows_of(tmp_path / "01_lane-departure_000110")
    assert [int(row["frame"]) for row in rows] == list(range(106, 111))


def test_a_name_that_is_taken_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "01_lane-departure_000003").mkdir()
    (tmp_path / "01_lane-departure_000003.part").mkdir()  # a drive was killed here
    drive = drive_in(tmp_path)
    drive.on(0, 10, {3: event_at(3)})
    drive.close()
    (entry,) = drive.clips.entries
    assert entry.path == tmp_path / "01_lane-departure_000003-2"
    assert len(list(tmp_path.iterdir())) == 3
    assert not list((tmp_path / "01_lane-departure_000003.part").iterdir())


# ------------------------------------------------------------------ limits and failures


def test_there_are_at_most_so_many_clips_and_that_is_said_once(tmp_path: Path) -> None:
    drive = drive_in(tmp_path, before_s=0.1, after_s=0.1, most=2)
    drive.on(0, 40, {number: event_at(number) for number in (5, 10, 15, 20)})
    drive.close()
    assert [entry.status for entry in drive.clips.entries] == ["saved", "saved", "none", "none"]
    assert len([line for line in drive.said if "only listed" in line]) == 1
    assert len(list(tmp_path.iterdir())) == 2


def test_the_list_of_events_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips_module, "MOST_ENTRIES", 3)
    drive = drive_in(None)
    numbers = [drive.clips.add(event_at(number), 0.0) for number in range(5)]
    assert numbers == [1, 2, 3, 4, 5]
    assert [entry.number for entry in drive.clips.entries] == [3, 4, 5]
    drive.close()


def test_a_folder_that_can_not_be_made_is_told_and_the_drive_goes_on(tmp_path: Path) -> None:
    (tmp_path / "clips").touch()  # a file, since permissions don't stop root
    drive = drive_in(tmp_path / "clips", before_s=0.1, after_s=0.1)
    drive.on(0, 20, {5: event_at(5)})
    drive.close()
    assert [entry.status for entry in drive.clips.entries] == ["failed"]
    assert len(drive.failed) == 1
    assert "the clip of event 1 (lane departure) was not saved" in drive.failed[0]
    assert "\n" not in drive.failed[0]


def test_a_full_disk_leaves_no_half_clip_and_later_ones_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.name == "000006.png":
            raise OSError(28, "No space left on device")
        return whole(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    drive = drive_in(tmp_path, before_s=0.2, after_s=0.2)
    drive.on(0, 60, {5: event_at(5), 40: event_at(40)})
    drive.close()
    assert [entry.status for entry in drive.clips.entries] == ["failed", "saved"]
    assert [path.name for path in tmp_path.iterdir()] == ["02_lane-departure_000040"]
    assert len(drive.failed) == 1
    assert "No space left on device" in drive.failed[0]


def test_a_video_that_can_not_be_written_fails_the_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, piece: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("carla_saliency.output.video.VideoFile._mux", full)
    drive = drive_in(tmp_path)
    drive.on(0, 20, {5: event_at(5)})
    drive.close()
    assert [entry.status for entry in drive.clips.entries] == ["failed"]
    assert "its video can't be written (No space left on device)" in drive.failed[0]
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_too_slow_costs_the_clip_not_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clips_module, "WAITING_BYTES", 50_000)
    drive = drive_in(tmp_path, before_s=1.0, after_s=2.0)
    monkeypatch.setattr(drive.past, "_seconds", 0.5)
    disk = threading.Event()

    def slow(pixels: object) -> bytes:
        assert disk.wait(60)
        return b""

    monkeypatch.setattr("carla_saliency.output.clip_folder.to_png", slow)
    drive.on(0, 80, {5: event_at(5)})
    assert drive.failed
    disk.set()
    drive.close()
    assert [entry.status for entry in drive.clips.entries] == ["failed"]
    assert "the disk is too slow" in drive.failed[0]
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------ reading


def test_what_is_no_clip_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(CarlaSaliencyError, match="can't be read as the clip of an event"):
        ClipFrames(tmp_path)
    (tmp_path / "event.json").write_text("{")
    with pytest.raises(CarlaSaliencyError, match="can't be read as the clip of an event"):
        ClipFrames(tmp_path)


def test_a_frame_that_was_deleted_or_cut_is_told_in_one_line(tmp_path: Path) -> None:
    drive = drive_in(tmp_path)
    drive.on(0, 10, {3: event_at(3)})
    drive.close()
    frames = drive.clips.load(1)
    assert frames is not None
    clip = tmp_path / "01_lane-departure_000003" / "frames"
    (clip / "000002.png").unlink()
    with pytest.raises(CarlaSaliencyError, match=r"000002.png can't be read \(No such file"):
        frames.at(2)
    (clip / "000004.png").write_bytes(b"")
    with pytest.raises(CarlaSaliencyError, match=r"000004.png can't be read: it is no picture"):
        frames.at(4)
    with pytest.raises(IndexError):
        frames.at(10)
