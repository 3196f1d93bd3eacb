"""`carla-saliency drive`: everything put together, and the end of it written down."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

from carla_saliency import factory
from carla_saliency.commands.screen import (
    HandDriving,
    Left,
    Screen,
    connecting_card,
    degrees_of,
    method_view,
    world_line,
)
from carla_saliency.core import DriveStep, Quit
from carla_saliency.draw.painter import Painter
from carla_saliency.draw.state import UiState
from carla_saliency.drive import drive
from carla_saliency.embedded import EmbeddedServer
from carla_saliency.errors import BadInputError
from carla_saliency.factory import Steering
from carla_saliency.output.recorder import DEFAULT_NAME, Recorder, free_name
from carla_saliency.output.window import Window, has_display
from carla_saliency.pilot.learned import LearnedPilot
from carla_saliency.pilot.speed import SpeedControl
from carla_saliency.settings import DEFAULT_HOST, DEFAULT_PORT, DriveSettings, parse_size
from carla_saliency.sim.calls import Waiting
from carla_saliency.sim.connect import probe
from carla_saliency.sim.session import CarlaSession
from carla_saliency.summary import DriveLog, table
from carla_saliency.timing import Pacer

LOOK_S = 1.0  # how long a server on this computer may take to answer before ours is started


def run(settings: DriveSettings) -> int:
    """Drive until the person, the limits or a signal end it; return the exit code.

    Raises:
        BadInputError: If a setting can't be used.
        SimulatorError: If the server fails.
    """
    factory.require_method(settings.method)
    steering = factory.load_steering(settings.model)
    log = DriveLog(1 / settings.fps)
    try:
        with suppress(Left), ExitStack() as stack:
            _drive(settings, steering, log, stack)
    finally:  # also after Ctrl-C or a lost server: what was driven is told
        if log.ticks:
            _report(settings, log)
    return 0


def say(text: str) -> None:
    """Tell the person one line, if there is one."""
    if text:
        sys.stderr.write(f"{text}\n")


def _drive(settings: DriveSettings, steering: Steering, log: DriveLog, stack: ExitStack) -> None:
    size = parse_size("--res", settings.res, "1280x720")
    tick_ms = 1000 / settings.fps
    window = _open_window(settings, size, stack)
    record = _record_to(settings, window)
    host, port, embedded = _find_server(settings, stack)
    map_name = None if embedded else settings.map

    screen: Screen | None = None
    early = Painter(size, steering.contract, None, tick_ms)

    def wake(waiting: Waiting) -> None:
        if screen is not None:
            screen.wake(waiting)
        elif window is not None:
            window.pump()
            if Quit() in window.requests():
                raise Left
            state = UiState(method=method_view(settings.method))
            window.show(early.paint_card(connecting_card(waiting, steering), state))

    session = CarlaSession(
        factory.session_settings(settings, steering.contract, host, port, map_name),
        steering.contract,
        wake,
    )
    if not embedded:  # somebody else's world: say that it is as it was
        stack.callback(lambda: say(session.restored))
    stack.enter_context(session)
    info, car = session.info, session.car
    pilot = LearnedPilot(
        factory.make_explainers(steering, settings.method),
        car,
        steering.contract if steering.has_contract else None,
        SpeedControl(settings.speed / 3.6),
    )
    for line in (*factory.contract_warnings(settings, steering, car), pilot.rescaling_text):
        say(line)
    recorder = stack.enter_context(Recorder(size, settings.fps, say))
    if record is not None:
        recorder.start(record)
    world = world_line(
        info.map_name, info.weather, info.spawn_index, steering.path.name, info.delta_s
    )
    painter = Painter(
        size, steering.contract, degrees_of(car, steering), tick_ms, car_width_m=car.width_m
    )
    state = UiState(method=method_view(settings.method), world=world)
    screen = Screen(painter, window, recorder, pilot, log.timer, state)
    _loop(settings, session, pilot, screen, log, window is not None)


def _loop(
    settings: DriveSettings,
    session: CarlaSession,
    pilot: LearnedPilot,
    screen: Screen,
    log: DriveLog,
    windowed: bool,
) -> None:
    pace = settings.pace if settings.pace is not None else float(windowed)
    pacer = Pacer(1 / settings.fps, pace)
    for step in drive(session, pilot):
        pacer.advance()
        screen.finish(step)
        log.add(step)
        _tell(step)
        if log.ticks >= _last_tick(settings):
            return
        screen.attend(pacer.remaining_s)
        if screen.quit:
            return


def _last_tick(settings: DriveSettings) -> float:
    limits = [float("inf")]
    if settings.ticks is not None:
        limits.append(settings.ticks)
    if settings.seconds is not None:
        limits.append(round(settings.seconds * settings.fps))
    return min(limits)


def _tell(step: DriveStep) -> None:
    for event in step.observation.events:
        say(f"{step.observation.frame.sim_s:8.2f} s  {event.kind.value}: {event.text}")


def _open_window(settings: DriveSettings, size: tuple[int, int], stack: ExitStack) -> Window | None:
    if settings.headless:
        return None
    if not has_display():
        return None
    return stack.enter_context(Window(size, HandDriving()))


def _record_to(settings: DriveSettings, window: Window | None) -> Path | None:
    if settings.record is not None:
        return Path(settings.record)
    if window is None and not settings.headless:
        path = free_name(DEFAULT_NAME)
        say(f"no display here: no window, recording {path} instead (Ctrl-C ends the drive)")
        return path
    return None


def _find_server(settings: DriveSettings, stack: ExitStack) -> tuple[str, int, bool]:
    """Return host, port and whether it is our embedded server, started where that is wanted."""
    host, port = settings.host or DEFAULT_HOST, settings.port or DEFAULT_PORT
    given = settings.host is not None or settings.port is not None
    if settings.embedded == "never" or (settings.embedded == "auto" and given):
        return host, port, False
    if settings.embedded == "auto":
        if _carla_answers(host, port):
            return host, port, False
        say(f"no CARLA server answers at {host}:{port}: starting the embedded one")
    server = stack.enter_context(EmbeddedServer(settings.map, settings.seed))
    return server.host, server.port, True


def _carla_answers(host: str, port: int) -> bool:
    try:
        probe(host, port, LOOK_S)
    except BadInputError:
        return False
    return True


def _report(settings: DriveSettings, log: DriveLog) -> None:
    numbers = log.as_json()
    if settings.summary is not None:
        Path(settings.summary).write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(table(numbers) + "\n")
