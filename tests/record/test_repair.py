from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from mcap.reader import NonSeekingReader
from rich_steps import EXTRAS, FACTS, differences, keep, rich_step

from carla_saliency.errors import BadInputError, CarlaSaliencyError
from carla_saliency.record import chunks
from carla_saliency.record.format import FILE_NAME
from carla_saliency.record.layout import FILLER, HEAD
from carla_saliency.record.reader import Record
from carla_saliency.record.repair import Repaired, repair
from carla_saliency.record.writer import RecordWriter

STEPS, PER_CHUNK = 12, 3
WRITTEN = [rich_step(number, size=(32, 16)) for number in range(STEPS)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A finished file of a few chunks of a few steps."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK_S", 1e9)
        patch.setattr(chunks, "CHUNK_BYTES", _bytes_of_steps(folder / "one"))
        return (keep(folder / "all", WRITTEN) / FILE_NAME).read_bytes()


def _bytes_of_steps(folder: Path) -> int:
    """Return how many bytes fill a chunk with the second of three steps, and not before."""
    keep(folder, WRITTEN[:1])
    with (folder / FILE_NAME).open("rb") as file:
        messages = NonSeekingReader(file).iter_messages(log_time_order=False)
        return round((PER_CHUNK - 0.5) * sum(len(message.data) for _, _, message in messages))


def place(folder: Path, data: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / FILE_NAME
    path.write_bytes(data)
    return path


def records(data: bytes) -> list[tuple[int, int, int]]:
    """Return (opcode, begin, end) of the records of a whole file."""
    found, at = [], 8
    while at < len(data) - 8:
        opcode, length = HEAD.unpack_from(data, at)
        found.append((opcode, at, at + HEAD.size + length))
        at = found[-1][2]
    return found


def chunks_of(data: bytes) -> list[tuple[int, int]]:
    return [(start, end) for opcode, start, end in records(data) if opcode == 6]


def steps_in(folder: Path) -> list[int]:
    """Return the numbers of the steps in a repaired record, all of which are as they were."""
    with Record(folder) as record:
        numbers = [int(number) for number in record.frame_ids]
        for index, step in enumerate(record.steps()):
            assert not differences(WRITTEN[numbers[index]], step)
            assert record.extras(index) == EXTRAS
    return numbers


def readable_in_order(path: Path) -> int:
    """Return how many messages mcap's own reader finds from begin to end, checking all CRCs."""
    with path.open("rb") as file:
        messages = NonSeekingReader(file, validate_crcs=True).iter_messages(log_time_order=False)
        return sum(1 for _ in messages)


def test_a_finished_file_is_left_as_it_is(tmp_path: Path, whole: bytes) -> None:
    path = place(tmp_path, whole)
    before = path.stat().st_mtime_ns
    assert repair(path) == Repaired(True, STEPS, STEPS / 20, 0, 0)
    assert path.read_bytes() == whole
    assert path.stat().st_mtime_ns == before


def test_a_file_without_its_end_becomes_what_it_would_have_been(
    tmp_path: Path, whole: bytes
) -> None:
    data_end = next(start for opcode, start, _ in records(whole) if opcode == 15)
    path = place(tmp_path, whole[:data_end])
    assert repair(path) == Repaired(False, STEPS, STEPS / 20, 0, 0)
    assert path.read_bytes() == whole
    assert repair(path).was_whole


def test_the_whole_steps_of_a_half_chunk_are_kept_and_the_torn_one_is_dropped(
    tmp_path: Path, whole: bytes
) -> None:
    start, end = chunks_of(whole)[1]
    cut = start + (end - start) * 2 // 3 - 100  # in the second of three steps
    path = place(tmp_path, whole[:cut])
    found = repair(path)
    assert found.steps == PER_CHUNK + 1
    assert found.lost_bytes == pytest.approx((end - start) / 3 - 50, abs=200)
    assert steps_in(tmp_path) == [0, 1, 2, 3]
    with Record(tmp_path) as record:
        events = [(index, event.text) for index, event in record.events]
    assert [index for index, _ in events] == [i for i in range(4) for _ in range(3)]
    assert readable_in_order(path) > 0
    assert repair(path).was_whole


def test_a_chunk_whose_index_is_torn_loses_nothing(tmp_path: Path, whole: bytes) -> None:
    _, end = chunks_of(whole)[-1]
    for cut in (end, end + 5, end + 60):
        path = place(tmp_path, whole[:cut])
        assert repair(path) == Repaired(False, STEPS, STEPS / 20, 0, 0)
        assert path.read_bytes() == whole


def test_zeros_that_a_lost_power_leaves_are_no_steps(tmp_path: Path, whole: bytes) -> None:
    start, end = chunks_of(whole)[2]
    half = (start + end) // 2
    path = place(tmp_path, whole[:half] + bytes(len(whole) - half))
    assert repair(path).steps == 2 * PER_CHUNK + 1
    assert steps_in(tmp_path) == list(range(2 * PER_CHUNK + 1))
    path = place(tmp_path, whole[:end] + bytes(5000))
    assert repair(path).steps == 3 * PER_CHUNK


def test_a_chunk_that_is_damaged_in_the_middle_is_left_out(tmp_path: Path, whole: bytes) -> None:
    start, end = chunks_of(whole)[1]
    damaged = bytearray(whole)
    damaged[(start + end) // 2] ^= 0x10
    path = place(tmp_path, bytes(damaged))
    found = repair(path)
    assert (found.steps, found.holes) == (STEPS - PER_CHUNK, 1)
    assert steps_in(tmp_path) == [0, 1, 2, *range(6, STEPS)]
    assert readable_in_order(path) > 0
    assert repair(path).was_whole


def test_channels_of_a_damaged_first_chunk_are_saved_for_the_others(
    tmp_path: Path, whole: bytes
) -> None:
    start, end = chunks_of(whole)[0]
    damaged = bytearray(whole[: chunks_of(whole)[2][1]])
    damaged[end - 300] ^= 0x10
    path = place(tmp_path, bytes(damaged))
    assert repair(path).steps == 2 * PER_CHUNK
    assert path.read_bytes()[start] != FILLER
    assert steps_in(tmp_path) == list(range(PER_CHUNK, 3 * PER_CHUNK))
    assert readable_in_order(path) > 0


def test_attachments_and_other_metadata_are_kept(tmp_path: Path) -> None:
    said: list[str] = []
    record = RecordWriter(tmp_path, FACTS, said.append)
    record._chunks._mcap.add_attachment(5, 5, "note.txt", "text/plain", b"hello")
    record._chunks._mcap.add_metadata("other", {"a": "b"})
    record.write(WRITTEN[0])
    record.close()
    path = tmp_path / FILE_NAME
    data = path.read_bytes()
    path.write_bytes(data[:-20])
    assert repair(path).steps == 1
    assert path.read_bytes() == data


@pytest.mark.parametrize("data", [b"", b"\x89MCAP0\r\n", b"no record" * 100])
def test_what_is_no_record_is_refused_and_left_alone(tmp_path: Path, data: bytes) -> None:
    path = place(tmp_path, data)
    with pytest.raises(BadInputError, match="no record"):
        repair(path)
    assert path.read_bytes() == data


def test_a_record_without_a_whole_step_is_said_and_left_alone(tmp_path: Path, whole: bytes) -> None:
    data = whole[: chunks_of(whole)[0][0] + 2000]
    path = place(tmp_path, data)
    with pytest.raises(CarlaSaliencyError, match="nothing can be saved"):
        repair(path)
    assert path.read_bytes() == data


def test_a_record_that_is_still_being_written_is_refused(tmp_path: Path) -> None:
    with RecordWriter(tmp_path, FACTS, pytest.fail) as record:
        record.write(WRITTEN[0])
        with pytest.raises(BadInputError, match="still being written"):
            repair(tmp_path / FILE_NAME)
    assert repair(tmp_path / FILE_NAME).was_whole


def test_a_repair_that_ends_half_way_can_be_repeated(
    tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, end = chunks_of(whole)[2]
    torn = whole[: (start + end) // 2]
    path = place(tmp_path / "usual", torn)
    repair(path)
    usual = path.read_bytes()

    class Killed(BaseException):
        pass

    real = os.pwrite
    for left in (0, 1, 20, 100, 1000, 5000, 20_000, len(usual) - len(torn) + 3000):
        path = place(tmp_path / "killed", torn)

        def some(fd: int, data: bytes, at: int, left: int = left) -> int:
            real(fd, data[:left], at)
            raise Killed

        monkeypatch.setattr(os, "pwrite", some)
        with pytest.raises(Killed):
            repair(path)
        monkeypatch.setattr(os, "pwrite", real)
        repair(path)
        assert steps_in(tmp_path / "killed") == steps_in(tmp_path / "usual")


# ------------------------------------------------------------------ anything


def survives(path: Path, about: str) -> list[int] | None:
    """Repair it; return the steps that it has then, None if there was nothing to be saved."""
    before = path.read_bytes()
    try:
        found = repair(path)
    except CarlaSaliencyError:
        assert path.read_bytes() == before, about
        return None
    numbers = steps_in(path.parent)
    assert found.steps == len(numbers), about
    assert repair(path).was_whole, about
    readable_in_order(path)
    return numbers


@pytest.mark.slow
def test_a_file_cut_anywhere_gives_the_steps_up_to_there(tmp_path: Path, whole: bytes) -> None:
    chance = random.Random(5)
    places = chunks_of(whole)
    for cut in sorted(chance.randrange(len(whole)) for _ in range(200)):
        numbers = survives(place(tmp_path, whole[:cut]), f"cut at {cut}")
        if numbers is None:
            assert cut < places[0][1]
            continue
        assert numbers == list(range(len(numbers)))
        whole_chunks = sum(end <= cut for _, end in places)
        expected = whole_chunks * PER_CHUNK
        if 0 < whole_chunks < len(places):
            start, end = places[whole_chunks]
            expected += max(0, int((cut - start) / (end - start) * PER_CHUNK - 0.2) - 1)
        assert len(numbers) >= expected, f"cut at {cut}"


@pytest.mark.slow
def test_a_flipped_byte_anywhere_costs_a_chunk_at_most(tmp_path: Path, whole: bytes) -> None:
    chance = random.Random(6)
    frames = [at for _, start, end in records(whole) for at in (start, start + 1, end - 1)]
    places = [chance.randrange(len(whole)) for _ in range(200)] + chance.sample(frames, 40)
    gone = 0
    for at in places:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << chance.randrange(8)
        numbers = survives(place(tmp_path, bytes(damaged)), f"flipped at {at}")
        if numbers is None:  # what is there once can't be had from elsewhere
            assert at < chunks_of(whole)[0][1], f"flipped at {at}"
            gone += 1
        else:
            assert numbers == sorted(numbers)
            assert len(numbers) >= STEPS - PER_CHUNK, f"flipped at {at}"
    assert gone < 10


def test_a_flipped_byte_in_a_file_that_is_cut(tmp_path: Path, whole: bytes) -> None:
    chance = random.Random(7)
    for _ in range(60):
        damaged = bytearray(whole[: chance.randrange(1, len(whole))])
        last = max((start for start, _ in chunks_of(whole) if start < len(damaged)), default=0)
        at = chance.randrange(len(damaged))
        if at >= last:  # nothing can tell that a half chunk is not as it was written
            continue
        damaged[at] ^= 1 << chance.randrange(8)
        survives(place(tmp_path, bytes(damaged)), f"flipped at {at}")


def test_garbage_in_the_middle(tmp_path: Path, whole: bytes) -> None:
    chance = random.Random(8)
    for _ in range(20):
        at, count = chance.randrange(len(whole)), chance.randrange(1, 40_000)
        data = whole[:at] + chance.randbytes(count) + whole[at + count :]
        survives(place(tmp_path, data), f"{count} at {at}")
