"""One picture of the whole window per step: the same code for screen, video and headless."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from carla_saliency.core import (
    PUT_BACK_M,
    Contract,
    DriveStep,
    EventKind,
    Explanation,
    Frame,
    Image,
    Meaning,
)
from carla_saliency.draw import colourbar, foot, heatmap, hud, legend, overlays, panes, traces
from carla_saliency.draw.canvas import Canvas, Pens
from carla_saliency.draw.layout import PANE_L, PANE_R, Layout
from carla_saliency.draw.palette import BACKGROUND, PANEL
from carla_saliency.draw.scale import Scales
from carla_saliency.draw.state import Interlude, Tone, UiState, World
from carla_saliency.draw.traces import Field, History
from carla_saliency.draw.words import Degrees, camera_facts, map_facts

_FLAG_TONES: dict[EventKind, Tone] = {
    EventKind.LANE_DEPARTURE: "warning",
    EventKind.COLLISION: "failure",
    EventKind.INTERVENTION: "failure",
}


@dataclass(frozen=True, slots=True)
class _Words:
    """What is written on a picture and rarely changes."""

    method: Meaning
    world: World
    camera: tuple[str, ...]
    map: tuple[str, ...]
    scale: colourbar.Scale
    opacity: float


class Painter:
    """Composes the window's picture; remembers the last 20 s and the colour scale of each meaning.

    A picture that was returned is never changed afterwards.

    Args:
        size: (width, height) of the picture in pixels; any shape, the window keeps 16:9 inside.
        contract: Of the network: crop, camera, and what its degrees are.
        max_steer_deg: Of the live car; None if degrees are not known: all is in steering then.
        tick_ms: Simulated time of a tick, the budget of the bar at the bottom.
        car_width_m: Of the live car, for the room that it has in its lane; None leaves that out.
        scaling: "drive": one scale that rarely changes, so that moments can be compared; "frame":
            each map's own, and the picture says so.

    Raises:
        ValueError: If the size has no pixels, or the tick no duration.
    """

    def __init__(
        self,
        size: tuple[int, int],
        contract: Contract,
        max_steer_deg: float | None,
        tick_ms: float,
        *,
        car_width_m: float | None = None,
        scaling: Literal["drive", "frame"] = "drive",
    ) -> None:
        if not tick_ms > 0:
            raise ValueError(f"tick_ms must be above 0, received {tick_ms!r}")
        self._contract = contract
        self._degrees = Degrees(max_steer_deg, contract.max_steer_deg)
        self._car_width_m = car_width_m
        self._top_kmh = 10.0 * math.ceil(max(contract.speed_kmh[1], 30.0) * 1.2 / 10)
        self._pens = Pens(Layout.of(size))
        self._budget = foot.Budget(tick_ms)
        self._history = History(tick_ms / 1000)
        self._scales = Scales(self._degrees.of_map, own=scaling == "frame")
        self._last: DriveStep | None = None
        self._base = self._draw_base()
        self._written = self._base
        self._words: _Words | None = None

    # -------------------------------------------------------------- pictures

    def paint(self, step: DriveStep, state: UiState) -> Image:
        """Return the picture of one finished step.

        The same step may be painted again with another state, while paused for example: time goes
        on only with a new frame.

        Args:
            step: What to show. Where its map explains an older frame, both panes show that one;
                the numbers are of the step.
            state: Everything else.

        Returns:
            RGB, uint8, (height, width, 3), new.

        Raises:
            ValueError: If the map explains another frame than the one beside it.
        """
        explanation, shown = step.decision.explanation, _shown(step)
        if explanation is not None and explanation.frame_id != shown.frame_id:
            raise ValueError(
                f"the map must be of frame {shown.frame_id}, received one of {explanation.frame_id}"
            )
        frame_id = step.observation.frame.frame_id
        if self._last is None or self._last.observation.frame.frame_id != frame_id:
            self._remember(step, state)
        if explanation is not None:
            self._rescale(step, explanation)
        self._last = step
        return self._draw_step(step, state)

    def paint_card(self, interlude: Interlude, state: UiState) -> Image:
        """Return the picture while there is no drive; the last pictures stay, darkened.

        Args:
            interlude: The cards.
            state: As in `paint`; timing and speed are shown as not known.
        """
        words = self._words_of(state, (interlude.camera_title,), (interlude.map_title,))
        canvas = self._backdrop(words)
        step = self._last
        if step is not None:
            self._draw_panes(canvas, step, state)
            panes.dim(canvas, PANE_L)
            panes.dim(canvas, PANE_R)
        frame = None if step is None else step.observation.frame
        style = {"failure": "red", "warning": "grey"}.get(interlude.tone, "outline")
        hud.badge(canvas, interlude.badge, style)
        hud.recording(canvas, state.recording)
        if frame is None:
            hud.counters(canvas, None, None, None)
        else:
            hud.counters(canvas, frame.frame_id, frame.sim_s, None)
        hud.controls_unknown(canvas)
        self._draw_strips(canvas, known=False)
        left = self._budget.draw(canvas, known=False)
        foot.message(canvas, left, state.notice, state.notice_tone, ("Esc quit   H help",))
        overlays.card(canvas, PANE_L, interlude.left)
        if interlude.right is not None:
            overlays.card(canvas, PANE_R, interlude.right)
        return canvas.array

    def paint_help(self, picture: Image, state: UiState) -> Image:
        """Return a copy of a picture with the keys over it, for the screen only, not the video."""
        canvas = Canvas(self._pens, picture.copy())
        overlays.help_(canvas, self._meaning(state))
        return canvas.array

    # -------------------------------------------------------------- memory

    def _remember(self, step: DriveStep, state: UiState) -> None:
        observation, decision = step.observation, step.decision
        values = {
            Field.SPEED_KMH: observation.speed_mps * 3.6,
            Field.NOT_NETWORK: float(decision.driver != "network"),
        }
        network, explanation = decision.network_steering, decision.explanation
        if network is not None:  # of this frame, whichever the map explains
            values[Field.NETWORK] = self._degrees.of_command(network)
        elif explanation is not None and explanation.frame_id == observation.frame.frame_id:
            values[Field.NETWORK] = self._degrees.of_network(explanation.steering)
        if decision.expert_steering is not None:
            values[Field.EXPERT] = self._degrees.of_command(decision.expert_steering)
        if decision.driver == "manual":
            values[Field.BY_HAND] = self._degrees.of_command(decision.control.steering)
        if observation.lane is not None:
            values[Field.OFFSET_M] = observation.lane.offset_m
            if self._car_width_m is not None:
                values[Field.ROOM_M] = (observation.lane.width_m - self._car_width_m) / 2
        self._history.add(observation.frame.sim_s, values)
        if self._last is not None and decision.driver != self._last.decision.driver:
            self._flag({"manual": "by hand"}.get(decision.driver, decision.driver), "mid")
        for event in observation.events:
            self._flag(event.kind.value, _FLAG_TONES[event.kind])
        self._budget.add(state.timing_ms)

    def _flag(self, text: str, tone: Tone) -> None:
        width = self._pens.type.width_px(text, traces.FLAG) / self._pens.layout.k + 10
        self._history.flag(text, tone, width)

    def _rescale(self, step: DriveStep, explanation: Explanation) -> None:
        """Let the scale follow the maps, but not where the expert must steer.

        A network that can't know where to go pulls ten times as hard in all directions there, and
        would leave half a minute of grey maps behind.
        """
        lane = step.observation.lane
        usual = lane is None or not lane.expert_must_steer
        change = self._scales.add(explanation, step.observation.frame.sim_s, usual)
        if change:
            self._flag(change, "mid")

    # -------------------------------------------------------------- drawing

    def _draw_base(self) -> Image:
        layout = self._pens.layout
        array = np.empty((layout.height_px, layout.width_px, 3), np.uint8)
        array[...] = BACKGROUND
        canvas = Canvas(self._pens, array)
        hud.base(canvas)
        foot.base(canvas)
        for pane in (PANE_L, PANE_R):
            canvas.fill(pane, PANEL)
        hud.controls_base(canvas, self._degrees)
        traces.base(canvas)
        legend.base(canvas, self._degrees, PUT_BACK_M, self._top_kmh)
        return array

    def _backdrop(self, words: _Words) -> Canvas:
        """Return a new canvas with all that rarely changes: half of a picture's work."""
        if words != self._words:
            canvas = Canvas(self._pens, self._base.copy())
            hud.world(canvas, words.world.variants())
            hud.titles(canvas, words.camera, words.map)
            colourbar.draw(canvas, words.method, words.scale, words.opacity)
            colourbar.hint(canvas, words.method, self._scales.own)
            self._words, self._written = words, canvas.array
        return Canvas(self._pens, self._written.copy())

    def _words_of(self, state: UiState, camera: tuple[str, ...], map_: tuple[str, ...]) -> _Words:
        meaning = self._meaning(state)
        keeper = self._scales.of(self._explanation)
        scale = colourbar.Scale(
            full=0.0 if keeper is None else keeper.scale,
            unit=self._degrees.unit(meaning),
            calibrating=keeper is not None and keeper.calibrating,
            clipped=keeper is not None and keeper.clipped,
        )
        return _Words(meaning, state.world, camera, map_, scale, round(state.opacity, 2))

    @property
    def _explanation(self) -> Explanation | None:
        return None if self._last is None else self._last.decision.explanation

    def _meaning(self, state: UiState) -> Meaning:
        return state.method if self._explanation is None else self._explanation.meaning

    def _draw_step(self, step: DriveStep, state: UiState) -> Image:
        observation, decision = step.observation, step.decision
        camera = camera_facts(_shown(step).image, self._contract, decision.every)
        map_ = map_facts(decision, state.method, state.opacity)
        canvas = self._backdrop(self._words_of(state, camera, map_))
        self._draw_panes(canvas, step, state)
        if decision.explanation is None and decision.network_steering is not None:
            panes.note(canvas, PANE_R, "calculating the first map")
        if state.alarm:
            panes.alarm(canvas, PANE_L, state.alarm)
        hud.driver_badge(canvas, decision.driver, state.paused)
        hud.recording(canvas, state.recording)
        hud.counters(canvas, observation.frame.frame_id, observation.frame.sim_s, state.fps)
        ghost = self._ghost(step)
        hud.controls(canvas, decision.control, observation.speed_mps, ghost, self._degrees)
        self._draw_strips(canvas, known=True)
        left = self._budget.draw(canvas)
        words = foot.notice(decision.notice, state)
        foot.message(canvas, left, *words, foot.keys(decision.driver))
        return canvas.array

    def _ghost(self, step: DriveStep) -> float | None:
        decision = step.decision
        if decision.driver == "network":
            return decision.expert_steering
        return decision.network_steering

    def _draw_panes(self, canvas: Canvas, step: DriveStep, state: UiState) -> None:
        explanation, picture = step.decision.explanation, _shown(step).image
        keeper, index, covers = self._scales.of(explanation), None, None
        if explanation is not None and keeper is not None and state.opacity > 0:
            index = heatmap.index_of(explanation, keeper.scale / keeper.factor)
            covers = explanation.place
        table = heatmap.table(self._meaning(state).signed, round(state.opacity, 2))
        panes.camera(canvas, picture, self._contract)
        panes.overlay(canvas, picture, self._contract, index, table, covers)

    def _draw_strips(self, canvas: Canvas, known: bool) -> None:
        traces.steering(canvas, self._history, self._degrees.strip_limit)
        traces.lane_offset(canvas, self._history, PUT_BACK_M)
        traces.speed(canvas, self._history, self._top_kmh)
        traces.flags(canvas, self._history)
        legend.draw(canvas, self._history, self._degrees, known)


def _shown(step: DriveStep) -> Frame:
    """Return the frame in the panes: of a slow method the one that it explained last."""
    decision = step.decision
    older = decision.explained if decision.explanation is not None else None
    return older or step.observation.frame
