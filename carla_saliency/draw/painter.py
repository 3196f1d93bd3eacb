"""One picture of the whole window per step: the same code for screen, video and headless."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from carla_saliency.core import PUT_BACK_M, Contract, DriveStep, EventKind, Explanation, Image
from carla_saliency.draw import colourbar, foot, heatmap, hud, legend, overlays, panes, traces
from carla_saliency.draw.canvas import Canvas, Pens
from carla_saliency.draw.heatmap import ScaleKeeper
from carla_saliency.draw.layout import PANE_L, PANE_R, Layout
from carla_saliency.draw.palette import BACKGROUND, PANEL
from carla_saliency.draw.state import Interlude, MethodView, Tone, UiState, World
from carla_saliency.draw.traces import Field, History

_FLAG_TONES: dict[EventKind, Tone] = {
    EventKind.LANE_DEPARTURE: "warning",
    EventKind.COLLISION: "failure",
    EventKind.INTERVENTION: "failure",
}


@dataclass(frozen=True, slots=True)
class _Words:
    """What is written on a picture and rarely changes."""

    method: MethodView
    world: World
    camera: tuple[str, ...]
    map: tuple[str, ...]
    scale: float
    calibrating: bool
    clipped: bool
    opacity: float


class Painter:
    """Composes the window's picture; remembers the last 20 s and the colour scale of each method.

    A picture that was returned is never changed afterwards.

    Args:
        size: (width, height) of the picture in pixels; any shape, the window keeps 16:9 inside.
        contract: Of the network: crop, camera, and what its degrees are.
        max_steer_deg: Of the live car; None if degrees are not known: all is in steering then.
        tick_ms: Simulated time of a tick, the budget of the bar at the bottom.
        car_width_m: Of the live car, for the room that it has in its lane; None leaves that out.

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
    ) -> None:
        if not tick_ms > 0:
            raise ValueError(f"tick_ms must be above 0, received {tick_ms!r}")
        self._contract = contract
        self._degrees = hud.Degrees(max_steer_deg, contract.max_steer_deg)
        self._car_width_m = car_width_m
        self._top_kmh = 10.0 * math.ceil(max(contract.speed_kmh[1], 30.0) * 1.2 / 10)
        self._pens = Pens(Layout.of(size))
        self._budget = foot.Budget(tick_ms)
        self._history = History(tick_ms / 1000)
        self._scales: dict[str, ScaleKeeper] = {}
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
            step: What to show; its map must be of its own frame.
            state: Everything else.

        Returns:
            RGB, uint8, (height, width, 3), new.

        Raises:
            ValueError: If the map explains another frame than the one beside it.
        """
        explanation, frame = step.decision.explanation, step.observation.frame
        if explanation is not None and explanation.frame_id != frame.frame_id:
            raise ValueError(
                f"the map must be of frame {frame.frame_id}, received one of {explanation.frame_id}"
            )
        new = self._last is None or self._last.observation.frame.frame_id != frame.frame_id
        if new:
            self._remember(step, state)
        if explanation is not None and (new or explanation.method not in self._scales):
            self._rescale(step, explanation, state)
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
        overlays.help_(canvas, state.method)
        return canvas.array

    # -------------------------------------------------------------- memory

    def _remember(self, step: DriveStep, state: UiState) -> None:
        observation, decision = step.observation, step.decision
        values = {
            Field.SPEED_KMH: observation.speed_mps * 3.6,
            Field.NOT_NETWORK: float(decision.driver != "network"),
        }
        if decision.explanation is not None:
            values[Field.NETWORK] = self._degrees.of_network(decision.explanation.steering)
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

    def _rescale(self, step: DriveStep, explanation: Explanation, state: UiState) -> None:
        """Let the scale follow the maps, but not where the expert must steer.

        A network that can't know where to go pulls ten times as hard in all directions there, and
        would leave half a minute of grey maps behind.
        """
        lane, sim_s = step.observation.lane, step.observation.frame.sim_s
        usual = lane is None or not lane.expert_must_steer
        if explanation.method not in self._scales:
            self._scales[explanation.method] = ScaleKeeper(self._degrees.of_network(1.0))
        keeper = self._scales[explanation.method]
        before, young = keeper.scale, keeper.calibrating
        after = keeper.add(explanation.attribution, sim_s, usual)
        if before > 0 and after != before and not young:
            texts = [colourbar.number(s, max(before, after), False) for s in (before, after)]
            sign = "±" if state.method.signed else ""
            self._flag(f"scale {sign}{texts[0]} → {sign}{texts[1]}", "mid")

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
            colourbar.draw(
                canvas,
                words.method,
                words.scale,
                degrees=self._degrees.car is not None,
                calibrating=words.calibrating,
                clipped=words.clipped,
                opacity=words.opacity,
            )
            colourbar.hint(canvas, words.method)
            self._words, self._written = words, canvas.array
        return Canvas(self._pens, self._written.copy())

    def _words_of(self, state: UiState, camera: tuple[str, ...], map_: tuple[str, ...]) -> _Words:
        keeper = self._keeper()
        return _Words(
            state.method,
            state.world,
            camera,
            map_,
            0.0 if keeper is None else keeper.scale,
            keeper is not None and keeper.calibrating,
            keeper is not None and keeper.clipped,
            round(state.opacity, 2),
        )

    def _keeper(self) -> ScaleKeeper | None:
        explanation = None if self._last is None else self._last.decision.explanation
        return None if explanation is None else self._scales[explanation.method]

    def _draw_step(self, step: DriveStep, state: UiState) -> Image:
        observation, decision = step.observation, step.decision
        camera, map_ = hud.camera_facts(step, self._contract), hud.map_facts(step, state)
        canvas = self._backdrop(self._words_of(state, camera, map_))
        self._draw_panes(canvas, step, state)
        if state.alarm:
            panes.alarm(canvas, PANE_L, state.alarm)
        hud.driver_badge(canvas, decision.driver, state.paused)
        hud.recording(canvas, state.recording)
        hud.counters(canvas, observation.frame.frame_id, observation.frame.sim_s, state.fps)
        ghost = self._ghost(step)
        hud.controls(canvas, decision.control, observation.speed_mps, ghost, self._degrees)
        self._draw_strips(canvas, known=True)
        left = self._budget.draw(canvas)
        foot.message(canvas, left, *self._notice(step, state), foot.keys(decision.driver))
        return canvas.array

    def _ghost(self, step: DriveStep) -> float | None:
        decision = step.decision
        if decision.driver == "network":
            return decision.expert_steering
        return decision.network_steering

    @staticmethod
    def _notice(step: DriveStep, state: UiState) -> tuple[str, Tone]:
        if state.notice:
            return state.notice, state.notice_tone
        if state.paused:
            return "paused: Enter for one tick, E goes on", "high"
        return step.decision.notice, "mid"

    def _draw_panes(self, canvas: Canvas, step: DriveStep, state: UiState) -> None:
        picture, explanation = step.observation.frame.image, step.decision.explanation
        index = None
        keeper = self._keeper()
        if explanation is not None and keeper is not None and state.opacity > 0:
            to_index = heatmap.signed_index if state.method.signed else heatmap.magnitude_index
            index = to_index(explanation.attribution, keeper.scale / keeper.factor)
        table = heatmap.table(state.method.signed, round(state.opacity, 2))
        panes.camera(canvas, picture, self._contract)
        panes.overlay(canvas, picture, self._contract, index, table)

    def _draw_strips(self, canvas: Canvas, known: bool) -> None:
        traces.steering(canvas, self._history, self._degrees.strip_limit)
        traces.lane_offset(canvas, self._history, PUT_BACK_M)
        traces.speed(canvas, self._history, self._top_kmh)
        traces.flags(canvas, self._history)
        legend.draw(canvas, self._history, self._degrees, known)
