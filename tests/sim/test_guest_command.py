"""`drive --attach` and `drive --follow` as a person runs them, beside an owner who ticks."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from carla_worlds import Owner, Server, owning
from drive_process import drive, start, steers_always, table_of

from carla_saliency import cli
from carla_saliency.commands import drive as command
from carla_saliency.core import DriveStep
from carla_saliency.sim.session import CarlaSession

slow = pytest.mark.slow
POSE = [1.5, 1.6, -10.0]
SIZE = {"image_size_x": "640", "image_size_y": "360", "fov": "100"}
FITTING = [
    ["sensor.camera.rgb", SIZE, POSE],
    ["sensor.camera.semantic_segmentation", SIZE, POSE],
]
IN_A_WINDOW = pytest.mark.parametrize("window", [(), ("--headless",)], ids=["window", "headless"])
OURS = ["sensor.camera.rgb", "sensor.camera.semantic_segmentation", "sensor.other.collision"]


def settled(owner: Owner, car_and_sensors: int = 1) -> Any:
    """Return how things are when a tick has shown all that the owner spawned."""
    while len((told := owner.ask("tell"))["actors"]) < car_and_sensors:
        time.sleep(0.02)
    return told


def ask_until(owner: Owner, process: subprocess.Popen[str], good: Callable[[Any], bool]) -> Any:
    """Ask the owner how things are, until they are so."""
    until_s = time.monotonic() + 90
    while time.monotonic() < until_s:
        told = owner.ask("tell")
        if good(told):
            return told
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    raise AssertionError("it did not come in 90 s")


# ------------------------------------------------------------------ driving their car


@slow
@IN_A_WINDOW
def test_attach_steers_their_car_by_the_network_and_leaves_all_else(
    server: Server, tmp_path: Path, window: tuple[str, ...]
) -> None:
    steers_always(tmp_path / "right.h5", 0.125)
    with owning(server, pace_s=0.05) as owner:
        owner.ask("spawn 3")
        before = settled(owner)
        with start(
            *("--attach", "hero", "--port", str(server.port), "--model", "right.h5"),
            *("--ticks", "60", "--summary", "s.json", "--events", "none", *window),
            cwd=tmp_path,
        ) as process:
            during = ask_until(owner, process, lambda told: told["control"][0] > 0.1)
            out, err = process.communicate(timeout=120)
        after = owner.ask("tell")
    assert process.returncode == 0, err
    assert during["control"][1] == 0.125
    assert set(OURS) <= set(during["actors"])
    assert after["actors"] == before["actors"] == ["vehicle.tesla.model3"]
    assert [after[key] for key in ("weather", "settings")] == [
        before[key] for key in ("weather", "settings")
    ]
    assert after["frame"] > during["frame"], "the owner goes on"
    assert after["control"] == [0.0, 0.0, 1.0]
    assert "Drives somebody else's car 'hero' (vehicle.tesla.model3, actor " in err
    assert "left 'hero' where it is, braked." in err.splitlines()[-1]
    numbers = json.loads((tmp_path / "s.json").read_text())
    assert numbers["ticks"] == 60
    assert numbers["network_seconds"] >= 3.0
    assert numbers["distance_m"] > 3.0, "the car moved"
    assert "network steered" in out


@slow
def test_the_owner_who_leaves_ends_a_drive_without_a_failure(
    server: Server, tmp_path: Path
) -> None:
    for how, window in (("--attach", ()), ("--follow", ("--headless",))):
        with owning(server, pace_s=0.05) as owner:
            owner.ask("spawn 3")
            with start(
                *(how, "hero", "--port", str(server.port), "--timeout", "2"),
                *("--summary", "s.json", "--events", "none", *window),
                cwd=tmp_path,
            ) as process:
                ask_until(owner, process, lambda told: "sensor.camera.rgb" in told["actors"])
                time.sleep(2.0)
                assert owner.process.stdin is not None
                owner.process.stdin.close()
                assert owner.process.wait(30) == 0
                _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        over = [line for line in err.splitlines() if "session is over" in line]
        assert over == ["The car 'hero' is gone, and no other one came within 2 s: "
                        "the session is over."]  # fmt: skip
        assert "Traceback" not in err
        assert json.loads((tmp_path / "s.json").read_text())["ticks"] > 0


# ------------------------------------------------------------------ looking at their car


@slow
@IN_A_WINDOW
def test_follow_sends_nothing_and_shows_what_the_network_would_do(
    server: Server, tmp_path: Path, window: tuple[str, ...]
) -> None:
    steers_always(tmp_path / "left.h5", -0.5)
    with owning(server, pace_s=0.05, control=[0.25, 0.0625], cameras=FITTING) as owner:
        owner.ask("spawn 3")
        before = settled(owner, 1 + len(FITTING))
        with start(
            *("--follow", "hero", "--port", str(server.port), "--model", "left.h5"),
            *("--ticks", "50", "--summary", "s.json", "--events", "e", *window),
            cwd=tmp_path,
        ) as process:
            seen = []
            while process.poll() is None:
                seen.append(owner.ask("tell"))
                time.sleep(0.05)
            out, err = process.communicate(timeout=120)
        after = owner.ask("tell")
    assert process.returncode == 0, err
    assert {tuple(told["control"]) for told in seen[1:]} == {(0.25, 0.0625, 0.0)}
    assert {told["actors"].count("sensor.camera.rgb") for told in seen} == {1}, "theirs fits"
    for key in ("actors", "weather", "settings"):
        assert after[key] == before[key]
    assert after["pictures"] > seen[-1]["pictures"], "their cameras go on"
    assert "through the owner's cameras: nothing is added" in err
    numbers = json.loads((tmp_path / "s.json").read_text())
    assert numbers["ticks"] == 50
    assert numbers["network_seconds"] == 0.0
    assert numbers["interventions"] == 0
    assert numbers["autonomy_percent"] is None
    assert "autonomy                                  -" in out
    clip = next(path for path in (tmp_path / "e").iterdir() if "unlike-the-expert" in path.name)
    rows = table_of(clip)
    assert {row["driver"] for row in rows} == {"owner"}
    assert {float(row["steering"]) for row in rows[2:]} == {0.0625}
    assert {float(row["network_steering"]) for row in rows} == {-0.5}


@slow
def test_a_slow_spectator_sees_the_newest_frame_and_counts_simulated_time(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    got: list[int] = []
    newest: list[int] = []
    seen: list[DriveStep] = []
    receive, tell = CarlaSession.receive, command._tell
    with owning(server, cameras=FITTING, control=[0.3, 0.0], pace_s=0.02) as owner:

        def receive_while_the_owner_holds_still(session: CarlaSession) -> Any:
            owner.ask("pause")
            newest.append(owner.ask("tell")["frame"])
            time.sleep(0.2)  # its pictures are on their way
            observation = receive(session)
            got.append(observation.frame.frame_id)
            owner.ask("go")
            return observation

        def dawdle(step: DriveStep) -> None:
            seen.append(step)
            tell(step)
            time.sleep(0.3)

        monkeypatch.setattr(CarlaSession, "receive", receive_while_the_owner_holds_still)
        monkeypatch.setattr(command, "_tell", dawdle)
        monkeypatch.chdir(tmp_path)
        owner.ask("spawn 3")
        code = cli.main(
            [
                *("drive", "--follow", "hero", "--port", str(server.port), "--headless"),
                *("--seconds", "5", "--summary", "s.json"),
            ]
        )
    assert code == 0, capsys.readouterr().err
    assert got == newest, "never an older one: what was missed is dropped"
    frames = [step.observation.frame for step in seen]
    assert min(b.frame_id - a.frame_id for a, b in pairwise(frames)) > 4
    numbers = json.loads((tmp_path / "s.json").read_text())
    assert numbers["ticks"] == len(frames) < 25
    passed_s = frames[-1].sim_s - frames[0].sim_s
    assert numbers["sim_seconds"] == pytest.approx(passed_s + 0.05, abs=0.01)
    assert frames[-2].sim_s - frames[0].sim_s < 5.0 - 0.05 <= passed_s + 0.03, "5 s, then the end"


# ------------------------------------------------------------------ what can't be


@slow
@pytest.mark.parametrize("how", ["--attach", "--follow"])
def test_a_car_that_is_not_there_is_one_line_and_exit_code_2(
    server: Server, tmp_path: Path, how: str
) -> None:
    with owning(server, role="other") as owner:
        owner.ask("spawn 3")
        code, out, err = drive(
            *(how, "hero", "--port", str(server.port), "--headless", "--timeout", "1"),
            cwd=tmp_path,
        )
    lines = err.strip().splitlines()
    assert code == 2, err
    assert len(lines) == 1, err
    assert "'hero' after 1 s; there are: other." in lines[0]
    assert out == ""


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--attach", "hero", "--follow", "hero"], "give one"),
        (["--attach", "hero", "--embedded", "always"], "leave out --embedded always"),
        (["--follow", "hero", "--map", "town"], "leave out --map"),
        (["--follow", "hero", "--weather", "ClearNoon"], "leave out --weather"),
        (["--attach", "hero", "--spawn", "3"], "leave out --spawn"),
        (["--attach", "hero", "--filter", "vehicle.audi.tt"], "leave out --filter"),
        (["--attach", "hero", "--take-over"], "leave out --take-over"),
        (["--attach", "hero", "--on-failure", "stop"], "leave out --on-failure"),
        (["--follow", "hero", "--on-failure", "pause"], "leave out --on-failure"),
        (["--follow", "hero", "--pace", "2"], "leave out --pace"),
        (["--attach", "hero", "--rolename", "ego"], "leave out --rolename"),
        (["--attach", ""], "--attach"),
        (["--follow", ""], "--follow"),
    ],
)
def test_flags_that_contradict_are_one_line_and_exit_code_2(
    flags: list[str], words: str, capsys: Any
) -> None:
    code = cli.main(["drive", "--headless", *flags])
    err = capsys.readouterr().err
    assert code == 2
    assert len(err.strip().splitlines()) == 1, err
    assert words in err
