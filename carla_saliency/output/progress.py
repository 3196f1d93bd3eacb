"""How far a long piece of work is: a bar on stderr, if that is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

REDRAW_S = 0.1


class RateColumn(ProgressColumn):
    """How many frames are done per second, lately."""

    def render(self, task: Task) -> Text:
        """Return for example "87 frames/s"; nothing before the first."""
        rate = task.finished_speed or task.speed
        return Text("" if rate is None else f"{rate:.{0 if rate >= 10 else 1}f} frames/s")


class CountColumn(ProgressColumn):
    """How many frames are done, and of how many if that is known."""

    def render(self, task: Task) -> Text:
        """Return for example "120/600" or "120"."""
        total = "" if task.total is None else f"/{int(task.total)}"
        return Text(f"{int(task.completed)}{total}")


@contextmanager
def progress(
    text: str, total: int | None, console: Console | None = None
) -> Iterator[Callable[[], None]]:
    """Show a bar as long as the block takes; hand out what to call after each frame.

    It is drawn from the thread that works, so that nothing draws while a library's own words are
    kept off the terminal. Of what is written meanwhile to stdout, only a terminal's goes above the
    bar: a pipe gets it as it is.

    Args:
        text: What is being done.
        total: How many frames there will be, about; None = nobody knows.
        console: Where to; stderr if not given.
    """
    console = console or Console(stderr=True)
    columns = (TextColumn(text), BarColumn(), CountColumn(), RateColumn(), TimeRemainingColumn())
    bar = Progress(
        *columns,
        console=console,
        auto_refresh=False,
        transient=True,
        disable=not console.file.isatty(),  # whatever FORCE_COLOR says
        redirect_stdout=sys.stdout.isatty(),
    )
    with bar:
        task, drawn_s = bar.add_task(text, total=total), 0.0

        def advance() -> None:
            nonlocal drawn_s
            bar.advance(task)
            if bar.finished or time.monotonic() - drawn_s >= REDRAW_S:
                bar.refresh()
                drawn_s = time.monotonic()

        yield advance
