"""The same seed, machine and versions give the same drive, bit for bit, server and all."""

from itertools import islice

import pytest

from carla_saliency import factory
from carla_saliency.drive import drive
from carla_saliency.embedded import EmbeddedServer
from carla_saliency.pilot.learned import LearnedPilot
from carla_saliency.pilot.speed import SpeedControl
from carla_saliency.sim.session import CarlaSession, SessionSettings

pytestmark = pytest.mark.slow

TICKS = 100


def driven(seed: int) -> list[tuple[bytes, float, float, float]]:
    """Return picture, place and steering of each tick."""
    steering = factory.load_steering(None)
    with EmbeddedServer("town", seed) as server:
        settings = SessionSettings(host=server.host, port=server.port, timeout_s=30, seed=seed)
        with CarlaSession(settings, steering.contract) as session:
            pilot = LearnedPilot(
                factory.make_explainers(steering, "contrast"),
                session.car,
                steering.contract,
                SpeedControl(30 / 3.6),
            )
            return [
                (
                    step.observation.frame.image.tobytes(),
                    step.observation.pose.x_m,
                    step.observation.pose.y_m,
                    step.decision.control.steering,
                )
                for step in islice(drive(session, pilot), TICKS)
            ]


def test_the_same_seed_gives_the_same_drive_and_another_one_another() -> None:
    first = driven(3)
    assert first[-1][1:3] != first[0][1:3], "the car moved"
    assert driven(3) == first
    assert driven(4)[-1] != first[-1]
