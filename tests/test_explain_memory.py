from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[1] / "scripts" / "runs" / "explain_hour.py"


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length_of_a_video(tmp_path) -> None:
    """The short form of `scripts/accept explain-hour`."""
    arguments = [sys.executable, str(RUN), str(tmp_path), "2000", "320x180"]
    run = subprocess.run(arguments, capture_output=True, text=True, timeout=240, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "growth from the first tenth on" in run.stdout
