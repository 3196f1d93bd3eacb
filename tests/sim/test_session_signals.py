"""One signal ends a session; no signal ends its leaving."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from carla_saliency.sim.signals import SignalGuard


@pytest.fixture
def guard() -> Iterator[SignalGuard]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    guard = SignalGuard()
    guard.install()
    yield guard
    guard.remove()
    assert {number: signal.getsignal(number) for number in before} == before


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def test_the_first_interrupt_raises_and_the_next_ones_are_swallowed(guard: SignalGuard) -> None:
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)
    send(signal.SIGINT)
    send(signal.SIGTERM)


def test_a_termination_that_nobody_handles_becomes_an_exit(guard: SignalGuard) -> None:
    with pytest.raises(SystemExit) as leaving:
        send(signal.SIGTERM)
    assert leaving.value.code == 143


def test_whoever_caught_the_interrupt_and_goes_on_can_be_interrupted_again(
    guard: SignalGuard,
) -> None:
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
        guard.carry_on()


def test_held_signals_wait_and_the_first_is_delivered(guard: SignalGuard) -> None:
    guard.hold()
    send(signal.SIGTERM)
    send(signal.SIGINT)
    with pytest.raises(SystemExit):
        guard.deliver()
    guard.deliver()  # nothing is left


def test_a_handler_that_does_not_raise_gets_every_signal() -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: received.append(number))
    guard = SignalGuard()
    guard.install()
    try:
        send(signal.SIGINT)
        send(signal.SIGINT)
    finally:
        guard.remove()
        signal.signal(signal.SIGINT, before)
    assert received == [signal.SIGINT] * 2


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    guard = SignalGuard()
    guard.install()
    try:
        send(signal.SIGINT)
    finally:
        guard.remove()
        signal.signal(signal.SIGINT, before)


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    inside = []

    def run() -> None:
        guard = SignalGuard()
        guard.install()
        inside.append(signal.getsignal(signal.SIGINT))
        guard.remove()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert inside == [before]


def test_a_handler_that_somebody_set_meanwhile_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    guard = SignalGuard()
    guard.install()
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        guard.remove()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)
