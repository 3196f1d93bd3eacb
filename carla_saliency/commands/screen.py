"""What a person sees during a drive: the picture, live or standing still, and the recording."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from carla_saliency.commands.desk import Desk
from carla_saliency.commands.looking import Looks, Parts
from carla_saliency.commands.waiting import AWAKE_S, Left, late
from carla_saliency.core import (
    Autopilot,
    Car,
    DriveStep,
    EventKind,
    Frame,
    Image,
)
from carla_saliency.draw import cards
from carla_saliency.draw.painter import Painter
from carla_saliency.draw.state import Recording, UiState, World
from carla_saliency.factory import Letter, Steering
from carla_saliency.output.viewer import Viewer
from carla_saliency.record.extras import Extras
from carla_saliency.sim.calls import Waiting
from carla_saliency.sim.settings import SessionInfo
from carla_saliency.timing import TickTimer

SHOWN_AGAIN_S = 0.5  # a picture that stands still: the window may have been covered
FPS_TICKS = 20  # the rate in the window is the mean over so many ticks
LATE_S = 0.5  # a tick that takes longer is worth a word
BEFORE_FAILURE_S = 1.0  # where one begins to look after an intervention


class Screen:
    """Draws every step, shows and records it, and lets the person look around while it stands.

    Args:
        painter: Draws.
        window: Shows and has the keys; None without a display.
        parts: Do what the person asks.
        timer: Measures the parts of a tick.
        state: What does not change during the drive is filled in.
        steer: Asks a network, by its letter, about the last of some frames, for masks.
        on_failure: What follows an intervention: "put-back", "pause" or "stop".
    """

    def __init__(
        self,
        painter: Painter,
        window: Viewer | None,
        parts: Parts,
        timer: TickTimer,
        state: UiState,
        steer: Callable[[Letter, Sequence[Frame]], float],
        on_failure: str = "put-back",
    ) -> None:
        self._painter, self._window, self._parts = painter, window, parts
        self._timer, self._state, self._steer = timer, state, steer
        self._on_failure = on_failure
        self._looks = Looks()
        self._desk = Desk(parts, self._looks, painter.layout, painter.width)
        self._ends_s: deque[float] = deque(maxlen=FPS_TICKS + 1)
        self._last: DriveStep | None = None
        self._drawn: tuple[DriveStep, UiState, Image] | None = None
        self._stands: tuple[object, ...] | None = None
        self._shown_s = 0.0
        self._budget: tuple[tuple[str, float], ...] = ()

    @property
    def quit(self) -> bool:
        """Whether the person wants to leave, or the drive is to end."""
        return self._looks.quit

    def warn(self, line: str) -> None:
        """Show one line for some seconds; any thread may."""
        self._looks.say(line, "warning")

    def compare(self) -> None:
        """Show the maps of both networks, where there are two."""
        self._looks.compare = True

    def stand_still(self, why: str) -> None:
        """Let a person look at the newest frame.

        Args:
            why: One line.
        """
        self._desk.looking.inspect()
        self._looks.say(why)

    # -------------------------------------------------------------- one tick

    def finish(self, step: DriveStep) -> None:
        """Keep, draw, record and show one step."""
        parts = self._parts
        self._last = step
        self._ends_s.append(time.perf_counter())
        self._remember_parts(step)
        if parts.remembers:
            parts.past.add(step)
        for event in (*step.observation.events, *step.findings.events):
            ago = step.observation.frame.frame_id - event.frame_id
            parts.clips.add(event, step.observation.frame.sim_s - ago * parts.tick_s)
        if self._window is not None or parts.recorder.wants_pictures:
            self._finish_picture(step)
        self._hand_on(step)
        parts.clips.tick()
        self._end_autopilot_that_cannot()
        if self._looks.paused and not parts.guest:  # one tick was asked for
            parts.inspecting.show(self._desk.looking.newest)
        if any(event.kind is EventKind.INTERVENTION for event in step.observation.events):
            self._after_failure()

    def attend(self, wait_s: Callable[[], float]) -> None:
        """Do what was asked, until the next tick is due and nobody holds the world.

        Args:
            wait_s: Tells how long it is until then.
        """
        looks = self._looks
        looks.step_once = False
        while not looks.quit:
            self._take_requests()
            left_s = wait_s()
            if looks.paused:
                self._stand()
            if looks.paused and not looks.step_once and not self._parts.guest:
                time.sleep(AWAKE_S)
            elif left_s <= 0:
                return
            else:
                time.sleep(min(left_s, AWAKE_S))

    def wake(self, waiting: Waiting) -> None:
        """Keep the window alive while the server does not answer.

        Raises:
            Left: If the person wants to leave; once, since leaving takes time as well.
        """
        leaving = self._looks.quit
        self._take_requests()
        if self._looks.quit and not leaving:
            raise Left
        if self._looks.paused and not leaving:
            self._stand()
        elif self._last is not None and waiting.waited_s >= LATE_S:
            text = cards.leaving(waiting.waited_s) if leaving else late(self._last, waiting)
            self._show(self._painter.paint(self._last, replace(self._now(), alarm=text)))

    # -------------------------------------------------------------- inside

    def _finish_picture(self, step: DriveStep) -> None:
        looking = self._looks.paused and self._parts.guest
        state = self._now()
        with self._timer.section("draw"):
            picture = self._painter.paint(step, state)
        with self._timer.section("record"):
            self._parts.recorder.write(picture)
        if self._window is not None and not looking:
            self._drawn = step, state, picture
            with self._timer.section("window"):
                self._show(picture)

    def _hand_on(self, step: DriveStep) -> None:
        """Give the step to the record and the streams, with what belongs to its moment."""
        if not self._parts.sinks:
            return
        masks = self._parts.masks
        extras = Extras(
            parts_ms=dict(self._budget),
            masks=masks.rectangles if masks.in_force else (),
            map_scale=self._painter.map_scale(step),
        )
        bookmarks, self._looks.bookmarks = self._looks.bookmarks, []
        if bookmarks:
            events = (*step.findings.events, *bookmarks)
            step = replace(step, findings=replace(step.findings, events=events))
        with self._timer.section("keep"):
            for sink in self._parts.sinks:
                sink(step, extras)

    def _end_autopilot_that_cannot(self) -> None:
        pilot, trouble = self._parts.pilot, self._parts.world.autopilot_trouble
        if pilot.driver == "autopilot" and trouble:
            pilot.handle(Autopilot())
            self._looks.say(trouble, "warning")

    def _after_failure(self) -> None:
        if self._on_failure == "stop":
            self._looks.quit = True
        elif self._on_failure == "pause" and self._window is not None:
            self._desk.looking.inspect_before(BEFORE_FAILURE_S)
            self._looks.say("intervention: this is one second before; E goes on", "warning")

    def _take_requests(self) -> None:
        if self._window is None:
            return
        self._window.pump()
        for request in self._window.requests():
            step, state, picture = self._drawn or (self._last, self._state, None)
            self._desk.answer(request, step, picture, state)

    def _stand(self) -> None:
        """Show the frame that is looked at; it is drawn anew only where something changed."""
        inspecting, masks = self._parts.inspecting, self._parts.masks
        inspecting.poll()
        view = None if self._window is None else self._window.view
        now_s = time.perf_counter()
        looks, told = replace(self._looks), time.monotonic() < self._looks.notice[2]
        entries = self._parts.clips.entries
        stands = (inspecting.revision, masks.revision, view, looks, told, entries)
        if stands != self._stands:
            step, inspection = inspecting.view()
            inspection = replace(inspection, strip=looks.still)
            frame = step.observation.frame
            boxes = masks.boxes(frame, self._steer_with, inspecting.letter) if len(masks) else ()
            hidden = masks.in_force and step.decision.masked is not None
            state = replace(self._now(), inspection=inspection, masks=boxes, masks_in_force=hidden)
            if inspecting.trouble:
                state = replace(state, notice=inspecting.trouble, notice_tone="warning")
            self._drawn = step, state, self._painter.paint(step, state)
            self._stands = stands
        elif now_s - self._shown_s < SHOWN_AGAIN_S:
            return
        if self._drawn is not None:
            self._show(self._drawn[2])

    def _steer_with(self, frame: Frame) -> float:
        """Ask the network that is looked at about a variation of the shown frame."""
        inspecting = self._parts.inspecting
        return self._steer(inspecting.letter, inspecting.frames_with(frame))

    def _show(self, picture: Image) -> None:
        self._shown_s = time.perf_counter()
        if self._window is None:
            return
        if self._window.view.help and self._last is not None:
            picture = self._painter.paint_help(picture, self._now())
        self._window.show(picture)

    def _now(self) -> UiState:
        parts, looks = self._parts, self._looks
        status = parts.recorder.status
        held = status == "on" and looks.paused
        view = None if self._window is None else self._window.view
        text, tone, until_s = looks.notice
        is_new = time.monotonic() < until_s
        return replace(
            self._state,
            recording=Recording("held" if held else status, parts.recorder.seconds),
            world=replace(
                self._state.world,
                network=parts.pilot.seat.title,
                weather=looks.weather or self._state.world.weather,
                spawn=looks.spawn or self._state.world.spawn,
            ),
            paused=looks.paused,
            timing_ms=self._budget,
            fps=self._fps(),
            opacity=1.0 if view is None else view.opacity,
            text=True if view is None else view.text,
            notice=text if is_new else "",
            notice_tone=tone if is_new else "mid",
            compare=looks.compare,
            strip=looks.strip,
            usual_on_road=parts.analyst.usual_on_road,
            calibrated=parts.analyst.is_calibrated,
            masks=parts.masks.plain(),
            masks_in_force=parts.masks.in_force,
            events=self._desk.looking.entries(),
            scale_locked=looks.scale_locked,
        )

    def _remember_parts(self, step: DriveStep) -> None:
        """Note what the tick took. The last picture was drawn while the server worked on this."""
        latest = self._timer.latest_ms
        insight_ms = latest.get("insight", 0.0)
        draw_ms = latest.get("draw", 0.0) + latest.get("window", 0.0)
        record_ms = latest.get("record", 0.0) + latest.get("keep", 0.0)
        busy_ms = insight_ms + draw_ms + record_ms  # meanwhile the server works
        if self._parts.player is not None:
            busy_ms = 0.0
        self._budget = (
            (self._parts.source, max(0.0, step.observation.server_ms - busy_ms)),
            ("net + map", step.decision.timing_ms.get("network", 0.0)),
            ("insight", insight_ms),
            ("draw", draw_ms),
            ("record", record_ms),
        )

    def _fps(self) -> float | None:
        if len(self._ends_s) < 2 or self._looks.paused:
            return None
        passed_s = self._ends_s[-1] - self._ends_s[0]
        return (len(self._ends_s) - 1) / passed_s if passed_s > 0 else None


def world_line(info: SessionInfo, name: str, whose: str = "") -> World:
    """Return the top line's pieces.

    Args:
        info: Of the session.
        name: Of the network.
        whose: Role name of the car, where it is somebody else's.
    """
    return World(
        map_name=info.map_name,
        weather=info.weather or "",
        spawn=whose or f"spawn {info.spawn_index}",
        network=name,
        pace=f"{'their ticks' if whose else 'sync'} {info.delta_s:g} s",
    )


def degrees_of(car: Car, steering: Steering) -> float | None:
    """Return the wheels' angle at steering 1, or None where nobody knows what the network means."""
    return car.max_steer_deg if steering.has_contract else None
