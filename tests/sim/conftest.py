"""The server that most tests of sessions share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from carla_worlds import Server, look, serving


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    """The shared server, which every test must leave as it found it."""
    before = look(shared_server.client())
    yield shared_server
    assert look(shared_server.client()) == before
