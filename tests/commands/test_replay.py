from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from drive_process import ALONE, drive, remembers, write_model
from recorded_drive import FIRST_ID, network_facts, record_drive

from carla_saliency import factory
from carla_saliency.cli import main
from carla_saliency.commands.replay_crew import ReplayCrew
from carla_saliency.commands.replay_networks import cast_of
from carla_saliency.core import DriveStep, Frame, SwapDrivers
from carla_saliency.network.contract import DEFAULT_CONTRACT
from carla_saliency.pilot.learned import LearnedPilot
from carla_saliency.record.facts import NetworkFacts
from carla_saliency.record.reader import Record
from carla_saliency.settings import DriveSettings, ReplaySettings

STEPS = 24
FRACTION_OF_16_BITS = 1 / 2**15


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept") / "d"
    record_drive(folder, STEPS)
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that always steers 0.1 to the right."""
    contract = replace(DEFAULT_CONTRACT, name="right")
    kernel = np.zeros((contract.input_height_px, contract.input_width_px, 3))
    return write_model(tmp_path_factory.mktemp("other") / "right.h5", kernel, 0.1, contract)


def replay(*arguments: object, headless: bool = True) -> int:
    return main(["replay", *map(str, arguments), *(["--headless"] if headless else [])])


def numbers(folder: Path, tmp_path: Path, *arguments: object) -> dict[str, Any]:
    path = tmp_path / "numbers.json"
    assert replay(folder, "--summary", path, *arguments) == 0
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_a_drive_replays_with_the_same_steering_and_the_same_maps(kept, tmp_path, capsys) -> None:
    found = numbers(kept, tmp_path)
    assert found["frames"] == STEPS
    assert found["as_recorded"]["steering_max"] <= 1e-6
    assert found["as_recorded"]["maps"] == STEPS
    assert found["as_recorded"]["maps_max"] <= FRACTION_OF_16_BITS
    assert found["difference"] is None
    said = capsys.readouterr().out
    assert "A's steering" in said
    assert "dave2.keras, which drove" in said


def test_a_drive_may_be_entered_later(kept, tmp_path) -> None:
    found = numbers(kept, tmp_path, "--start", 0.5)
    assert found["frames"] == STEPS - 10
    assert found["as_recorded"]["steering_max"] <= 1e-6


def test_another_method_leaves_the_steering_as_it_was(kept, tmp_path) -> None:
    found = numbers(kept, tmp_path, "--method", "layercam", "--layer", "conv3")
    assert found["as_recorded"]["steering_max"] <= 1e-6
    assert found["as_recorded"]["maps"] == 0  # none of that method was recorded


def test_the_method_of_the_drive_is_used_again_with_its_settings(tmp_path) -> None:
    settings = DriveSettings(method="layercam", layer="conv2", towards="both")
    record_drive(tmp_path / "d", 4, settings)
    found = numbers(tmp_path / "d", tmp_path)
    assert found["as_recorded"]["maps"] == 4
    assert found["as_recorded"]["maps_max"] <= FRACTION_OF_16_BITS


def test_another_network_is_compared_over_the_whole_drive(kept, other, tmp_path, capsys) -> None:
    found = numbers(kept, tmp_path, "--model", other)
    steps = record_drive(tmp_path / "again", STEPS)
    own = np.array([step.decision.network_steering for step in steps])
    apart_deg = 70 * (0.1 - own)
    difference = found["difference"]
    assert found["networks"] == {"A": "dave2.keras", "B": "right.h5"}
    assert difference["frames"] == STEPS
    assert difference["mean_deg"] == pytest.approx(np.abs(apart_deg).mean(), abs=2e-4)
    assert difference["max_deg"] == pytest.approx(np.abs(apart_deg).max(), abs=2e-4)
    assert difference["p95_deg"] == pytest.approx(np.percentile(np.abs(apart_deg), 95), abs=2e-4)
    assert difference["above"] == pytest.approx(np.mean(np.abs(apart_deg) > 0.5), abs=1e-4)
    at = int(np.argmax(np.abs(apart_deg)))
    largest = difference["moments"][0]
    assert largest["frame"] == FIRST_ID + at
    assert largest["sim_seconds"] == pytest.approx(3 + at / 20)
    assert largest["difference_deg"] == pytest.approx(apart_deg[at], abs=1e-3)
    assert difference["by_driver"].keys() == {"network"}
    expert = np.array([step.decision.expert_steering for step in steps])
    assert found["expert"]["A"]["mean_deg"] == pytest.approx(
        70 * np.abs(own - expert).mean(), abs=2e-4
    )
    assert found["expert"]["B"]["mean_deg"] == pytest.approx(
        70 * np.abs(0.1 - expert).mean(), abs=2e-4
    )
    assert found["as_recorded"]["steering_max"] <= 1e-6
    assert "B steers" in capsys.readouterr().out


def test_the_drive_s_own_network_at_another_place_is_no_other_one(kept, tmp_path) -> None:
    copy = tmp_path / "moved.keras"
    copy.write_bytes(factory.SHIPPED_NETWORK.read_bytes())
    found = numbers(kept, tmp_path, "--model", copy)
    assert found["networks"]["B"] is None
    assert found["as_recorded"]["steering_max"] <= 1e-6


def test_the_shipped_network_is_found_wherever_it_is_installed(tmp_path) -> None:
    facts = network_facts(factory.load_steering(), "/elsewhere/dave2.keras")
    record_drive(tmp_path / "d", 3, network=facts)
    assert numbers(tmp_path / "d", tmp_path)["as_recorded"]["steering_max"] <= 1e-6


def test_a_network_that_is_gone_is_asked_for(tmp_path, other, capsys) -> None:
    facts = network_facts(factory.load_steering())
    gone = NetworkFacts("gone.keras", "/nowhere/gone.keras", "0" * 64, facts.contract)
    record_drive(tmp_path / "d", 6, network=gone)
    assert replay(tmp_path / "d") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "/nowhere/gone.keras" in said
    assert "--model" in said
    found = numbers(tmp_path / "d", tmp_path, "--model", other, "--record", tmp_path / "v.mp4")
    assert found["networks"] == {"A": "gone.keras", "B": "right.h5"}
    assert found["as_recorded"] is None  # nobody could be asked
    assert found["difference"]["frames"] == 6


def test_a_record_of_what_the_network_saw_replays_the_same(tmp_path, other, capsys) -> None:
    record_drive(tmp_path / "d", 6, DriveSettings(record_frames="network"))
    found = numbers(tmp_path / "d", tmp_path, "--record", tmp_path / "v.mp4")
    assert found["as_recorded"]["steering_max"] <= 1e-6
    assert found["as_recorded"]["maps_max"] <= FRACTION_OF_16_BITS
    assert numbers(tmp_path / "d", tmp_path, "--model", other)["difference"]["frames"] == 6
    capsys.readouterr()
    assert replay(tmp_path / "d", "--model", other, "--trained-blur", 3) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "blur_px" in said


def test_a_network_for_another_camera_is_refused(kept, other, capsys) -> None:
    assert replay(kept, "--model", other, "--trained-fov", 60) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "60°" in said


def test_a_network_that_remembers_sees_the_frames_in_order(tmp_path) -> None:
    model = remembers(tmp_path / "remembers.onnx")
    settings = DriveSettings(model=str(model), method="occlusion", every=4)
    record_drive(tmp_path / "d", 8, settings)
    assert numbers(tmp_path / "d", tmp_path)["as_recorded"]["steering_max"] <= 1e-6
    later = numbers(tmp_path / "d", tmp_path, "--start", 0.25)
    assert later["frames"] == 3
    assert later["as_recorded"]["steering_max"] <= 1e-6


def test_the_video_of_a_replay_has_every_frame(kept, other, tmp_path) -> None:
    path = tmp_path / "v.mp4"
    assert replay(kept, "--model", other, "--record", path, "--res", "640x360") == 0
    with av.open(str(path)) as video:
        pictures = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(pictures) == STEPS
    assert pictures[-1].shape == (360, 640, 3)


def test_no_client_of_a_server_is_loaded(kept, tmp_path) -> None:
    code = (
        "import sys\n"
        "from carla_saliency.cli import main\n"
        f"code = main(['replay', {str(kept)!r}, '--headless', '--record', 'v.mp4'])\n"
        "assert 'carla' not in sys.modules\n"
        "raise SystemExit(code)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=120)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "replay takes one DIR"),
        (("a", "b"), "replay takes one DIR"),
        (("nothing",), "no record in"),
        (("nothing", "--contract", "donkey"), "--model"),
        (("nothing", "--pace", "-1"), "--pace"),
        (("nothing", "--record", "v.avi"), ".mp4"),
        (("nothing", "--method", "magic"), "--method must be one of"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(arguments, words, capsys) -> None:
    assert replay(*arguments) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert words in said


def test_a_start_after_the_end_is_refused(kept, capsys) -> None:
    assert replay(kept, "--start", 60) == 2
    assert "--start must be before the end of the drive at 1.15 s" in capsys.readouterr().err


@pytest.mark.slow
def test_a_drive_in_a_world_replays_with_the_same_steering_and_maps(tmp_path) -> None:
    code, _, err = drive(
        *(*ALONE, "--headless", "--map", "curvy", "--ticks", "40", "--seed", "3"),
        *("--record", "d"),
        cwd=tmp_path,
    )
    assert code == 0, err
    found = numbers(tmp_path / "d", tmp_path)
    assert found["frames"] == 40
    assert found["as_recorded"]["steering_max"] <= 1e-6
    assert found["as_recorded"]["maps"] == 40
    assert found["as_recorded"]["maps_max"] <= FRACTION_OF_16_BITS


def test_two_networks_that_were_swapped_are_swapped_again(tmp_path, other) -> None:
    def swap(pilot: LearnedPilot, number: int) -> None:
        if number in (4, 8):
            pilot.handle(SwapDrivers())

    steps = record_drive(tmp_path / "d", 12, DriveSettings(shadow=str(other)), swap)
    assert {step.decision.shadow.letter for step in steps} == {"A", "B"}
    again = replayed(tmp_path / "d")
    for was, now in zip(steps, again, strict=True):
        assert now.decision.control == was.decision.control
        assert now.decision.network_steering == pytest.approx(was.decision.network_steering)
        assert now.decision.shadow.letter == was.decision.shadow.letter
        assert now.decision.shadow.command == pytest.approx(was.decision.shadow.command)
    found = numbers(tmp_path / "d", tmp_path)
    assert found["as_recorded"]["steering_max"] <= 1e-6
    assert found["networks"]["B"] == "right.h5"
    assert found["difference"]["frames"] == 12


def test_what_was_masked_in_the_drive_is_masked_again(tmp_path) -> None:
    def hide(frame: Frame) -> Frame:
        image = frame.image.copy()
        image[200:, 300:400] = 90
        return replace(frame, image=image)

    def mask(pilot: LearnedPilot, number: int) -> None:
        pilot.masking = hide if number >= 3 else None

    steps = record_drive(tmp_path / "d", 6, before=mask)
    for was, now in zip(steps, replayed(tmp_path / "d"), strict=True):
        assert (now.decision.masked is None) == (was.decision.masked is None)
        assert now.decision.network_steering == pytest.approx(
            was.decision.network_steering, abs=1e-6
        )


def replayed(folder: Path) -> list[DriveStep]:
    """Return the steps as a replay finishes them."""
    with ExitStack() as stack:
        record = stack.enter_context(Record(folder))
        settings = ReplaySettings(folder=(str(folder),), headless=True)
        cast = cast_of(settings, record.facts, (640, 360))
        crew = ReplayCrew(stack, cast, record, True, False, pytest.fail)
        return [
            crew.finish(index, step, index == 0, False) for index, step in enumerate(record.steps())
        ]
