"""Ends the program on SIGINT, SIGTERM or SIGHUP, once and in order."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NUMBERS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_asked: list[int] = []
_holding = False


class Stopped(BaseException):
    """A signal asks for the end; like KeyboardInterrupt it is no error, so it passes `except`."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


def install() -> None:
    """From now on the first signal raises `Stopped` in the main thread, further ones do nothing.

    Once it was raised the program is putting things back: a second Ctrl-C must not break that off.
    One that whoever started this wants to be ignored (SIGHUP by nohup) stays so.
    """
    _asked.clear()
    sys.unraisablehook = _unraisable
    for number in _NUMBERS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _on_signal)


def check() -> None:
    """Raise `Stopped` again if a signal came.

    Called in every round of a long loop: Python drops what a handler raises inside a finaliser or a
    weak reference's callback, and the program would never end.
    """
    if _asked:
        raise Stopped(_asked[0])


@contextmanager
def held() -> Iterator[None]:
    """Let a signal wait until the block is done.

    A native library that is broken off while it is being imported may crash the program at its end.

    Raises:
        Stopped: At the end of the block, if a signal came.
    """
    global _holding
    _holding = True
    try:
        yield
    finally:
        _holding = False
    check()


def _unraisable(unraisable: sys.UnraisableHookArgs, /) -> None:
    """Say nothing of a `Stopped` that Python drops: `check` raises it again."""
    if not isinstance(unraisable.exc_value, Stopped):
        sys.__unraisablehook__(unraisable)


def _on_signal(number: int, frame: FrameType | None) -> None:
    # A handler that does nothing, not SIG_IGN: Python complains on stderr where a signal is pending
    # while its handler becomes SIG_IGN.
    del frame
    _asked.append(number)
    if len(_asked) == 1 and not _holding:
        raise Stopped(number)
