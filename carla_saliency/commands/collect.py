"""`carla-saliency collect`: labelled frames from many maps and looks, through the CARLA client."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np

from carla_saliency import __version__, stopping
from carla_saliency.collect import Teacher, collect_driving, collect_poses, curve_speed
from carla_saliency.commands.weathers import random_weather, weather_name
from carla_saliency.core import Contract
from carla_saliency.data.dataset import HEADER_FILE, Dataset, DatasetWriter
from carla_saliency.embedded import EmbeddedServer
from carla_saliency.factory import Steering, load_steering, make_explainers
from carla_saliency.network.contract import DEFAULT_CONTRACT
from carla_saliency.pilot.expert import expert_steering
from carla_saliency.pilot.learned import LearnedPilot
from carla_saliency.pilot.speed import SIDEWAYS_MPS2, SpeedControl
from carla_saliency.settings import CollectSettings, NetworkSettings
from carla_saliency.sim.session import CarlaSession, SessionSettings

TIMEOUT_S = 60.0
PLACES_M = 2.0  # between the places that poses are drawn around


def run(settings: CollectSettings) -> int:
    """Collect until the dataset has the frames that were asked for; return the exit code.

    Raises:
        BadInputError: If a setting can't be used.
        SimulatorError: If a server fails.
    """
    policy = (
        None if settings.policy is None else load_steering(NetworkSettings(model=settings.policy))
    )
    contract = DEFAULT_CONTRACT if policy is None else policy.contract
    if settings.model is not None:
        contract = load_steering(NetworkSettings(model=settings.model)).contract
    have = _frames_of(Path(settings.out), "poses" if policy is None else "driving")
    looks = [
        (map_name, settings.seed * 1000 + look)
        for look in range(settings.seeds)
        for map_name in settings.maps
    ]
    shares = np.diff(np.linspace(0, settings.frames, len(looks) + 1).round().astype(int))
    for (map_name, look), share in zip(looks, shares, strict=True):
        stopping.check()
        if have[map_name, look] >= share:
            continue
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
                _collect(settings, session, contract, policy, map_name, look, int(share))
    sys.stdout.write(f"{settings.frames} frames in {settings.out}\n")
    return 0


def _collect(
    settings: CollectSettings,
    session: CarlaSession,
    contract: Contract,
    policy: Steering | None,
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
        speed_at=curve_speed(speed_mps, SIDEWAYS_MPS2),
        set_weather=set_weather,
    )
    made_with: dict[str, object] = {"carla_saliency": __version__, "settings": asdict(settings)}
    with DatasetWriter(Path(settings.out), contract, session.car, made_with) as writer:
        if policy is None:
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
        pilot = LearnedPilot(
            make_explainers(policy, "gradient"),
            session.car,
            policy.contract if policy.has_contract else None,
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


def _frames_of(folder: Path, source: str) -> Counter[tuple[str, int]]:
    """Return how many frames a dataset has of each map and look; none if it is new."""
    if not (folder / HEADER_FILE).exists():
        return Counter()
    labels = Dataset(folder).labels
    return Counter((one.map_name, one.look) for one in labels if one.source == source)
