from __future__ import annotations

from pathlib import Path

import pytest

from carla_saliency.network import cache


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Writer:
    """Counts how often something is written anew."""

    def __init__(self, content: bytes = b"graph") -> None:
        self.content, self.times = content, 0

    def __call__(self) -> bytes:
        self.times += 1
        return self.content


def test_the_second_time_is_read_from_the_folder() -> None:
    write = Writer()
    digest = cache.digest_of(b"file")
    assert cache.stored(digest, "query", write) == b"graph"
    assert cache.stored(digest, "query", write) == b"graph"
    assert write.times == 1


def test_another_file_or_question_is_another_entry() -> None:
    write = Writer()
    for parts, what in (((b"a",), "q"), ((b"b",), "q"), ((b"a",), "r"), ((b"a", b""), "q")):
        cache.stored(cache.digest_of(*parts), what, write)
    assert write.times == 4


def test_a_damaged_entry_is_written_anew() -> None:
    write, digest = Writer(b"x" * 100), cache.digest_of(b"file")
    cache.stored(digest, "query", write)
    (kept,) = cache.folder().iterdir()
    for content in (b"", b"short", kept.read_bytes()[:-1], b"y" + kept.read_bytes()[1:]):
        kept.write_bytes(content)
        assert cache.stored(digest, "query", write) == b"x" * 100
        assert kept.read_bytes().endswith(b"x" * 100)
    assert write.times == 5


def test_without_a_folder_nothing_is_kept_and_nothing_fails(home: Path) -> None:
    home.write_text("a file where the folder should be")
    write, digest = Writer(), cache.digest_of(b"file")
    assert cache.stored(digest, "query", write) == b"graph"
    assert cache.stored(digest, "query", write) == b"graph"
    assert write.times == 2


def test_without_a_digest_nothing_is_kept() -> None:
    cache.stored("", "query", Writer())
    assert not cache.folder().exists()


def test_what_is_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LARGEST_BYTES", 10)
    cache.stored(cache.digest_of(b"file"), "query", Writer(b"x" * 11))
    assert not cache.folder().exists()


def test_old_entries_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST_FILES", 3)
    for number in range(10):
        cache.stored(cache.digest_of(bytes([number])), "query", Writer())
    assert len(list(cache.folder().iterdir())) == 3
