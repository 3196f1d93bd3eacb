"""`carla-saliency collect`: labelled frames from many maps and looks, through the CARLA client."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from carla_saliency.collect import Teacher, collect_driving, collect_poses, curve_speed
from carla_saliency.commands.weathers import random_weather, weather_name
from carla_saliency.core import Contract
from carla_saliency.data.dataset import DatasetWriter
from carla_saliency.embedded import EmbeddedServer
from carla_saliency.factory import load_steering, make_explainers
from carla_saliency.network.contract import DEFAULT_CONTRACT
from carla_saliency.pilot.expert import expert_steering
from carla_saliency.pilot.learned import LearnedPilot
from carla_saliency.pilot.speed import SpeedControl
from carla_saliency.settings import CollectSettings
from carla_saliency.sim.session import CarlaSession, SessionSettings

TIMEOUT_S = 30.0
PLACES_M = 2.0  # between the places that poses are drawn around


def run(settings: CollectSettings) -> int:
    """Collect until the dataset has the frames that were asked for; return the exit code.

    Raises:
        BadInputError: If a setting can't be used.
        SimulatorError: If a server fails.
    """
    contract = DEFAULT_CONTRACT
    if settings.model is not None or settings.policy is not None:
        contract = load_steering(settings.model or settings.policy).contract
    looks = [
        (map_name, settings.seed * 1000 + look)
        for look in range(settings.seeds)
        for map_name in settings.maps
    ]
    shares = np.diff(np.linspace(0, settings.frames, len(looks) + 1).round().astype(int))
    for (map_name, look), share in zip(looks, shares, strict=True):
        with EmbeddedServer(map_name, look) as server:
            session_settings = SessionSettings(
                host=server.host,
                port=server.port,
                timeout_s=TIMEOUT_S,
                fps=settings.fps,
                seed=look,
                semantic=False,
            )
            with CarlaSession(session_settings, contract) as session:
                _collect(settings, session, contract, map_name, look, int(share))
    sys.stdout.write(f"{settings.frames} frames in {settings.out}\n")
    return 0


def _collect(
    settings: CollectSettings,
    session: CarlaSession,
    contract: Contract,
    map_name: str,
    look: int,
    frames: int,
) -> None:
    speed_mps = settings.speed / 3.6

    def set_weather(rng: np.random.Generator | None) -> str:
        values = {} if rng is None else random_weather(rng)
        session.change_weather(values)
        return weather_name(values)

    teacher = Teacher(
        car=session.car,
        expert=expert_steering,
        speed_at=curve_speed(speed_mps),
        set_weather=set_weather,
    )
    with DatasetWriter(Path(settings.out), contract, session.car) as writer:
        if settings.policy is None:
            collect_poses(
                session,
                session.places(PLACES_M),
                writer,
                teacher,
                map_name=map_name,
                look=look,
                frames=frames,
                seed=settings.seed,
            )
            return
        steering = load_steering(settings.policy)
        pilot = LearnedPilot(
            make_explainers(steering, "gradient"),
            session.car,
            steering.contract,
            SpeedControl(speed_mps),
        )
        collect_driving(
            session,
            pilot,
            writer,
            teacher,
            map_name=map_name,
            look=look,
            frames=frames,
            seed=settings.seed,
        )
