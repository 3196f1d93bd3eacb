"""Fixtures of the server's tests; being here, it also lets them import the modules beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from server_process import ServerProcess, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """One for all tests of a module: its start takes longer than most of them."""
    with running_server("straight") as started:
        yield started


@pytest.fixture
def start_server() -> Callable[[str], AbstractContextManager[ServerProcess]]:
    """Start one more, with this map."""
    return running_server
