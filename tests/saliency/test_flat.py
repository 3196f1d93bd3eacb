"""A drive is long: nothing may grow with its frames. The long form is `scripts/accept flat`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "runs" / "flat.py"


@pytest.mark.slow
def test_memory_does_not_grow_with_the_frames() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "600"], capture_output=True, text=True, check=False
    )
    # its exit code also judges times, which a busy machine may not keep
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines()[2:]]
    assert len(rows) == 5
    for name, _, _, _, begin_mb, end_mb in rows:
        assert float(end_mb) - float(begin_mb) < 2, name
