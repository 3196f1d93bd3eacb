"""What is kept of a whole drive: the record, and all that it says of itself."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from carla_saliency import factory
from carla_saliency.core import Image
from carla_saliency.errors import BadInputError
from carla_saliency.factory import Letter, Rider
from carla_saliency.record.facts import (
    Facts,
    NetworkFacts,
    digest_of,
    space_line,
    versions,
)
from carla_saliency.record.format import FILE_NAME
from carla_saliency.record.writer import RecordWriter
from carla_saliency.settings import DriveSettings
from carla_saliency.sim.session import CarlaSession


def open_record(
    folder: Path,
    settings: DriveSettings,
    riders: Mapping[Letter, Rider],
    session: CarlaSession,
    fail: Callable[[str], None],
) -> RecordWriter:
    """Return who keeps the drive in a folder; to be used as a context manager.

    Args:
        folder: Is made if it is not there.
        settings: Of the drive.
        riders: The networks by letter.
        session: Is open.
        fail: Is told one line if keeping had to stop.

    Raises:
        BadInputError: If nothing can be written there.
    """
    facts = facts_of(settings, riders, session)
    crop: Callable[[Image], Image] | None = None
    if settings.record_frames == "network":
        require_one_view(riders)
        crop = riders["A"].steering.preprocess.crop
    return RecordWriter(folder, facts, fail, crop)


def require_one_view(riders: Mapping[Letter, Rider]) -> None:
    """Refuse to keep what one network sees where another one sees something else.

    Raises:
        BadInputError: If their crops or grids differ.
    """
    views = {
        (one.width_px, one.height_px, one.crop, one.input_width_px, one.input_height_px)
        for one in (rider.steering.contract for rider in riders.values())
    }
    if len(views) > 1:
        raise BadInputError(
            "--record-frames network keeps what the network saw, and the --shadow sees another "
            "part of the picture: leave it out, to keep the camera's pictures"
        )


def space_for(folder: Path, settings: DriveSettings, riders: Mapping[Letter, Rider]) -> str:
    """Return a line about the disk that the record will need."""
    contract = riders["A"].steering.contract
    network = settings.record_frames == "network"
    size = factory.camera_size(settings, contract)
    if network:
        size = contract.input_width_px, contract.input_height_px
    seconds = settings.seconds
    if settings.ticks is not None:
        seconds = min(settings.ticks / settings.fps, seconds or float("inf"))
    return space_line(folder, size, settings.fps, seconds, settings.record_frames)


def what_was_kept(record: RecordWriter) -> str:
    """Return a line about a record that is closed; "" if it has nothing, or trouble was told."""
    if record.trouble or not record.steps:
        return ""
    size = (record.folder / FILE_NAME).stat().st_size
    return f"record: {record.folder}, {record.steps} ticks, {size / 1e6:.0f} MB"


def facts_of(
    settings: DriveSettings, riders: Mapping[Letter, Rider], session: CarlaSession
) -> Facts:
    """Return all that the record says of the drive as a whole."""
    info = session.info
    shadow = riders.get("B")
    return Facts(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        settings=asdict(settings),
        versions=versions(),
        network=_network_facts(riders["A"]),
        shadow=None if shadow is None else _network_facts(shadow),
        car=session.car,
        physics=dict(info.physics),
        map_name=info.map_name,
        weather=info.weather or "",
        weather_values=dict(info.weather_values),
        seed=info.seed,
        rate_hz=1 / (info.delta_s or 1 / settings.fps),
        frames=settings.record_frames,
        server_version=info.server_version,
    )


def _network_facts(rider: Rider) -> NetworkFacts:
    steering = rider.steering
    path = steering.path
    return NetworkFacts(
        title=steering.title,
        path=str(path.resolve()),
        sha256=digest_of(path),
        contract=asdict(steering.contract),
    )
