from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from carla_saliency.output import progress as module
from carla_saliency.output.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(total: int | None, frames: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(module, "REDRAW_S", 0.0)
    terminal = Terminal()
    console = Console(file=terminal, force_terminal=True, width=100, _environ={"TERM": "xterm"})
    with progress("explaining", total, console) as advance:
        for _ in range(frames):
            advance()
    return terminal.getvalue()


def test_a_terminal_sees_what_how_many_how_fast_and_how_long_it_will_be(monkeypatch) -> None:
    text = shown(5, 4, monkeypatch)
    assert "explaining" in text
    assert "4/5" in text
    assert "frames/s" in text
    assert "0:00:0" in text


def test_without_a_total_it_counts(monkeypatch) -> None:
    text = shown(None, 3, monkeypatch)
    assert "3 " in text
    assert "3/" not in text


def test_more_frames_than_a_file_had_promised_are_no_trouble(monkeypatch) -> None:
    assert "4/2" in shown(2, 4, monkeypatch)


@pytest.mark.parametrize("forced", [False, True])
def test_what_is_no_terminal_gets_nothing(forced, monkeypatch, capfd) -> None:
    if forced:
        monkeypatch.setenv("FORCE_COLOR", "1")
    with progress("explaining", 3) as advance:
        for _ in range(3):
            advance()
    assert capfd.readouterr() == ("", "")


def test_what_is_said_meanwhile_to_a_pipe_goes_there(monkeypatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stdout", pipe)
    console = Console(file=Terminal(), force_terminal=True, _environ={"TERM": "xterm"})
    with progress("explaining", 3, console) as advance:
        sys.stdout.write("a.png: steering +1.0°\n")
        advance()
    assert pipe.getvalue() == "a.png: steering +1.0°\n"
