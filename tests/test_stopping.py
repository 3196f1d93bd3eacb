import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from carla_saliency import stopping


@pytest.fixture(autouse=True)
def nothing_asked():
    yield
    stopping._asked.clear()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_stops_and_the_next_ones_do_nothing(number) -> None:
    stopping.install()
    with pytest.raises(stopping.Stopped) as stopped:
        os.kill(os.getpid(), number)
    assert stopped.value.exit_code == 128 + number
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_stop_that_was_lost_on_its_way_is_raised_again() -> None:
    stopping.install()
    stopping.check()
    with pytest.raises(stopping.Stopped):
        os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(stopping.Stopped, match="SIGTERM"):
        stopping.check()


def test_a_signal_waits_for_the_end_of_an_import() -> None:
    stopping.install()
    done = []

    def imports() -> None:
        with stopping.held():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("imported")

    with pytest.raises(stopping.Stopped, match="SIGTERM"):
        imports()
    assert done


def until_it_catches(number: int, process: subprocess.Popen[str]) -> None:
    until_s = time.monotonic() + 60
    while True:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        caught = next(line.split()[1] for line in lines if line.startswith("SigCgt"))
        if int(caught, 16) >> (number - 1) & 1:
            return
        assert time.monotonic() < until_s
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [0.0, 0.2, 0.4, 0.9, 1.7, 3.7])
def test_two_signals_at_once_end_a_starting_drive_without_a_word_too_many(
    after_s: float, tmp_path
) -> None:
    command = [sys.executable, "-m", "carla_saliency", "drive", "--headless"]
    with subprocess.Popen(
        [*command, "--embedded", "always", "--map", "curvy"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        until_it_catches(signal.SIGTERM, process)  # before, Python itself has not begun
        time.sleep(after_s)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode in (130, 143)
    assert "Traceback" not in err


def test_what_python_drops_of_a_stop_is_not_said_and_everything_else_is(capsys) -> None:
    class Careless:
        def __init__(self, error: BaseException) -> None:
            self._error = error

        def __del__(self) -> None:
            raise self._error

    stopping.install()
    del_one = Careless(stopping.Stopped(signal.SIGINT))
    del del_one
    assert capsys.readouterr().err == ""
    other = Careless(ValueError("a true fault"))
    del other
    assert "a true fault" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_what_whoever_started_it_wants_to_be_ignored_is_ignored(number) -> None:
    signal.signal(number, signal.SIG_IGN)
    stopping.install()
    os.kill(os.getpid(), number)
    stopping.check()
    with pytest.raises(stopping.Stopped):
        os.kill(os.getpid(), signal.SIGTERM)
