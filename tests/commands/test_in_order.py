from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import closing

import pytest

from carla_saliency.commands.in_order import in_order


def numbers(count: int, read: list[int] | None = None) -> Generator[int, None, None]:
    for i in range(count):
        if read is not None:
            read.append(i)
        yield i


def test_results_keep_the_order_however_long_each_takes() -> None:
    def work(number: int) -> int:
        time.sleep(0.002 * (number % 3 == 0))
        return number * number

    assert list(in_order(numbers(60), work, 3, 8)) == [i * i for i in range(60)]


def test_nothing_gives_nothing() -> None:
    assert list(in_order(numbers(0), str, 2, 4)) == []


def test_reading_never_gets_further_ahead_than_allowed() -> None:
    read: list[int] = []
    results = in_order(numbers(100, read), str, 2, 4)
    with closing(results):
        for taken in range(1, 11):
            next(results)
            time.sleep(0.005)
            assert len(read) <= taken + 4 + 1  # one is in the reader's hand


def test_what_an_item_raises_comes_in_its_place() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    results = in_order(numbers(10), work, 2, 4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)


def test_what_reading_raises_comes_behind_what_was_read() -> None:
    def broken() -> Generator[int, None, None]:
        yield from (1, 2)
        raise OSError("gone")

    results = in_order(broken(), str, 2, 4)
    assert [next(results), next(results)] == ["1", "2"]
    with pytest.raises(OSError, match="gone"):
        next(results)


def test_whoever_stops_early_leaves_no_thread_and_the_reader_is_closed() -> None:
    before = threading.active_count()
    closed = []

    def endless() -> Generator[int, None, None]:
        try:
            while True:
                yield 1
        finally:
            closed.append(threading.current_thread().name)

    with closing(in_order(endless(), str, 3, 4)) as results:
        assert next(results) == "1"
    assert threading.active_count() == before
    assert closed == ["read"]
