"""What a person sees and does during a drive: the picture, the keys, the recording."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from carla_saliency.core import (
    Car,
    Control,
    DriveStep,
    HeldKeys,
    Image,
    Pause,
    Quit,
    StepOnce,
    ToggleRecording,
)
from carla_saliency.draw import cards
from carla_saliency.draw.painter import Painter
from carla_saliency.draw.state import Interlude, Recording, UiState, World
from carla_saliency.factory import Steering
from carla_saliency.output.recorder import Recorder
from carla_saliency.output.window import Window
from carla_saliency.pilot.learned import LearnedPilot
from carla_saliency.pilot.manual import ManualDriving
from carla_saliency.sim.calls import Waiting
from carla_saliency.timing import TickTimer

AWAKE_S = 0.03  # how often a window is looked after while nothing else happens
FPS_TICKS = 20  # the rate in the window is the mean over so many ticks
HANDS_OFF_S = 0.5  # not asked for so long: nobody drove meanwhile, so the wheel is straight again
LATE_S = 0.5  # a tick that takes longer is worth a word
STAGES = {  # what the session says it does -> how many of the card's steps are done
    "loading the map": 2,
    "setting up the world": 2,
    "spawning the car": 2,
    "waiting for the first picture": 3,
}


class Left(BaseException):
    """The person leaves while the program waits; like KeyboardInterrupt it is no error."""


class HandDriving:
    """Turns the window's held keys into a control, by wall time."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._driving = ManualDriving()
        self._clock = clock
        self._last_s = clock()

    def __call__(self, keys: HeldKeys) -> Control:
        """Return the control for the keys that are held now."""
        now_s = self._clock()
        passed_s, self._last_s = now_s - self._last_s, now_s
        if passed_s > HANDS_OFF_S:
            self._driving, passed_s = ManualDriving(), 0.0
        return self._driving.move(keys, passed_s)


class Screen:
    """Draws every step, shows and records it, and does what the person asks.

    Args:
        painter: Draws.
        window: Shows and has the keys; None without a display.
        recorder: Writes the video.
        pilot: Is handed the requests that are its own.
        timer: Measures the parts.
        state: What does not change during the drive is filled in.

    Attributes:
        quit: The person wants to leave.
    """

    def __init__(
        self,
        painter: Painter,
        window: Window | None,
        recorder: Recorder,
        pilot: LearnedPilot,
        timer: TickTimer,
        state: UiState,
    ) -> None:
        self._painter, self._window, self._recorder = painter, window, recorder
        self._pilot, self._timer, self._state = pilot, timer, state
        self._ends_s: deque[float] = deque(maxlen=FPS_TICKS + 1)
        self._paused = False
        self._step_once = False
        self._last: DriveStep | None = None
        self._parts: tuple[tuple[str, float], ...] = ()
        self.quit = False

    # -------------------------------------------------------------- one tick

    def finish(self, step: DriveStep) -> None:
        """Draw, record and show one step."""
        self._last = step
        self._ends_s.append(time.perf_counter())
        self._remember_parts(step)
        if self._window is None and self._recorder.status != "on":
            return  # nobody looks
        with self._timer.section("draw"):
            picture = self._painter.paint(step, self._now())
        if self._recorder.status == "on":
            with self._timer.section("record"):
                self._recorder.write(picture)
        if self._window is not None:
            with self._timer.section("window"):
                self._show(picture)

    def attend(self, wait_s: Callable[[], float]) -> None:
        """Do what was asked, until the next tick is due and nobody pauses the world.

        Args:
            wait_s: Tells how long it is until then.
        """
        self._step_once = False
        while not self.quit:
            self._take_requests()
            left_s = wait_s()
            if not self._paused or self._step_once:
                if left_s <= 0:
                    return
                time.sleep(min(left_s, AWAKE_S))
            else:
                self._repaint()
                time.sleep(AWAKE_S)

    def wake(self, waiting: Waiting) -> None:
        """Keep the window alive while the server does not answer.

        Raises:
            Left: If the person wants to leave.
        """
        self._take_requests()
        if self.quit:
            raise Left
        if self._last is not None and waiting.waited_s >= LATE_S:
            next_id = self._last.observation.frame.frame_id + 1
            text = cards.waiting(next_id, waiting.waited_s, waiting.limit_s)
            self._show(self._painter.paint(self._last, replace(self._now(), alarm=text)))

    # -------------------------------------------------------------- inside

    def _take_requests(self) -> None:
        if self._window is None:
            return
        self._window.pump()
        for request in self._window.requests():
            match request:
                case Quit():
                    self.quit = True
                case Pause():
                    self._paused = not self._paused
                    self._ends_s.clear()
                case StepOnce():
                    self._step_once = self._paused
                case ToggleRecording():
                    self._recorder.toggle()
                case _:
                    self._pilot.handle(request)

    def _repaint(self) -> None:
        if self._last is not None:
            self._show(self._painter.paint(self._last, self._now()))

    def _show(self, picture: Image) -> None:
        if self._window is None:
            return
        if self._window.view.help and self._last is not None:
            picture = self._painter.paint_help(picture, self._now())
        self._window.show(picture)

    def _now(self) -> UiState:
        status = self._recorder.status
        held = status == "on" and self._paused
        return replace(
            self._state,
            recording=Recording("held" if held else status, self._recorder.seconds),
            paused=self._paused,
            timing_ms=self._parts,
            fps=self._fps(),
            opacity=1.0 if self._window is None else self._window.view.opacity,
        )

    def _remember_parts(self, step: DriveStep) -> None:
        """Note what the tick took. The last picture was drawn while the server worked on this."""
        latest = self._timer.latest_ms
        draw_ms = latest.get("draw", 0.0) + latest.get("window", 0.0)
        record_ms = latest.get("record", 0.0) if self._recorder.status == "on" else 0.0
        waited_ms = max(0.0, step.observation.server_ms - draw_ms - record_ms)
        self._parts = (
            ("server", waited_ms),
            ("net + map", step.decision.timing_ms.get("network", 0.0)),
            ("draw", draw_ms),
            ("record", record_ms),
        )

    def _fps(self) -> float | None:
        if len(self._ends_s) < 2 or self._paused:
            return None
        passed_s = self._ends_s[-1] - self._ends_s[0]
        return (len(self._ends_s) - 1) / passed_s if passed_s > 0 else None


def connecting_card(waiting: Waiting, steering: Steering) -> Interlude:
    """Return the cards that are shown until the first frame is there."""
    ready = cards.network_ready(steering.contract, steering.network.graph.parameters)
    stage = STAGES.get(waiting.what, 0)
    return cards.connecting(waiting.server, stage, waiting.waited_s, waiting.limit_s, ready)


def show_until_left(window: Window, paint: Callable[[], None]) -> None:
    """Show something until the person leaves.

    Args:
        window: Is open.
        paint: Paints it, again and again: the window may have been covered.
    """
    while Quit() not in window.requests():
        paint()
        window.pump()
        time.sleep(AWAKE_S)


def world_line(map_name: str, weather: str | None, spawn: int, name: str, delta_s: float) -> World:
    """Return the top line's pieces."""
    return World(
        map_name=map_name,
        weather=weather or "",
        spawn=f"spawn {spawn}",
        network=name,
        pace=f"sync {delta_s:g} s",
    )


def degrees_of(car: Car, steering: Steering) -> float | None:
    """Return the wheels' angle at steering 1, or None where nobody knows what the network means."""
    return car.max_steer_deg if steering.has_contract else None
