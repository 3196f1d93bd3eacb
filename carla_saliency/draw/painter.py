"""One picture of the whole window per step: the same code for screen, video and headless."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from carla_saliency.core import PUT_BACK_M, Contract, DriveStep, Image, Meaning
from carla_saliency.draw import (
    checks,
    colourbar,
    compare,
    foot,
    help,
    hud,
    inspecting,
    legend,
    overlays,
    panes,
    strips,
    titles,
    traces,
    views,
)
from carla_saliency.draw.canvas import Canvas, Pens
from carla_saliency.draw.layout import PANE_L, PANE_R, TITLE_L, TITLE_R, Layout
from carla_saliency.draw.memory import Memory
from carla_saliency.draw.palette import BACKGROUND, HIGH, OTHER, PANEL, Colour
from carla_saliency.draw.state import Interlude, UiState, World
from carla_saliency.draw.text import SMALL
from carla_saliency.draw.titles import Title
from carla_saliency.draw.words import Degrees


@dataclass(frozen=True, slots=True)
class _Words:
    """What is written on a picture and rarely changes."""

    mode: traces.Mode
    method: Meaning
    world: World
    left: Title
    right: Title
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
        shadow_contract: Of network B, where there is one; None: as that of the first, which is A.
        names: Of network A and B.
        nominal: What is usual for A's and for B's maps: method -> magnitude in the map's own unit;
            the scale to begin with.

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
        shadow_contract: Contract | None = None,
        names: tuple[str, str] = ("A", "B"),
        nominal: Mapping[compare.Letter, Mapping[str, float]] | None = None,
    ) -> None:
        if not tick_ms > 0:
            raise ValueError(f"tick_ms must be above 0, received {tick_ms!r}")
        self._contracts: dict[compare.Letter, Contract] = {
            "A": contract,
            "B": shadow_contract or contract,
        }
        self._degrees = {
            letter: Degrees(max_steer_deg, of.max_steer_deg)
            for letter, of in self._contracts.items()
        }
        self._names = names
        self._top_kmh = 10.0 * math.ceil(max(contract.speed_kmh[1], 30.0) * 1.2 / 10)
        self._pens = Pens(Layout.of(size))
        self._budget = foot.Budget(tick_ms)
        self._own = scaling == "frame"
        self._memory = Memory(
            tick_ms / 1000, self._degrees, self.width, self._own, car_width_m, nominal or {}
        )
        self._panes = views.Panes(self._contracts, self._degrees, self._memory)
        self._base = self._draw_base()
        self._written = self._base
        self._words: _Words | None = None

    @property
    def layout(self) -> Layout:
        """Where everything is on the pictures."""
        return self._pens.layout

    def map_scale(self, step: DriveStep) -> float | None:
        """Return the |value| of the map that has its full colour, in the map's own unit.

        Args:
            step: That was painted last.

        Returns:
            None without a map, or as long as all maps were 0.
        """
        letter, explanation = compare.letter(step.decision), step.decision.explanation
        keeper = self._memory.keeper(letter, explanation)
        return None if keeper is None else keeper.scale / keeper.factor or None

    def width(self, text: str) -> float:
        """Return how wide a usual text is, in units."""
        return self._pens.type.width_px(text, SMALL) / self._pens.layout.k

    def retell(self, steps: Iterable[DriveStep]) -> None:
        """Let the strips show other moments, as after a jump in a recorded drive.

        Args:
            steps: Of those moments, in order; their pictures do not matter.
        """
        self._memory.retell(steps)

    # -------------------------------------------------------------- pictures

    def paint(self, step: DriveStep, state: UiState) -> Image:
        """Return the picture of one finished step.

        The same step may be painted again with another state, while paused for example: time goes
        on only with a new frame. While the world stands still, older steps may be painted.

        Args:
            step: What to show. Where its map explains an older frame, both panes show that one;
                the numbers are of the step.
            state: Everything else.

        Returns:
            RGB, uint8, (height, width, 3), new.

        Raises:
            ValueError: If a map explains another frame than the one beside it.
        """
        shown, shadow = views.shown(step), step.decision.shadow
        for found in (step.decision.explanation, None if shadow is None else shadow.explanation):
            if found is not None and found.frame_id != shown.frame_id:
                raise ValueError(
                    f"the map must be of frame {shown.frame_id}, received one of {found.frame_id}"
                )
        if self._memory.take(step, state):
            self._budget.add(state.timing_ms)
        step = replace(step, findings=self._memory.found(step, state))
        if not state.text:
            return self._draw_bare(step, state)
        return self._draw_step(step, state)

    def paint_card(self, interlude: Interlude, state: UiState) -> Image:
        """Return the picture while there is no drive; the last pictures stay, darkened.

        Args:
            interlude: The cards.
            state: As in `paint`; timing and speed are shown as not known.
        """
        step = self._memory.last
        left = Title("CAMERA", (interlude.camera_title,))
        right = Title("SALIENCY", (interlude.map_title,))
        canvas = self._backdrop(self._words_of(step, state, left, right))
        if step is not None:
            self._panes.draw(canvas, step, state)
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
        degrees = self._degrees["A"]
        checks.draw(canvas, None, state.calibrated, degrees)
        strips.draw(canvas, self._memory.history, step, state, degrees, self._top_kmh, known=False)
        end = self._budget.draw(canvas, known=False)
        foot.message(canvas, end, state.notice, state.notice_tone, ("Esc quit   H help",))
        overlays.card(canvas, PANE_L, interlude.left)
        if interlude.right is not None:
            overlays.card(canvas, PANE_R, interlude.right)
        return canvas.array

    def paint_help(self, picture: Image, state: UiState) -> Image:
        """Return a copy of a picture with the keys over it, for the screen only, not the video."""
        canvas = Canvas(self._pens, picture.copy())
        help.help_(canvas, self._meaning(self._memory.last, state), state.replay)
        return canvas.array

    # -------------------------------------------------------------- what rarely changes

    def _draw_base(self) -> Image:
        layout = self._pens.layout
        array = np.empty((layout.height_px, layout.width_px, 3), np.uint8)
        array[...] = BACKGROUND
        canvas = Canvas(self._pens, array)
        hud.base(canvas)
        foot.base(canvas)
        for pane in (PANE_L, PANE_R):
            canvas.fill(pane, PANEL)
        hud.controls_base(canvas, self._degrees["A"])
        return array

    def _backdrop(self, words: _Words) -> Canvas:
        """Return a new canvas with all that rarely changes: half of a picture's work."""
        if words != self._words:
            canvas = Canvas(self._pens, self._base.copy())
            degrees = self._degrees["A"]
            traces.base(canvas, words.mode)
            legend.base(canvas, words.mode, degrees, PUT_BACK_M, self._top_kmh)
            if words.mode == "compare":
                compare.base(canvas, degrees)
            hud.world(canvas, words.world.variants())
            hud.title(canvas, TITLE_L, words.left)
            if words.mode != "inspect":
                hud.title(canvas, TITLE_R, words.right)
            colourbar.draw(canvas, words.method, words.scale, words.opacity)
            self._words, self._written = words, canvas.array
        return Canvas(self._pens, self._written.copy())

    def _words_of(
        self, step: DriveStep | None, state: UiState, left: Title, right: Title
    ) -> _Words:
        meaning = self._meaning(step, state)
        letter = "A" if step is None else compare.letter(step.decision)
        degrees = self._degrees[letter]
        bar = None
        if state.inspection is not None:
            bar = inspecting.bar(state.inspection, degrees)
        if bar is None:
            unknown = colourbar.Scale(unit=degrees.unit(meaning))
            bar = meaning, unknown if step is None else self._panes.scale(step, state)
        mode, opacity = strips.mode(step, state), round(state.opacity, 2)
        return _Words(mode, bar[0], state.world, left, right, bar[1], opacity)

    def _meaning(self, step: DriveStep | None, state: UiState) -> Meaning:
        explanation = None if step is None else step.decision.explanation
        return state.method if explanation is None else explanation.meaning

    # -------------------------------------------------------------- a step

    def _draw_step(self, step: DriveStep, state: UiState) -> Image:
        observation, decision = step.observation, step.decision
        letter = compare.letter(decision)
        contract, degrees = self._contracts[letter], self._degrees[letter]
        left = titles.left(step, state, contract, self._names)
        right = titles.right(step, state, self._names, self._own)
        canvas = self._backdrop(self._words_of(step, state, left, right))
        self._panes.draw(canvas, step, state)
        self._panes.say(canvas, step, state)
        hud.driver_badge(canvas, decision.driver, _still(state))
        hud.recording(canvas, state.recording)
        hud.counters(canvas, observation.frame.frame_id, observation.frame.sim_s, state.fps)
        sent = decision.control if observation.applied is None else observation.applied
        ghost, colour = _ghost(step, state)
        hud.controls(canvas, sent, observation.speed_mps, ghost, degrees, colour)
        checks.draw(canvas, step.findings.check, state.calibrated, degrees)
        strips.draw(canvas, self._memory.history, step, state, degrees, self._top_kmh)
        self._draw_foot(canvas, step, state)
        return canvas.array

    def _draw_foot(self, canvas: Canvas, step: DriveStep, state: UiState) -> None:
        driver = step.decision.driver
        if state.inspection is None:
            end, keys = self._budget.draw(canvas), foot.keys(driver, state.replay)
        else:
            end, keys = foot.events(canvas, state.events), foot.INSPECT_KEYS
        foot.message(canvas, end, *foot.notice(step.decision.notice, state), keys)

    def _draw_bare(self, step: DriveStep, state: UiState) -> Image:
        """Return the panes alone."""
        array = np.full_like(self._base, BACKGROUND)
        self._panes.draw(Canvas(self._pens, array), step, state)
        return array


def _still(state: UiState) -> str:
    """Return why the picture stands still; "" if it does not."""
    if state.inspection is not None and state.inspection.frozen:
        return "FROZEN"
    return "PAUSED" if state.paused or state.inspection is not None else ""


def _ghost(step: DriveStep, state: UiState) -> tuple[float | None, Colour]:
    """Return what the one who looks on would have sent, and the colour of its diamond."""
    decision = step.decision
    shadow = decision.shadow
    if shadow is not None and compare.shown(decision, state):
        return shadow.command, OTHER if shadow.letter == "B" else HIGH
    if decision.driver == "network":
        return decision.expert_steering, HIGH
    return decision.network_steering, HIGH
