import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from carla_saliency.embedded import EmbeddedServer
from carla_saliency.errors import BadInputError

pytestmark = pytest.mark.slow


def answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def wait_until_gone(pid: int, limit_s: float = 10.0) -> bool:
    """Return whether a process that is not our child ended in time."""
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_the_server_answers_inside_the_block_and_is_gone_after_it() -> None:
    with EmbeddedServer("curvy", 1) as server:
        assert server.map_name == "curvy"
        assert answers(server.host, server.port)
        pid, port = server.pid, server.port
    assert wait_until_gone(pid)
    assert not answers("127.0.0.1", port)


def test_a_map_that_can_not_be_used_is_the_users_to_mend() -> None:
    with pytest.raises(BadInputError, match="nowhere"), EmbeddedServer("nowhere", 0):
        pass


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_server_ends_with_its_client_however_that_ends(number) -> None:
    code = (
        "import time\n"
        "from carla_saliency.embedded import EmbeddedServer\n"
        "with EmbeddedServer('curvy', 0) as server:\n"
        "    print(server.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    client = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert client.stdout is not None
        pid = int(client.stdout.readline())
        client.send_signal(number)
        client.wait(10)
        assert wait_until_gone(pid)
    finally:
        client.kill()
        client.wait()
        client.stdout.close()
