from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass
from mcap.exceptions import EndOfFile
from mcap.reader import NonSeekingReader, make_reader
from mcap.writer import Writer
from rich_steps import FACTS, bare_step, differences, keep, rich_step

from carla_saliency.errors import BadInputError, CarlaSaliencyError
from carla_saliency.record import chunks
from carla_saliency.record.format import CHANNELS, EXPLAINED, FILE_NAME
from carla_saliency.record.reader import Record
from carla_saliency.record.writer import RecordWriter


def decoded(path: Path) -> list[tuple[str, int, dict[str, Any]]]:
    """Return (topic, log time, fields) of all messages, by the schemas in the file alone."""
    classes: dict[int, Any] = {}
    found = []
    with path.open("rb") as file:
        for schema, channel, message in make_reader(file).iter_messages():
            assert schema is not None
            if schema.id not in classes:
                pool = DescriptorPool()
                for one in FileDescriptorSet.FromString(schema.data).file:
                    pool.Add(one)
                classes[schema.id] = GetMessageClass(pool.FindMessageTypeByName(schema.name))
            fields = MessageToDict(
                classes[schema.id].FromString(message.data), preserving_proto_field_name=True
            )
            found.append((channel.topic, message.log_time, fields))
    return found


def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1)  # one step each


def test_mcaps_own_reader_decodes_every_channel_by_the_schemas_in_the_file(tmp_path: Path) -> None:
    found = decoded(keep(tmp_path, [rich_step(100)]) / FILE_NAME)
    assert {topic for topic, _, _ in found} == {c.topic for c in CHANNELS} - {EXPLAINED.topic}
    by_topic = {topic: fields for topic, _, fields in found}
    assert by_topic["/drive"]["steering"] == pytest.approx(0.1 + 100 / 3e5, abs=0)
    assert by_topic["/drive"]["driver"] == "manual"
    assert by_topic["/lane"]["offset_m"] == 0.31
    assert by_topic["/hand"]["throttle"] == 0.7
    assert by_topic["/shadow"]["title"] == "other"
    assert by_topic["/map/image"]["encoding"] == "mono16"
    assert by_topic["/camera/image"]["format"] == "png"
    assert {at for _, at, _ in found} == {round((5 + 1 / 3e9) * 1e9)}


def test_the_facts_are_readable_at_the_very_beginning_of_the_file(tmp_path: Path) -> None:
    with RecordWriter(tmp_path, FACTS, pytest.fail) as record:
        start = (tmp_path / FILE_NAME).read_bytes()
        record.write(bare_step(1))
    assert b"vehicle.tesla.model3" in start
    with (tmp_path / FILE_NAME).open("rb") as file:
        (metadata,) = make_reader(file).iter_metadata()
    assert metadata.name == "drive"


def test_the_log_has_lines_and_events(tmp_path: Path) -> None:
    with RecordWriter(tmp_path, FACTS, pytest.fail) as record:
        record.log("before the first step")
        record.write(rich_step(100))
        record.log("the weather is rain now")
        record.log("later", 9.5)
    lines = [
        (at, f["message"]) for topic, at, f in decoded(tmp_path / FILE_NAME) if topic == "/log"
    ]
    now = round((5 + 1 / 3e9) * 1e9)
    assert lines == [
        (now, "before the first step"),
        (now, "lane departure: 0.3 m over the left edge"),
        (now, "bookmark: bookmark"),
        (now, "unlike the training: 2.1 times as far as usual"),
        (now, "the weather is rain now"),
        (9_500_000_000, "later"),
    ]
    with Record(tmp_path) as back:
        assert len(back) == 1


def test_a_viewers_axes_turn_the_other_way(tmp_path: Path) -> None:
    found = decoded(keep(tmp_path, [rich_step(1)]) / FILE_NAME)
    pose = next(fields["pose"] for topic, _, fields in found if topic == "/pose")
    assert pose["position"] == {"x": 1.1, "y": -2.2, "z": 3.3}
    q = [pose["orientation"][name] for name in "xyzw"]
    ahead = [
        1 - 2 * (q[1] ** 2 + q[2] ** 2),
        2 * (q[0] * q[1] + q[2] * q[3]),
        2 * (q[0] * q[2] - q[1] * q[3]),
    ]
    pitch, yaw = np.radians([4.4, 5.5])  # nose up, and to the right: left is positive for them
    expected = [np.cos(pitch) * np.cos(yaw), -np.cos(pitch) * np.sin(yaw), np.sin(pitch)]
    np.testing.assert_allclose(ahead, expected, atol=1e-12)


def test_a_step_is_on_the_disk_soon_even_if_nothing_follows(tmp_path: Path) -> None:
    with RecordWriter(tmp_path, FACTS, pytest.fail) as record:
        record.write(bare_step(1))
        deadline = time.monotonic() + 30
        while (tmp_path / FILE_NAME).stat().st_size < 10_000 and time.monotonic() < deadline:
            time.sleep(0.05)
        killed = tmp_path / "killed"
        killed.mkdir()
        shutil.copy(tmp_path / FILE_NAME, killed)  # all that a kill would leave
    with (killed / FILE_NAME).open("rb") as file:
        messages = NonSeekingReader(file).iter_messages(log_time_order=False)
        topics = [channel.topic for _, channel, _ in _until_the_end(messages)]
    assert "/drive" in topics
    with pytest.raises(BadInputError, match=f"not finished.*run carla-saliency repair {killed}"):
        Record(killed)


def _until_the_end(messages: Any) -> Any:
    try:
        yield from messages
    except EndOfFile:
        return


def test_a_damaged_chunk_is_named_by_its_frame_and_the_others_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_chunks(monkeypatch)
    path = keep(tmp_path, [bare_step(n) for n in range(50, 53)]) / FILE_NAME
    data = bytearray(path.read_bytes())
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    assert len(summary.chunk_indexes) == 3
    data[summary.chunk_indexes[1].chunk_start_offset + 2000] ^= 1
    path.write_bytes(data)
    with Record(tmp_path) as record:
        assert record.at(0).observation.frame.frame_id == 50
        assert record.at(2).observation.frame.frame_id == 52
        with pytest.raises(CarlaSaliencyError, match="damaged at step 1, frame 51"):
            record.at(1)
        steps = record.steps()
        assert next(steps).observation.frame.frame_id == 50
        with pytest.raises(CarlaSaliencyError, match="damaged at step 1, frame 51"):
            next(steps)


def test_events_and_slow_maps_are_found_across_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_chunks(monkeypatch)
    with Record(keep(tmp_path, [rich_step(n) for n in range(50, 53)])) as record:
        assert [index for index, _ in record.events] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert record.frame_ids.tolist() == [50, 51, 52]


def test_steps_in_order_are_the_same_as_one_by_one_whatever_the_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [rich_step(n) for n in range(25)]
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 150_000)
    with Record(keep(tmp_path, steps)) as record:
        for i, step in enumerate(record.steps()):
            assert differences(steps[i], step) == []
            assert differences(steps[24 - i], record.at(24 - i)) == []  # another chunk
    assert i == 24


def test_threads_may_share_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_chunks(monkeypatch)
    with Record(keep(tmp_path, [bare_step(n) for n in range(20)])) as record:

        def number_at(index: int) -> int:
            return record.at(index).observation.frame.frame_id

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(number_at, [*range(20)] * 5)) == [*range(20)] * 5


def test_no_record_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"no record in .*: expected drive\.mcap"):
        Record(tmp_path)


def test_somebody_elses_mcap_is_no_record(tmp_path: Path) -> None:
    with (tmp_path / FILE_NAME).open("wb") as file:
        writer = Writer(file)
        writer.start()
        writer.finish()
    with pytest.raises(BadInputError, match="was not written by carla-saliency"):
        Record(tmp_path)


def rerun(home: Path, *words: str | Path) -> str:
    """Return what Rerun's command prints; with a home of its own it is never asked to report."""
    done = subprocess.run(
        [sys.executable, "-m", "rerun", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_reruns_own_converter_finds_pictures_maps_and_numbers(tmp_path: Path) -> None:
    path = keep(tmp_path, [rich_step(n) for n in range(3)]) / FILE_NAME
    rrd = tmp_path / "drive.rrd"
    rerun(tmp_path, "mcap", "convert", path, "-o", rrd)
    lines = rerun(tmp_path, "rrd", "print", rrd).splitlines()
    for entity, rows, column in (
        ("/camera/image", 3, "EncodedImage:blob"),
        ("/camera/tags", 3, "EncodedImage:blob"),
        ("/map/image", 3, "Image:buffer"),
        ("/drive", 3, "carla_saliency.Step:message"),
        ("/attention", 3, "carla_saliency.Shares:message"),
        ("/pose", 3, "InstancePoses3D:translations"),
        ("/log", 9, "TextLog:text"),
    ):
        found = [line for line in lines if f" - {entity} - " in line and column in line]
        assert len(found) == 1, (entity, lines)
        assert f"with {rows} rows" in found[0]
    numbers = rerun(tmp_path, "rrd", "print", "-vvv", "--entity", "/drive", rrd)
    assert '"steering": non-null Float64' in numbers
    assert "frame_id: 2, sim_s: 0.1" in numbers
