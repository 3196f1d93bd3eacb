"""`carla-saliency calibrate`: what is usual for a network, measured in a nominal drive."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from carla_saliency import factory, stopping
from carla_saliency.commands.calibrating import Calibrating, FrameFeatures, known_of_folders
from carla_saliency.commands.servers import find_server
from carla_saliency.core import GROUPS
from carla_saliency.drive import drive
from carla_saliency.errors import BadInputError
from carla_saliency.factory import Steering
from carla_saliency.insight.calibration import (
    Calibration,
    KnownFrames,
    Nominal,
    calibration_path,
    network_digest,
    read_calibration,
    write_calibration,
)
from carla_saliency.insight.jumps import FALSE_ALARM
from carla_saliency.insight.novelty import KNOWN_FRAMES
from carla_saliency.pilot.explaining import Explaining
from carla_saliency.pilot.learned import LearnedPilot
from carla_saliency.pilot.speed import SpeedControl
from carla_saliency.saliency import Method
from carla_saliency.settings import CalibrateSettings, DriveSettings
from carla_saliency.sim.session import CarlaSession

LEAST_FRAMES = 20


def run(settings: CalibrateSettings) -> int:
    """Drive on each map, write the calibration, and print what it says; return the exit code.

    Raises:
        BadInputError: If a setting can't be used, or the network hardly ever steers.
        SimulatorError: If the server fails.
    """
    factory.require_method(settings.method)
    steering = factory.load_steering(settings)
    factory.require_contract(steering)
    explainers = factory.make_explainers(steering, settings.method)
    out = Path(settings.out) if settings.out else calibration_path(steering.path)
    digest = network_digest(steering.path, steering.contract)
    for line in steering.lines():
        _say(line)
    features = FrameFeatures(steering, settings.speed / 3.6)
    known = _known(settings, steering, features, digest, out)
    total = settings.ticks * max(1, len(settings.map))
    calibrating = Calibrating(steering, explainers[settings.method], features, known, total)
    maps = _drive(settings, steering, explainers, calibrating)
    calibration = _finished(calibrating, digest, maps, total)
    write_calibration(out, calibration)
    for line in _told(calibration, calibrating, steering, total):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"{out}, {out.stat().st_size / 1000:.0f} kB\n")
    return 0


def _drive(
    settings: CalibrateSettings,
    steering: Steering,
    explainers: Mapping[str, Method],
    calibrating: Calibrating,
) -> str:
    """Drive on one map after the other; return their names."""
    maps = []
    for map_name in settings.map or (None,):
        with ExitStack() as stack:
            session = stack.enter_context(_session(settings, steering, map_name, stack))
            explaining = Explaining(explainers, None, True, 1 / settings.fps, _say)
            stack.callback(explaining.close)
            pilot = LearnedPilot(
                explainers,
                session.car,
                steering.contract,
                SpeedControl(settings.speed / 3.6),
                explaining=explaining,
            )
            calibrating.begin(session.info.server_version)
            maps.append(session.info.map_name)
            advance = stack.enter_context(_bar(maps[-1], settings.ticks))
            for step in islice(drive(session, pilot), settings.ticks):
                stopping.check()
                calibrating.add(step)
                advance()
    return ", ".join(maps)


def _known(
    settings: CalibrateSettings,
    steering: Steering,
    features: FrameFeatures,
    digest: str,
    out: Path,
) -> KnownFrames | None:
    """Return the frames of the training: those named, or those that a file already has."""
    if settings.data:
        if features.layer is None:
            raise BadInputError(
                f"--data: {steering.path.name} has no layer of units before the steering by which "
                "frames could be told apart: leave --data out"
            )
        with _bar("frames of --data", KNOWN_FRAMES) as advance:
            return known_of_folders(settings.data, steering, features, advance)
    for path in dict.fromkeys((out, calibration_path(steering.path))):
        if not path.exists():
            continue
        try:
            before = read_calibration(path)
        except BadInputError as error:
            _say(f"{error}; it is replaced")
            continue
        if before.network != digest:
            _say(f"{path} is of other weights or inputs: nothing of it is kept")
        elif before.known is not None and before.known.source != "nominal drive":
            return before.known
    return None


def _session(
    settings: CalibrateSettings, steering: Steering, map_name: str | None, stack: ExitStack
) -> CarlaSession:
    """Return the session with a server, ours if there is no other."""
    host, port, ours = find_server(stack, settings, map_name)
    map_name = None if ours else map_name
    wanted = DriveSettings(
        timeout=settings.timeout,
        any_version=settings.any_version,
        take_over=settings.take_over,
        weather=settings.weather,
        fps=settings.fps,
        seed=settings.seed,
    )
    contract = steering.contract
    return CarlaSession(factory.session_settings(wanted, contract, host, port, map_name), contract)


def _finished(calibrating: Calibrating, digest: str, maps: str, total: int) -> Calibration:
    frames = calibrating.nominal.frames
    if frames < LEAST_FRAMES:
        raise BadInputError(
            f"the network steered by itself, moving and undisturbed, in {frames} of {total} ticks, "
            f"at least {LEAST_FRAMES} are needed: give more --ticks, or another --map"
        )
    return Calibration(digest, calibrating.known(), calibrating.nominal.result(maps))


def _told(
    calibration: Calibration, calibrating: Calibrating, steering: Steering, total: int
) -> list[str]:
    """Return what the calibration says, a line for each part."""
    nominal, known = calibration.nominal, calibration.known
    lines = []
    if nominal is not None:
        lines += _nominal_lines(nominal, calibrating, steering, total)
    if known is None:
        lines.append("novelty: not known, the network has no layer of units before the steering")
    else:
        where = {
            "training": "frames of the training",
            "pictures": "pictures of --data",
            "nominal drive": "frames of this drive, which stand in for the training (--data)",
        }[known.source]
        lines.append(
            f"novelty: beyond {known.limit:.2f} standard deviations of {known.layer} from the "
            f"nearest of {len(known.features)} {where}"
        )
    return lines


def _nominal_lines(
    nominal: Nominal, calibrating: Calibrating, steering: Steering, total: int
) -> list[str]:
    lines = [
        f"{steering.path.name}, {nominal.method}: {nominal.frames} of {total} ticks on "
        f"{nominal.maps} counted"
    ]
    meaning, scale = calibrating.explainer.meaning, nominal.map_scale
    if meaning.unit.startswith("deg"):
        scale *= steering.contract.max_steer_deg
    lines.append(f"scale of the map: {scale:.3g} {meaning.unit}")
    if math.isfinite(nominal.on_road):
        by_size = sorted(zip(nominal.shares, GROUPS, strict=True), reverse=True)
        each = ", ".join(f"{name} {share:.0%}" for share, name in by_size if share >= 0.005)
        lines.append(f"usual attention: road + lines {nominal.on_road:.0%} ({each})")
    else:
        lines.append("usual attention: not known, the server gave no semantic tags")
    if nominal.jumps is not None:
        limit = nominal.jumps.above(FALSE_ALARM)
        beyond = calibrating.nominal.jumps_beyond(limit, nominal.map_scale)
        lines.append(
            f"jumps of the map: {nominal.jumps.mean:.3f} of the scale in the mean, an event beyond "
            f"{limit:.3f} ({beyond} maps here)"
        )
    if (limits := nominal.limits) is not None:
        lines.append(
            f"map check, amber beyond: edges {limits.edges:.2f}, random weights "
            f"{limits.random:.2f}, other pictures {limits.others:.2f}, deletion ratio under "
            f"{limits.deletion_ratio:.2f}"
        )
    return lines


@contextmanager
def _bar(text: str, total: int) -> Iterator[Callable[[], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), transient=True) as progress:
        task = progress.add_task(text, total=total)
        yield lambda: progress.advance(task)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
