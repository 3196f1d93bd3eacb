"""`carla-saliency replay`: a recorded drive, looked at again by the same or another network."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from carla_saliency import factory, stopping
from carla_saliency.commands.parts import Parts
from carla_saliency.commands.replay_crew import ReplayCrew, why_no_classes
from carla_saliency.commands.replay_networks import Cast, cast_of
from carla_saliency.commands.replay_numbers import ReplayNumbers, table
from carla_saliency.commands.replay_player import Player
from carla_saliency.commands.replay_tape import RecordedEvents, RecordedWorld, Tape
from carla_saliency.commands.screen import Screen
from carla_saliency.draw.painter import Painter
from carla_saliency.draw.state import UiState, World
from carla_saliency.errors import BadInputError
from carla_saliency.output.codecs import VideoOptions
from carla_saliency.output.progress import progress
from carla_saliency.output.recorder import Recorder
from carla_saliency.output.window import Window, has_display
from carla_saliency.record.reader import Record
from carla_saliency.settings import ReplaySettings, parse_size
from carla_saliency.settings.replay import AS_RECORDED
from carla_saliency.timing import TickTimer

EXIT_FAILED = 1
TINY_S = 1e-6


def run(settings: ReplaySettings) -> int:
    """Replay until the person, the end of the record or a signal ends it; return the exit code.

    Raises:
        BadInputError: If a setting or the record can't be used.
        CarlaSaliencyError: If the record is damaged.
    """
    if settings.method != AS_RECORDED:
        factory.require_method(settings.method)
    with ExitStack() as stack:
        record = stack.enter_context(Record(Path(settings.folder[0])))
        if not len(record):
            raise BadInputError(f"the record in {record.folder} has no steps: nothing to replay")
        command = _Replay(settings, record)
        try:
            command.run(stack)
        finally:  # also after Ctrl-C: what was played is told
            command.report()
    return EXIT_FAILED if command.trouble else 0


def say(text: str) -> None:
    """Tell the person one line, if there is one."""
    if text:
        sys.stderr.write(f"{text}\n")


class _Replay:
    """One run of the command.

    Attributes:
        trouble: Lines about what failed although the replay went on: they make the exit code 1.
    """

    def __init__(self, settings: ReplaySettings, record: Record) -> None:
        self._settings, self._record, self._facts = settings, record, record.facts
        self._first = record.at(0).observation.frame
        rows, columns = self._first.image.shape[:2]
        self._cast: Cast = cast_of(settings, record.facts, (columns, rows))
        self._numbers = ReplayNumbers(
            record.facts.car.max_steer_deg,
            (self._cast.names[0], self._cast.names[1] if "B" in self._cast.riders else ""),
            alone="A" not in self._cast.riders,
        )
        self._size = parse_size("--res", settings.res, "1280x720")
        self._timer = TickTimer()
        self._screen: Screen | None = None
        self.trouble: list[str] = []

    def run(self, stack: ExitStack) -> None:
        """Open everything, play, and close it in turn; the window last."""
        settings, cast = self._settings, self._cast
        for line in cast.remarks:
            say(line)
        window = None
        if not settings.headless and has_display():
            window = stack.enter_context(Window(self._size, title="carla-saliency replay"))
        elif not settings.headless:
            say("no display here: no window, all frames as with --headless")
        start = self._start()
        recorder = self._open_recorder(stack)
        has_tags = self._first.tags is not None
        crew = ReplayCrew(stack, cast, self._record, has_tags, window is not None, say)
        painter = self._make_painter()
        pace = float(window is not None) if settings.pace is None else settings.pace
        tape = Tape(self._record, None if cast.as_driven else cast.names[1], self._has_same_maps())
        player = Player(self._record, tape, 1 / self._facts.rate_hz, pace, start, painter.retell)
        stack.callback(player.close)
        parts = self._make_parts(crew, recorder, tape, player)
        self._screen = Screen(
            painter,
            window,
            parts,
            self._timer,
            self._first_state(crew, has_tags, player.pace_text if window else "replayed"),
            crew.steer,
        )
        looked_at = window is not None or recorder.wants_pictures
        if "B" in cast.riders and not cast.as_driven:
            self._screen.compare()
        if window is not None:
            self._play(crew, player, tape, self._screen)
            return
        with progress("replay", len(self._record) - start) as advance:
            self._play(crew, player, tape, self._screen, advance, looked_at)

    def report(self) -> None:
        """Print the table and write the summary, if anything was played."""
        if len(self._numbers):
            numbers = self._numbers.as_json()
            sys.stdout.write(table(numbers) + "\n")
            if self._settings.summary is not None:
                self._write_summary(Path(self._settings.summary), json.dumps(numbers, indent=2))
        for line in self.trouble:
            say(line)

    # -------------------------------------------------------------- inside

    def _play(
        self,
        crew: ReplayCrew,
        player: Player,
        tape: Tape,
        screen: Screen,
        advance: Callable[[], None] | None = None,
        looked_at: bool = True,
    ) -> None:
        """Play; a window stays open at the end, where `advance` is None."""
        while not screen.quit:
            stopping.check()
            taken = player.take()
            if taken is None:
                if advance is not None:
                    return
                screen.stand_still("the end of the drive: E plays it again")
                screen.attend(lambda: 0.0)
                continue
            player.pacer.advance()
            index, recorded, jumped = taken
            observation = replace(recorded.observation, server_ms=player.read_ms)
            with self._timer.section("insight"):
                step = crew.finish(
                    index, replace(recorded, observation=observation), jumped, looked_at
                )
            if crew.pilot.masking is None:
                self._numbers.add(index, recorded, step.decision)
            tape.add(step)
            screen.finish(step)
            if advance is not None:
                advance()
            screen.attend(lambda: player.pacer.remaining_s())

    def _open_recorder(self, stack: ExitStack) -> Recorder:
        settings = self._settings
        options = VideoOptions(settings.codec, settings.crf)
        recorder = Recorder(
            self._size, self._facts.rate_hz, say, self._fail, may_skip=False, options=options
        )
        stack.enter_context(recorder)
        if settings.record is not None:
            recorder.start(Path(settings.record))
        return recorder

    def _make_parts(
        self, crew: ReplayCrew, recorder: Recorder, tape: Tape, player: Player
    ) -> Parts:
        return Parts(
            pilot=crew.pilot,
            world=RecordedWorld(),
            recorder=recorder,
            past=tape,
            clips=RecordedEvents(self._record),
            analyst=crew.analyst,
            inspecting=crew.inspecting,
            change_layer=crew.change_layer,
            layer=crew.layer,
            player=player,
            remembers=False,
            tick_s=1 / self._facts.rate_hz,
            source="read",
        )

    def _make_painter(self) -> Painter:
        cast, facts = self._cast, self._facts
        b = cast.riders.get("B")
        rider = cast.riders[cast.asked]
        return Painter(
            self._size,
            cast.contract,
            facts.car.max_steer_deg if rider.steering.has_contract else None,
            1000 / facts.rate_hz,
            car_width_m=facts.car.width_m,
            scaling=cast.settings.scale,
            shadow_contract=None if b is None else b.steering.contract,
            names=cast.names,
            nominal={
                letter: {known.method: known.map_scale}
                for letter, one in cast.riders.items()
                if one.calibration is not None
                and (known := one.calibration.nominal) is not None
                and cast.settings.target == "steering"
            },
        )

    def _first_state(self, crew: ReplayCrew, has_tags: bool, pace: str) -> UiState:
        facts, rider = self._facts, self._cast.riders[self._cast.asked]
        first = next(iter(rider.explainers.values()))
        return UiState(
            method=first.meaning,
            world=World(
                map_name=facts.map_name,
                weather=facts.weather,
                spawn=pace,
                network=crew.pilot.seat.title,
                pace=f"recorded to {self._record.times_s[-1]:.0f} s",
            ),
            no_classes=why_no_classes(facts, has_tags),
            replay=True,
        )

    def _has_same_maps(self) -> bool:
        """Return whether maps are made by the drive's method, target and layer."""
        drive, now = self._facts.settings, self._cast.settings
        names = ("method", "layer", "target")
        return "A" in self._cast.riders and all(drive.get(n) == getattr(now, n) for n in names)

    def _start(self) -> int:
        """Return the index of the first step that is played.

        Raises:
            BadInputError: If the drive is shorter.
        """
        times_s = self._record.times_s - self._record.times_s[0]
        index = int(np.searchsorted(times_s, self._settings.start - TINY_S))
        if index >= len(times_s):
            raise BadInputError(
                f"--start must be before the end of the drive at {times_s[-1]:.2f} s, received "
                f"{self._settings.start:g}"
            )
        return index

    def _fail(self, line: str) -> None:
        say(line)
        self.trouble.append(line)
        if self._screen is not None:
            self._screen.warn(line)

    def _write_summary(self, path: Path, text: str) -> None:
        try:
            path.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            self.trouble.append(f"--summary {path} can't be written: {error.strerror}")
