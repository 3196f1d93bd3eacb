"""`carla-saliency drive`: everything put together, and the end of it written down."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from pathlib import Path

from carla_saliency import factory, stopping
from carla_saliency.commands.crew import Crew
from carla_saliency.commands.hands import HandDriving
from carla_saliency.commands.looking import Parts, Sink
from carla_saliency.commands.screen import Screen, degrees_of, world_line
from carla_saliency.commands.servers import Found, find_server
from carla_saliency.commands.sinks import open_record, open_streams
from carla_saliency.commands.waiting import Left, connecting_card, show_until_left
from carla_saliency.core import DriveStep, Pilot, Quit
from carla_saliency.draw import cards
from carla_saliency.draw.painter import Painter
from carla_saliency.draw.state import Interlude, UiState
from carla_saliency.drive import drive
from carla_saliency.embedded import START_TIMEOUT_S
from carla_saliency.errors import BadInputError, SimulatorError
from carla_saliency.factory import Letter, Rider
from carla_saliency.output.clips import AFTER_S, BEFORE_S, Clips
from carla_saliency.output.codecs import VideoOptions
from carla_saliency.output.controls import Controls
from carla_saliency.output.names import DEFAULT_NAME, free_name
from carla_saliency.output.past import Past
from carla_saliency.output.recorder import Recorder
from carla_saliency.output.viewer import Both, Viewer
from carla_saliency.output.window import Window, has_display
from carla_saliency.settings import DriveSettings, parse_endpoint, parse_size
from carla_saliency.sim.calls import Waiting
from carla_saliency.sim.guest import SessionOverError
from carla_saliency.sim.session import CarlaSession
from carla_saliency.summary import DriveLog, table
from carla_saliency.timing import Pacer

EXIT_FAILED = 1
KEY_PICTURE_S = 1.0  # a clip's video begins with the key picture before its first frame


def run(settings: DriveSettings) -> int:
    """Drive until the person, the limits or a signal end it; return the exit code.

    Raises:
        BadInputError: If a setting can't be used.
        SimulatorError: If the server fails.
    """
    factory.require_method(settings.method)
    if settings.on_failure == "pause" and not has_display() and settings.web is None:
        raise BadInputError(
            "--on-failure pause lets a person look, and there is no display: choose "
            "--on-failure stop"
        )
    steering = factory.load_steering(settings)
    factory.require_contract(steering)
    width_px, height_px = factory.camera_size(settings, steering.contract)
    steering.preprocess.grid_rect((height_px, width_px))  # refuses a camera that shows too little
    command = _Drive(settings, factory.make_riders(steering, settings))
    try:
        with suppress(Left), ExitStack() as stack:
            command.run(stack)
    except SessionOverError as over:  # somebody else's car is gone: nothing is wrong
        say(str(over))
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
        self._video_options = VideoOptions(settings.codec, settings.crf)
        lock_deg = self._steering.contract.max_steer_deg
        theirs = bool(settings.attach or settings.follow)
        self._log = DriveLog(1 / settings.fps, lock_deg=lock_deg, by_frames=theirs)
        self._painter = self._make_painter(None, None)
        self._window: Viewer | None = None
        self._screen: Screen | None = None
        self._left = False
        self._log_line: Callable[[str], None] = lambda line: None
        self.trouble: list[str] = []

    def run(self, stack: ExitStack) -> None:
        """Open everything, drive, and close it in turn; the window last."""
        settings = self._settings
        if not settings.headless and has_display():
            self._window = stack.enter_context(Window(self._size, HandDriving()))
        if settings.web is not None:
            self._window = self._open_web(stack, settings.web)
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

    def _open_web(self, stack: ExitStack, endpoint: str) -> Viewer:
        """Return who shows the pictures in browsers, and in the window that is open."""
        from carla_saliency.output.web import WebWindow  # takes a quarter of a second

        host, port = parse_endpoint("--web", endpoint)
        window = self._window
        controls = window.controls if isinstance(window, Window) else Controls(HandDriving())
        web = stack.enter_context(WebWindow(host, port, controls, say))
        return web if window is None else Both(window, web)

    def _connect_and_drive(self, stack: ExitStack) -> None:
        settings, steering = self._settings, self._steering
        host, port, embedded = self._find_server(stack)
        map_name = None if embedded else settings.map
        session = CarlaSession(
            factory.session_settings(settings, steering.contract, host, port, map_name),
            steering.contract,
            self._wake,
        )
        # before the session, so that the world is put back before a long video is finished
        recorder = stack.enter_context(self._make_recorder())
        if not embedded:  # somebody else's world: say that it is as it was
            stack.callback(lambda: say(session.restored))
        stack.enter_context(session)
        sinks = self._make_sinks(stack, session)
        watched = self._window is not None
        crew = Crew(stack, settings, self._riders, session, self._say, watched)
        for line in crew.remarks():
            self._say(line)
        past, clips = self._make_memory(stack, recorder)
        parts = replace(crew.parts(recorder, past, clips), sinks=sinks, log=self._log_line)
        self._screen = self._make_screen(session, parts, crew)
        self._loop(session, crew.pilot, parts, self._screen)

    def _make_recorder(self) -> Recorder:
        """Return who writes the video, and remembers its last seconds for clips."""
        past_s = 0.0 if self._clips_folder() is None else BEFORE_S + AFTER_S + KEY_PICTURE_S
        may_skip = self._window is not None  # nobody waits in a drive that nobody watches
        return Recorder(
            self._size,
            self._settings.fps,
            self._say,
            self._fail,
            past_s,
            may_skip,
            self._video_options,
        )

    def _make_memory(self, stack: ExitStack, recorder: Recorder) -> tuple[Past, Clips]:
        """Return what keeps the last 20 s and the clips of events; begin the video."""
        if (record := self._record_to()) is not None:
            record.parent.mkdir(parents=True, exist_ok=True)
            recorder.start(record, to_the_end=self._settings.record_folder is not None)
        past, settings = stack.enter_context(Past()), asdict(self._settings)
        folder = self._clips_folder()
        clips = Clips(folder, past, recorder, self._say, self._fail, settings=settings)
        return past, stack.enter_context(clips)

    def _clips_folder(self) -> Path | None:
        wanted = self._settings.events
        if wanted is None:
            wanted = "none" if self._window is None else "events"
        return None if wanted == "none" else Path(wanted)

    def _make_sinks(self, stack: ExitStack, session: CarlaSession) -> tuple[Sink, ...]:
        """Return who else is given every finished step."""
        settings, riders = self._settings, self._riders
        keeps = open_record(stack, settings, riders, session, self._say, self._fail)
        streams = tuple(open_streams(stack, settings, riders, self._say, self._fail))
        if keeps is None:
            return streams
        write, self._log_line = keeps
        return (write, *streams)

    def _make_screen(self, session: CarlaSession, parts: Parts, crew: Crew) -> Screen:
        info, car, settings = session.info, session.car, self._settings
        whose = settings.attach or settings.follow or ""
        world = world_line(info, self._steering.title, f"car {whose}" if whose else "")
        self._painter = self._make_painter(degrees_of(car, self._steering), car.width_m)
        state = UiState(
            method=self._meaning,
            world=world,
            no_classes=crew.no_classes,
        )
        return Screen(
            self._painter,
            self._window,
            parts,
            self._log.timer,
            state,
            crew.steer,
            settings.on_failure,
        )

    def _loop(self, session: CarlaSession, pilot: Pilot, parts: Parts, screen: Screen) -> None:
        settings = self._settings
        pace = float(self._window is not None) if settings.pace is None else settings.pace
        pace = 0.0 if session.guest else pace  # the owner of the world has one
        pacer = Pacer(1 / settings.fps, pace)
        for seen in drive(session, pilot):
            stopping.check()
            pacer.advance()
            with self._log.timer.section("insight"):
                step = parts.analyst.examine(seen)
            screen.finish(step)
            self._log.add(step)
            _tell(step)
            if _is_over(settings, self._log):
                return
            screen.attend(pacer.remaining_s)
            if screen.quit:
                return

    def _say(self, line: str) -> None:
        """Tell the person one line, and the record; any thread may."""
        say(line)
        if line:
            self._log_line(line)

    def _fail(self, line: str) -> None:
        """Tell at once what failed although the drive goes on; it is told again at the end."""
        self._say(line)
        self.trouble.append(line)
        if self._screen is not None:
            self._screen.warn(line)

    def _wake(self, waiting: Waiting) -> None:
        """Keep the window alive while something is waited for."""
        if self._screen is not None:
            self._screen.wake(waiting)
        elif self._window is not None:
            self._window.pump()
            if Quit() in self._window.requests() and not self._left:
                self._left = True  # said once: the window stays awake while the server is left
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
            names=self._names(),
            nominal=self._nominal(),
        )

    def _nominal(self) -> dict[Letter, dict[str, float]]:
        """Return how large the maps of each network usually are, where that was measured."""
        found: dict[Letter, dict[str, float]] = {}
        for letter, rider in self._riders.items():
            nominal = None if rider.calibration is None else rider.calibration.nominal
            if nominal is not None and self._settings.target == "steering":
                found[letter] = {nominal.method: nominal.map_scale}
        return found

    def _names(self) -> tuple[str, str]:
        """Return what A and B are called in the window."""
        shadow = self._riders.get("B")
        b = "expert" if self._settings.shadow == "expert" else "B"
        return self._steering.title, b if shadow is None else shadow.steering.title

    def _record_to(self) -> Path | None:
        settings = self._settings
        if settings.headless or self._window is not None or settings.record is not None:
            return settings.record_video
        path = free_name(DEFAULT_NAME)
        say(f"no display here: no window, recording {path} instead (Ctrl-C ends the drive)")
        return path

    def _find_server(self, stack: ExitStack) -> Found:
        def on_wait(waited_s: float) -> None:
            self._wake(Waiting("starting", "the embedded server", waited_s, START_TIMEOUT_S))

        settings = self._settings
        guest = bool(settings.attach or settings.follow)
        return find_server(stack, settings, settings.map, must_run=guest, on_wait=on_wait, say=say)

    def _write_summary(self, path: Path, text: str) -> None:
        try:
            path.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            self.trouble.append(f"--summary {path} can't be written: {error.strerror}")


def _is_over(settings: DriveSettings, log: DriveLog) -> bool:
    """Return whether a limit was reached; half a tick more or less is as near as it gets."""
    if settings.ticks is not None and log.ticks >= settings.ticks:
        return True
    spare_s = 0.5 / settings.fps
    return settings.seconds is not None and log.sim_seconds + spare_s >= settings.seconds


def _tell(step: DriveStep) -> None:
    for event in (*step.observation.events, *step.findings.events):
        say(f"{step.observation.frame.sim_s:8.2f} s  {event.kind.value}: {event.text}")
