"""The one thread that calls the simulator."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from carla_saliency.sim.calls import CallThread


def ignore(_waited_s: float) -> None:
    pass


def test_a_job_runs_in_the_other_thread_and_its_result_comes_back() -> None:
    calls = CallThread(last=lambda: None)
    calls.post(threading.current_thread)
    other = calls.wait(ignore)
    calls.leave(ignore)
    assert other is not threading.current_thread()
    assert not other.is_alive()


def test_what_a_job_raises_is_raised_where_it_is_waited_for() -> None:
    calls = CallThread(last=lambda: None)
    calls.post(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        calls.wait(ignore)
    calls.post(lambda: "and the thread goes on")
    assert calls.wait(ignore) == "and the thread goes on"
    calls.leave(ignore)


def test_whoever_waits_is_woken_while_the_job_is_stuck() -> None:
    stuck, waits = threading.Event(), []

    def wake(waited_s: float) -> None:
        waits.append(waited_s)
        if len(waits) == 3:
            stuck.set()

    calls = CallThread(last=lambda: None)
    calls.post(lambda: stuck.wait(30.0))
    assert calls.wait(wake) is True
    calls.leave(ignore)
    assert len(waits) >= 3
    assert waits == sorted(waits)


def test_a_second_request_before_the_first_result_is_refused() -> None:
    calls = CallThread(last=lambda: None)
    calls.post(lambda: 1)
    with pytest.raises(RuntimeError, match="received first"):
        calls.post(lambda: 2)
    assert calls.wait(ignore) == 1
    with pytest.raises(RuntimeError, match="nothing was requested"):
        calls.wait(ignore)
    calls.leave(ignore)


def test_leaving_lets_the_job_in_hand_finish_and_runs_the_last_one_in_the_thread() -> None:
    done: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def job() -> None:
        begun.set()
        go_on.wait(30.0)
        done.append("job")

    calls = CallThread(last=lambda: done.append(threading.current_thread().name))
    calls.post(job)
    begun.wait(30.0)
    go_on.set()
    assert calls.leave(ignore) == (None, None)
    assert done == ["job", "carla calls"]


def test_leaving_returns_what_the_last_job_raised() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    calls = CallThread(last=fail)
    assert isinstance(calls.leave(ignore)[0], ZeroDivisionError)


def test_the_last_job_runs_even_if_the_main_thread_ends_without_leaving() -> None:
    script = (
        "from carla_saliency.sim.calls import CallThread\n"
        "CallThread(last=lambda: print('put back', flush=True))\n"
        "raise SystemExit(3)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.stdout == "put back\n"
    assert ended.returncode == 3
