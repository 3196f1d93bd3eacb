"""A drive in Rerun's viewer, read back by Rerun itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

sys.path.insert(0, str(Path(__file__).parent.parent / "record"))

import numpy as np
import pytest
from rich_steps import EXTRAS, rich_step

from carla_saliency.core import DriveStep, Image
from carla_saliency.errors import BadInputError
from carla_saliency.live import rerun_stream
from carla_saliency.live.rerun_stream import RerunStream
from carla_saliency.record.extras import Extras

PATIENCE_S = 30


def grey(step: DriveStep, extras: Extras) -> Image | None:
    return np.full((66, 200, 3), 128, np.uint8)


def nothing(line: str) -> None:
    pass


def text_of(page: str) -> bytes:
    try:
        with urllib.request.urlopen(page, timeout=5) as answer:
            return bytes(answer.read())
    except OSError:
        return b""


def until(true: Callable[[], bool], again: Callable[[], None] = lambda: None) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end_s
        again()
        time.sleep(0.02)


@pytest.mark.slow
def test_without_a_display_a_page_shows_the_drive(tmp_path: Path) -> None:
    said: list[str] = []
    numbers = iter(range(10**6))
    kept = tmp_path / "kept.rrd"
    program = rerun_stream._program()[0]
    with closing(RerunStream("shipped", False, grey, said.append, nothing)) as stream:
        assert said == [f"Rerun: open {stream.page}"]
        page, _, source = str(stream.page).partition("/?url=")

        def drive() -> None:
            stream.add(rich_step(next(numbers)), EXTRAS)

        until(lambda: b"Rerun" in text_of(page), drive)
        with subprocess.Popen(
            [program, unquote(source), "--save", str(kept), "--port", "auto"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as keeper:
            until(lambda: kept.exists() and kept.stat().st_size > 400_000, drive)
            keeper.terminate()
    told = subprocess.run(
        [program, "rrd", "print", str(kept)], capture_output=True, text=True, check=False
    )
    for entity in ("/camera", "/map", "/steering/sent", "/steering/network", "/events"):
        assert f"{entity} " in told.stdout, entity
    assert text_of(page) == b""


def test_a_viewer_that_has_gone_is_told_once_and_the_drive_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rerun_stream, "_program", lambda: ["true"])
    told: list[str] = []
    stream = RerunStream("shipped", False, grey, nothing, told.append)
    until(lambda: bool(told), lambda: stream.add(rich_step(1), EXTRAS))
    stream.add(rich_step(2), EXTRAS)
    stream.close()
    stream.close()
    assert told == ["--rerun: Rerun's viewer has gone; the drive goes on without it"]


def test_a_viewer_that_hangs_holds_up_neither_the_drive_nor_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rerun_stream, "PATIENCE_S", 0.2)
    monkeypatch.setattr(rerun_stream, "_program", lambda: ["sh", "-c", "exec sleep 100"])
    stream = RerunStream("shipped", False, grey, nothing, nothing)
    for number in range(50):  # a pipe holds 64 kB
        stream.add(rich_step(number), EXTRAS)
        time.sleep(0.01)
    stream.close()
    assert "rerun" not in {thread.name for thread in threading.enumerate()}


def test_the_window_stays_when_the_drive_is_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    got = tmp_path / "got"
    script = f"echo $$ >{got}.id; cat >{got}; touch {got}.end; exec sleep 100"
    monkeypatch.setattr(rerun_stream, "_program", lambda: ["sh", "-c", script])
    said: list[str] = []
    stream = RerunStream("shipped", True, grey, said.append, nothing)
    stream.add(rich_step(1), EXTRAS)
    stream.close()
    assert said == ["Rerun: its viewer opens"]
    until(Path(f"{got}.end").exists)
    assert got.read_bytes().startswith(b"RRF2")
    assert stream._viewer.poll() is None
    os.kill(int(Path(f"{got}.id").read_text()), signal.SIGKILL)
    stream._viewer.wait()


def test_without_rerun_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "carla_saliency.rerun_log", raising=False)
    monkeypatch.setitem(sys.modules, "rerun", None)
    import carla_saliency

    monkeypatch.delattr(carla_saliency, "rerun_log", raising=False)
    with pytest.raises(BadInputError, match=r'pip install "carla-saliency\[rerun\]"') as refused:
        RerunStream("shipped", False, grey, nothing, nothing)
    assert "\n" not in str(refused.value)
