"""Drives in which much happened: the networks say of it again what they said then."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from drive_process import remembers, write_model
from onnx import TensorProto, helper, numpy_helper
from recorded_drive import (
    CAR,
    facts_of,
    network_facts,
    observations,
    record_drive,
    write,
)

from carla_saliency import factory, stopping
from carla_saliency.cli import main
from carla_saliency.commands import replay
from carla_saliency.commands.masks import Masks
from carla_saliency.commands.replay_crew import ReplayCrew
from carla_saliency.commands.replay_networks import cast_of
from carla_saliency.commands.replay_pilot import of_network_a, of_network_b
from carla_saliency.core import ChangeMethod, Decision, DriveStep, SwapDrivers
from carla_saliency.network.contract import DEFAULT_CONTRACT
from carla_saliency.pilot.explaining import Explaining
from carla_saliency.pilot.learned import LearnedPilot
from carla_saliency.pilot.seat import Seat
from carla_saliency.pilot.speed import SpeedControl
from carla_saliency.record.reader import Record
from carla_saliency.settings import DriveSettings, ReplaySettings

STEPS = 30
MASKED = range(6, 14)
SWAPPED = range(10, 18)
OTHER_METHOD_FROM = 22
ONE_OF_16_BITS = 1 / 2**15  # of the strongest pixel


def plain(path: Path) -> Path:
    contract = replace(DEFAULT_CONTRACT, name="plain")
    grid = contract.input_height_px, contract.input_width_px, 3
    return write_model(path, np.random.default_rng(1).normal(0, 1e-6, grid), 0.02, contract)


def told_the_speed(path: Path) -> Path:
    """A network that steers by a picture and, as much, by the speed."""
    contract = replace(DEFAULT_CONTRACT, name=path.stem, input_height_px=22, input_width_px=66)
    kernel = np.random.default_rng(1).normal(0, 1e-5, (3 * 22 * 66, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["image"], ["row"]),
        helper.make_node("MatMul", ["row", "kernel"], ["seen"]),
        helper.make_node("Mul", ["speed", "share"], ["felt"]),
        helper.make_node("Add", ["seen", "felt"], ["steering"]),
    ]
    real = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "main",
        [
            helper.make_tensor_value_info("image", real, ["n", 3, 22, 66]),
            helper.make_tensor_value_info("speed", real, ["n", 1]),
        ],
        [helper.make_tensor_value_info("steering", real, ["n", 1])],
        [
            numpy_helper.from_array(kernel, "kernel"),
            numpy_helper.from_array(np.array([0.003], np.float32), "share"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    path.with_suffix(".contract.json").write_text(json.dumps(asdict(contract)), encoding="utf-8")
    return path


OTHERS: dict[str, Callable[[Path], Path]] = {
    "plain.h5": plain,
    "remembers.onnx": remembers,
    "told_the_speed.onnx": told_the_speed,
}


def record_eventful_drive(folder: Path, settings: DriveSettings) -> None:
    """Two networks, which are swapped while parts are masked; then the method is changed."""
    steering = factory.load_steering(settings)
    riders = factory.make_riders(steering, settings)
    a, b = riders["A"], riders["B"]
    explaining = Explaining(a.explainers, settings.every, True, beside=b.explainers)
    pilot = LearnedPilot(
        a.explainers,
        CAR,
        steering.contract,
        SpeedControl(8.0),
        explaining=explaining,
        title=steering.title,
        shadow=Seat(b.steering.title, b.explainers, CAR, b.steering.contract),
    )
    masks = Masks()
    masks.press(200, 200)
    masks.move(420, 355)
    masks.release()
    steps = []
    for number, seen in enumerate(observations(STEPS)):
        pilot.masking = masks.hide if number in MASKED else None
        if number in (SWAPPED.start, SWAPPED.stop):
            pilot.handle(SwapDrivers())
        if number == OTHER_METHOD_FROM:
            pilot.handle(ChangeMethod(1))
        frame = replace(seen.frame, speed_mps=8 + np.sin(number))
        seen = replace(seen, frame=frame, speed_mps=frame.speed_mps)
        steps.append(DriveStep(seen, pilot.decide(seen)))
    explaining.close()
    facts = facts_of(settings, steering, shadow=network_facts(b.steering))
    write(folder, steps, facts, steering)


@pytest.fixture(
    scope="module",
    params=[
        "plain.h5",
        "told_the_speed.onnx",
        pytest.param("remembers.onnx", marks=pytest.mark.slow),
    ],
)
def eventful(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """The record of a drive, and the network that looked on and drove for a while."""
    there = tmp_path_factory.mktemp("eventful")
    other = OTHERS[request.param](there / request.param)
    record_eventful_drive(there / "d", DriveSettings(shadow=str(other)))
    return there / "d", other


def replayed(folder: Path, order: Sequence[int]) -> Iterator[tuple[DriveStep, DriveStep]]:
    """Yield each step as it was recorded and as it is now."""
    with ExitStack() as stack:
        record = stack.enter_context(Record(folder))
        cast = cast_of(ReplaySettings(folder=(str(folder),)), record.facts, (640, 360))
        crew = ReplayCrew(stack, cast, record, True, False, lambda line: None)
        before = None
        for index in order:
            recorded = record.at(index)
            yield recorded, crew.finish(index, recorded, before != index - 1, False)
            before = index


def assert_same(was: Decision, now: Decision) -> int:
    """Both networks say the same; return how many maps could be compared."""
    maps = 0
    for of in of_network_a, of_network_b:
        (steering, own), (again, new) = of(was), of(now)
        assert steering is not None
        assert again == pytest.approx(steering, abs=1e-6)
        if own is None or new is None or (own.frame_id, own.method) != (new.frame_id, new.method):
            continue
        limit = ONE_OF_16_BITS * np.abs(own.attribution).max()
        assert np.abs(own.attribution - new.attribution).max() <= limit
        maps += 1
    return maps


def test_swapped_networks_masks_memory_and_speed_are_as_in_the_drive(
    eventful: tuple[Path, Path],
) -> None:
    folder, other = eventful
    maps = 0
    for recorded, now in replayed(folder, range(STEPS)):
        was, number = recorded.decision, recorded.observation.frame.frame_id - 100
        assert now.decision.control == was.control
        assert now.decision.driver == was.driver
        assert (was.masked is not None) == (number in MASKED)
        assert was.shadow is not None
        assert now.decision.shadow is not None
        assert now.decision.shadow.letter == was.shadow.letter
        assert was.shadow.letter == ("A" if number in SWAPPED else "B")
        maps += assert_same(was, now.decision)
    if other.suffix == ".h5":  # the others can't be asked for every method
        assert maps == 2 * OTHER_METHOD_FROM


def test_after_jumps_a_network_remembers_what_was_before_in_the_drive(
    eventful: tuple[Path, Path],
) -> None:
    order = [*range(20, 26), *range(8, 15), 29, *range(3), 12, 11, 11]
    for recorded, now in replayed(eventful[0], order):
        assert_same(recorded.decision, now.decision)


def test_the_table_is_about_a_and_b_whoever_drove(
    eventful: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, other = eventful
    path = tmp_path / "numbers.json"
    assert main(["replay", str(folder), "--headless", "--summary", str(path)]) == 0
    found = json.loads(path.read_text())
    assert found["networks"] == {"A": "dave2.keras", "B": other.name}
    assert found["as_recorded"]["steering_max"] <= 1e-6
    with Record(folder) as record:
        a, b = (
            np.array([of(step.decision)[0] for step in record.steps()], float)
            for of in (of_network_a, of_network_b)
        )
    assert found["difference"]["mean_deg"] == pytest.approx(70 * np.abs(b - a).mean(), abs=1e-3)
    assert f"{other.name}, shown the same frames (open loop)" in capsys.readouterr().out


def test_a_stop_tells_what_was_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record_drive(tmp_path / "d", 12)
    rounds = iter(range(100))

    def check() -> None:
        if next(rounds) == 5:
            raise stopping.Stopped(signal.SIGINT)

    monkeypatch.setattr(replay, "stopping", SimpleNamespace(check=check))
    arguments = ["replay", str(tmp_path / "d"), "--headless", "--summary"]
    assert main([*arguments, str(tmp_path / "s.json")]) == 128 + signal.SIGINT
    assert "A's steering" in capsys.readouterr().out
    assert json.loads((tmp_path / "s.json").read_text())["frames"] == 5


def test_a_record_that_is_damaged_in_the_middle_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record_drive(tmp_path / "d", 24)
    path = tmp_path / "d" / "drive.mcap"
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    path.write_bytes(data)
    assert main(["replay", str(tmp_path / "d"), "--headless"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "is damaged at step" in lines[0]


def test_a_slow_method_that_was_measured_has_maps_of_the_same_frames(tmp_path: Path) -> None:
    settings = DriveSettings(method="smoothgrad", samples=2, headless=True)
    steering = factory.load_steering(settings)
    explainers = factory.drive_explainers(steering, settings)
    seconds = iter(np.arange(100) * 0.12)  # a map takes 2.4 ticks
    explaining = Explaining(explainers, None, True, clock=lambda: float(next(seconds)))
    pilot = LearnedPilot(
        explainers, CAR, steering.contract, SpeedControl(8.0), explaining=explaining
    )
    steps = [DriveStep(seen, pilot.decide(seen)) for seen in observations(8)]
    explaining.close()
    assert {step.decision.every for step in steps} == {3}
    write(tmp_path / "d", steps, facts_of(settings, steering), steering)
    path = tmp_path / "s.json"
    assert main(["replay", str(tmp_path / "d"), "--headless", "--summary", str(path)]) == 0
    found = json.loads(path.read_text())["as_recorded"]
    assert found["maps"] == sum(step.decision.explanation is not None for step in steps) > 0
    assert found["maps_max"] <= ONE_OF_16_BITS
