import numpy as np
import pytest

from carla_saliency.core import (
    Control,
    Decision,
    DriveStep,
    Event,
    EventKind,
    Frame,
    Observation,
    Pose,
)
from carla_saliency.summary import DriveLog, autonomy_percent, table


def make_step(driver: str, speed_mps: float, *kinds: EventKind) -> DriveStep:
    frame = Frame(1, 0.05, np.zeros((2, 2, 3), np.uint8))
    events = tuple(Event(kind, 1, "") for kind in kinds)
    observation = Observation(frame, Pose(), speed_mps, None, events, server_ms=12.0)
    return DriveStep(observation, Decision(Control(), driver, None, timing_ms={"network": 2.0}))


@pytest.mark.parametrize(
    ("interventions", "seconds", "expected"),
    [(0, 600, 100.0), (1, 600, 99.0), (10, 600, 90.0), (200, 600, 0.0), (0, 0, None), (3, 0, None)],
)
def test_autonomy_is_pilotnets_formula(interventions, seconds, expected) -> None:
    assert autonomy_percent(interventions, seconds) == expected


def test_a_drive_is_counted_with_the_time_of_the_network_alone() -> None:
    now_s = [0.0]
    log = DriveLog(delta_s=0.05, clock=lambda: now_s[0])
    for driver in ["network"] * 60 + ["expert"] * 40:
        now_s[0] += 0.1
        log.add(make_step(driver, 10.0))
    log.add(make_step("network", 10.0, EventKind.INTERVENTION, EventKind.COLLISION))
    numbers = log.as_json()
    assert numbers["ticks"] == 101
    assert numbers["sim_seconds"] == 5.05
    assert numbers["network_seconds"] == 3.05
    assert numbers["distance_m"] == 50.5
    assert numbers["mean_speed_kmh"] == 36.0
    assert (numbers["interventions"], numbers["collisions"], numbers["lane_departures"]) == (
        1,
        1,
        0,
    )
    assert numbers["autonomy_percent"] == 0.0
    assert numbers["wall_seconds"] == 9.9
    assert numbers["ticks_per_second"] == pytest.approx(100 / 9.9, abs=0.01)
    assert numbers["timing_ms"]["network"] == {"p50": 2.0, "p99": 2.0}


def test_the_table_of_an_empty_drive_has_dashes_not_errors() -> None:
    text = table(DriveLog(delta_s=0.05).as_json())
    assert "autonomy" in text
    assert text.splitlines()[9].endswith("-")
