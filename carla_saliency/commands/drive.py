"""`carla-saliency drive`: everything put together, and the end of it written down."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from carla_saliency import factory, stopping
from carla_saliency.commands.inspecting import Inspecting
from carla_saliency.commands.looking import Parts
from carla_saliency.commands.screen import (
    HandDriving,
    Left,
    Screen,
    connecting_card,
    degrees_of,
    show_until_left,
    world_line,
)
from carla_saliency.core import DriveStep, Quit
from carla_saliency.draw import cards
from carla_saliency.draw.painter import Painter
from carla_saliency.draw.state import Interlude, UiState
from carla_saliency.drive import drive
from carla_saliency.embedded import START_TIMEOUT_S, EmbeddedServer
from carla_saliency.errors import BadInputError, SimulatorError
from carla_saliency.factory import Letter, Rider, Subject
from carla_saliency.insight.analyst import Analyst
from carla_saliency.insight.classes import tag_table
from carla_saliency.output.clips import AFTER_S, BEFORE_S, Clips
from carla_saliency.output.names import DEFAULT_NAME, free_name
from carla_saliency.output.past import Past
from carla_saliency.output.recorder import Recorder
from carla_saliency.output.window import Window, has_display
from carla_saliency.pilot.explaining import Explaining
from carla_saliency.pilot.learned import LearnedPilot
from carla_saliency.pilot.seat import Seat
from carla_saliency.pilot.speed import SpeedControl
from carla_saliency.settings import DEFAULT_HOST, DEFAULT_PORT, DriveSettings, parse_size
from carla_saliency.sim.calls import Waiting
from carla_saliency.sim.connect import probe
from carla_saliency.sim.session import CarlaSession
from carla_saliency.summary import DriveLog, table
from carla_saliency.timing import Pacer

EXIT_FAILED = 1
LOOK_S = 1.0  # how long a server on this computer may take to answer before ours is started


def run(settings: DriveSettings) -> int:
    """Drive until the person, the limits or a signal end it; return the exit code.

    Raises:
        BadInputError: If a setting can't be used.
        SimulatorError: If the server fails.
    """
    factory.require_method(settings.method)
    steering = factory.load_steering(settings)
    factory.require_contract(steering)
    width_px, height_px = factory.camera_size(settings, steering.contract)
    steering.preprocess.grid_rect((height_px, width_px))  # refuses a camera that shows too little
    command = _Drive(settings, factory.make_riders(steering, settings))
    try:
        with suppress(Left), ExitStack() as stack:
            command.run(stack)
    finally:  # also after Ctrl-C or a lost server: what was driven is told
        command.report()
    return EXIT_FAILED if command.trouble else 0


def say(text: str) -> None:
    """Tell the person one line, if there is one."""
    if text:
        sys.stderr.write(f"{text}\n")


class _Drive:
    """One run of the command.

    Attributes:
        trouble: Lines about what failed although the drive went on: they make the exit code 1.
    """

    def __init__(self, settings: DriveSettings, riders: Mapping[Letter, Rider]) -> None:
        self._settings, self._riders = settings, riders
        self._steering, self._explainers = riders["A"].steering, riders["A"].explainers
        self._meaning = next(iter(self._explainers.values())).meaning
        self._size = parse_size("--res", settings.res, "1280x720")
        self._log = DriveLog(1 / settings.fps)
        self._painter = self._make_painter(None, None)
        self._window: Window | None = None
        self._screen: Screen | None = None
        self.trouble: list[str] = []

    def run(self, stack: ExitStack) -> None:
        """Open everything, drive, and close it in turn; the window last."""
        settings = self._settings
        if not settings.headless and has_display():
            self._window = stack.enter_context(Window(self._size, HandDriving()))
        try:
            with ExitStack() as inner:
                self._connect_and_drive(inner)
        except SimulatorError as error:
            if self._window is not None:
                card = cards.server_lost(str(error), self._screen is not None)
                show_until_left(self._window, lambda: self._paint_card(card))
            raise

    def report(self) -> None:
        """Print the table and write the summary, if anything was driven."""
        if self._log.ticks:
            numbers = self._log.as_json()
            sys.stdout.write(table(numbers) + "\n")
            if self._settings.summary is not None:
                self._write_summary(Path(self._settings.summary), json.dumps(numbers, indent=2))
        for line in self.trouble:
            say(line)

    # -------------------------------------------------------------- inside

    def _connect_and_drive(self, stack: ExitStack) -> None:
        settings, steering = self._settings, self._steering
        host, port, embedded = self._find_server(stack)
        map_name = None if embedded else settings.map
        session = CarlaSession(
            factory.session_settings(settings, steering.contract, host, port, map_name),
            steering.contract,
            self._wake,
        )
        if not embedded:  # somebody else's world: say that it is as it was
            stack.callback(lambda: say(session.restored))
        stack.enter_context(session)
        pilot = self._make_pilot(stack, session)
        for line in self._remarks(session, pilot):
            say(line)
        events = self._events_folder()
        past_s = BEFORE_S + AFTER_S + 1.0 if events is not None else 0.0
        recorder = Recorder(
            self._size,
            settings.fps,
            say,
            self.trouble.append,
            past_s,
            may_skip=self._window is not None,
        )
        stack.enter_context(recorder)
        if (record := self._record_to()) is not None:
            recorder.start(record)
        past = stack.enter_context(Past())
        clips = Clips(events, past, recorder, say, self.trouble.append, settings=asdict(settings))
        stack.enter_context(clips)
        no_classes = self._no_classes(session)
        tag_groups = None if no_classes else tag_table(session.info.server_version)
        examiners = {
            letter: factory.make_examiner(rider, settings, tag_groups)
            for letter, rider in self._riders.items()
        }
        analyst = factory.make_analyst(self._riders, examiners, settings, session.car, say)
        subjects = {
            letter: factory.make_subject(rider, examiners[letter], settings)
            for letter, rider in self._riders.items()
        }
        inspecting = Inspecting(subjects)
        stack.callback(inspecting.close)
        parts = Parts(
            pilot=pilot,
            world=session,
            recorder=recorder,
            past=past,
            clips=clips,
            analyst=analyst,
            inspecting=inspecting,
            change_layer=self._change_layer,
            layer=lambda: self._riders[pilot.letter].layer() or "",
            usual_on_road=lambda: analyst.usual_on_road,
            follows=settings.follow is not None,
            tick_s=1 / settings.fps,
        )
        self._screen = self._make_screen(session, parts, subjects)
        self._loop(session, pilot, analyst, self._screen)

    def _make_pilot(self, stack: ExitStack, session: CarlaSession) -> LearnedPilot:
        settings, steering, b = self._settings, self._steering, self._riders.get("B")
        explaining = Explaining(
            self._explainers,
            settings.every,
            self._window is None,
            1 / settings.fps,
            say,
            beside=None if b is None else b.explainers,
        )
        stack.callback(explaining.close)
        shadow: Seat | Literal["expert"] | None = None
        if b is not None:
            contract = b.steering.contract
            shadow = Seat(b.steering.title, b.explainers, session.car, contract)
        elif settings.shadow == "expert":
            shadow = "expert"
        return LearnedPilot(
            self._explainers,
            session.car,
            steering.contract,
            SpeedControl(settings.speed / 3.6),
            explaining=explaining,
            throttle=factory.throttle_of(steering, settings),
            compared=factory.compared(settings),
            title=steering.title,
            shadow=shadow,
        )

    def _remarks(self, session: CarlaSession, pilot: LearnedPilot) -> list[str]:
        """Return lines about what differs from what one may expect."""
        settings, lines = self._settings, []
        for rider in self._riders.values():
            lines += rider.steering.lines()
            lines += factory.contract_warnings(settings, rider.steering, session.car)
        if settings.lights == "obey" and not session.info.traffic_lights:
            lines.append(
                f"--lights obey: {session.info.map_name} has no traffic lights on this server"
            )
        return [
            *lines,
            pilot.seat.rescaling_text,
            session.info.guest_text,
            session.info.semantic_trouble,
        ]

    def _no_classes(self, session: CarlaSession) -> str:
        """Return why there is no attention by class; "" if there is."""
        if self._settings.semantic == "off":
            return "no attention by class: --semantic off"
        return session.info.semantic_trouble

    def _change_layer(self, method: str, by: int) -> None:
        """Ask the methods of all networks about the next layer."""
        for rider in self._riders.values():
            if isinstance(rider.explainers, factory.Explainers):
                rider.explainers.change_layer(method, by)

    def _events_folder(self) -> Path | None:
        """Return where clips go; no folder is made before the first event."""
        wanted = self._settings.events
        if wanted is None:
            wanted = "none" if self._window is None else "events"
        return None if wanted == "none" else Path(wanted)

    def _make_screen(
        self, session: CarlaSession, parts: Parts, subjects: Mapping[Letter, Subject]
    ) -> Screen:
        info, car, settings = session.info, session.car, self._settings
        world = world_line(
            info.map_name, info.weather, info.spawn_index, self._steering.title, info.delta_s
        )
        self._painter = self._make_painter(degrees_of(car, self._steering), car.width_m)
        state = UiState(
            method=self._meaning,
            world=world,
            no_classes=self._no_classes(session),
            calibrated=self._riders["A"].calibration is not None,
        )
        asked = {letter: subject.questions.apart() for letter, subject in subjects.items()}
        return Screen(
            self._painter,
            self._window,
            parts,
            self._log.timer,
            state,
            lambda frame: asked[parts.pilot.letter].steer([frame]),
            settings.on_failure,
        )

    def _loop(
        self, session: CarlaSession, pilot: LearnedPilot, analyst: Analyst, screen: Screen
    ) -> None:
        settings = self._settings
        pace = float(self._window is not None) if settings.pace is None else settings.pace
        pacer = Pacer(1 / settings.fps, pace)
        for step in drive(session, pilot):
            stopping.check()
            pacer.advance()
            with self._log.timer.section("insight"):
                step = analyst.examine(step)
            screen.finish(step)
            self._log.add(step)
            _tell(step)
            if self._log.ticks >= _last_tick(settings):
                return
            screen.attend(pacer.remaining_s)
            if screen.quit:
                return

    def _wake(self, waiting: Waiting) -> None:
        """Keep the window alive while something is waited for."""
        if self._screen is not None:
            self._screen.wake(waiting)
        elif self._window is not None:
            self._window.pump()
            if Quit() in self._window.requests():
                raise Left
            self._paint_card(connecting_card(waiting, self._steering))

    def _paint_card(self, card: Interlude) -> None:
        if self._window is not None:
            state = UiState(method=self._meaning)
            self._window.show(self._painter.paint_card(card, state))

    def _make_painter(self, max_steer_deg: float | None, car_width_m: float | None) -> Painter:
        tick_ms = 1000 / self._settings.fps
        contract = self._steering.contract
        shadow = self._riders.get("B")
        return Painter(
            self._size,
            contract,
            max_steer_deg,
            tick_ms,
            car_width_m=car_width_m,
            scaling=self._settings.scale,
            shadow_contract=None if shadow is None else shadow.steering.contract,
        )

    def _record_to(self) -> Path | None:
        settings = self._settings
        if settings.headless or self._window is not None:
            return None if settings.record is None else Path(settings.record)
        path = free_name(DEFAULT_NAME) if settings.record is None else Path(settings.record)
        say(f"no display here: no window, recording {path} instead (Ctrl-C ends the drive)")
        return path

    def _find_server(self, stack: ExitStack) -> tuple[str, int, bool]:
        """Return host, port and whether it is our own server, started where that is wanted."""
        settings = self._settings
        host, port = settings.host or DEFAULT_HOST, settings.port or DEFAULT_PORT
        given = settings.host is not None or settings.port is not None
        if settings.embedded == "never" or (settings.embedded == "auto" and given):
            return host, port, False
        if settings.embedded == "auto":
            if _carla_answers(host, port):
                return host, port, False
            say(f"no CARLA server answers at {host}:{port}: starting the embedded one")

        def on_wait(waited_s: float) -> None:
            self._wake(Waiting("starting", "the embedded server", waited_s, START_TIMEOUT_S))

        server = stack.enter_context(EmbeddedServer(settings.map, settings.seed, on_wait))
        return server.host, server.port, True

    def _write_summary(self, path: Path, text: str) -> None:
        try:
            path.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            self.trouble.append(f"--summary {path} can't be written: {error.strerror}")


def _carla_answers(host: str, port: int) -> bool:
    try:
        probe(host, port, LOOK_S)
    except BadInputError:
        return False
    return True


def _last_tick(settings: DriveSettings) -> float:
    limits = [float("inf")]
    if settings.ticks is not None:
        limits.append(settings.ticks)
    if settings.seconds is not None:
        limits.append(max(1, round(settings.seconds * settings.fps)))
    return min(limits)


def _tell(step: DriveStep) -> None:
    for event in (*step.observation.events, *step.findings.events):
        say(f"{step.observation.frame.sim_s:8.2f} s  {event.kind.value}: {event.text}")
