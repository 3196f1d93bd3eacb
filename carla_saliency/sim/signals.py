"""One signal ends a session; no signal ends its leaving."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

_NUMBERS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class SignalGuard:
    """Stands before the handlers of SIGINT and SIGTERM from `install` to `remove`.

    A signal reaches the handler that was there. Once that has raised, on its way out through the
    program, further signals are swallowed: one that raises in the middle of `finally` or `__exit__`
    would leave the server as it is. A SIGTERM that nobody handles raises SystemExit, so that it
    doesn't end the process at once.

    Outside the main thread, which alone gets signals, this does nothing.
    """

    def __init__(self) -> None:
        self._before: dict[int, signal._HANDLER] = {}
        self._raised = False
        self._holding = False
        self._held: list[int] = []

    def install(self) -> None:
        """Stand before the handlers."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _NUMBERS:
            self._before[number] = signal.getsignal(number)
            signal.signal(number, self._on_signal)

    def remove(self) -> None:
        """Give the handlers back, but where somebody else has changed them since."""
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._on_signal:
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def hold(self) -> None:
        """From now on only note signals down."""
        self._holding = True

    def deliver(self) -> None:
        """Let signals through again, beginning with the first that was noted down."""
        self._holding = False
        held, self._held = self._held, []
        if held:
            self._pass_on(held[0], None)

    def carry_on(self) -> None:
        """Let signals through although one has raised: whoever caught it goes on."""
        self._raised = False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._holding:
            self._held.append(number)
        elif not self._raised:
            self._pass_on(number, frame)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        handler = self._before[number]
        try:
            if callable(handler):
                handler(number, frame)
            elif handler != signal.SIG_IGN:
                sys.exit(128 + number)
        except BaseException:
            self._raised = True
            raise
