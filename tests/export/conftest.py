from __future__ import annotations

from pathlib import Path

import pytest
from made_drive import keep


@pytest.fixture(scope="session")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded drive; not to be written to."""
    return keep(tmp_path_factory.mktemp("kept") / "d")
