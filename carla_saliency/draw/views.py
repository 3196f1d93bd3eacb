"""The two panes: the pictures with their maps, and all that is said and marked over them."""

from __future__ import annotations

from carla_saliency.core import Contract, DriveStep, Explanation, Frame, Image, Novelty
from carla_saliency.draw import colourbar, compare, heatmap, inspecting, marks, panes
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.layout import PANE_L, PANE_R, Box, fit
from carla_saliency.draw.memory import Memory
from carla_saliency.draw.scale import Keeper
from carla_saliency.draw.state import UiState
from carla_saliency.draw.words import Degrees


def shown(step: DriveStep) -> Frame:
    """Return the frame in the panes: of a slow method the one that it explained last."""
    decision = step.decision
    older = decision.explained if decision.explanation is not None else None
    return older or step.observation.frame


class Panes:
    """Draws into the two panes.

    Args:
        contracts: Of network A and B.
        degrees: Of network A and B.
        memory: Has the colour scales.
    """

    def __init__(
        self,
        contracts: dict[compare.Letter, Contract],
        degrees: dict[compare.Letter, Degrees],
        memory: Memory,
    ) -> None:
        self._contracts, self._degrees, self._memory = contracts, degrees, memory

    # -------------------------------------------------------------- pictures

    def draw(self, canvas: Canvas, step: DriveStep, state: UiState) -> None:
        """Draw the pictures with their maps."""
        decision, picture = step.decision, _picture(step)
        if compare.pair(decision, state):
            self._overlay(canvas, step, state, "A", PANE_L)
            self._overlay(canvas, step, state, "B", PANE_R)
            compare.edges(canvas)
            return
        letter = compare.letter(decision)
        contract = self._contracts[letter]
        view = step.observation.view
        if view is not None and state.inspection is None:
            panes.camera(canvas, view.image, None)
        else:
            panes.camera(canvas, picture, contract)
        if state.inspection is not None and state.text:
            degrees = self._degrees[letter]
            inspecting.layers(canvas, picture, state.inspection, contract, degrees, state.opacity)
        else:
            same = PANE_L if view is None or state.inspection is not None else None
            self._overlay(canvas, step, state, letter, PANE_R, same)

    def _overlay(
        self,
        canvas: Canvas,
        step: DriveStep,
        state: UiState,
        letter: compare.Letter,
        pane: Box,
        beside: Box | None = None,
    ) -> None:
        explanation = _map_of(step, letter)
        keeper, index, covers = self._memory.keeper(letter, explanation), None, None
        if explanation is not None and keeper is not None and state.opacity > 0:
            full = self.scale(step, state).full  # of two networks, both have the larger one
            index = heatmap.index_of(explanation, full / keeper.factor)
            covers = explanation.place
        signed = state.method.signed if explanation is None else explanation.meaning.signed
        table = heatmap.table(signed, round(state.opacity, 2))
        contract = self._contracts[letter]
        panes.overlay(canvas, _picture(step), contract, index, table, covers, pane, beside)

    def scale(self, step: DriveStep, state: UiState) -> colourbar.Scale:
        """Return the scale of the maps in the panes."""
        decision = step.decision
        letter = compare.letter(decision)
        letters: tuple[compare.Letter, ...] = (letter,)
        if compare.pair(decision, state):
            letters = ("A", "B")
        keepers: list[Keeper] = []
        for each in letters:
            keeper = self._memory.keeper(each, _map_of(step, each))
            keepers += [] if keeper is None else [keeper]
        meaning = state.method if decision.explanation is None else decision.explanation.meaning
        return colourbar.Scale(
            full=max((keeper.scale for keeper in keepers), default=0.0),
            unit=self._degrees[letter].unit(meaning),
            calibrating=any(keeper.calibrating for keeper in keepers),
            clipped=any(keeper.clipped for keeper in keepers),
            locked=state.scale_locked,
        )

    # -------------------------------------------------------------- words and marks

    def say(self, canvas: Canvas, step: DriveStep, state: UiState) -> None:
        """Draw all that is said and marked over the pictures."""
        decision = step.decision
        letter, pair = compare.letter(decision), compare.pair(decision, state)
        if decision.explanation is None and decision.network_steering is not None:
            panes.note(canvas, PANE_R, "calculating the first map")
        taken: list[Box] = []
        if state.alarm:
            taken.append(panes.alarm(canvas, PANE_L, state.alarm))
        elif step.findings.novelty is not None:
            taken += self._new(canvas, step.findings.novelty, self._crop_top(canvas, step))
        off_road = step.findings.off_road_s > 0 and state.inspection is None
        pane = PANE_L if pair and letter == "A" else PANE_R
        if off_road and not (pane is PANE_L and taken):
            band = panes.alarm(canvas, pane, _off_road(step, state))
            taken += [band] if pane is PANE_L else []
        elif not pair and state.inspection is None and decision.explanation is not None:
            hint = " ".join(decision.explanation.meaning.hint)
            if hint:
                panes.aside(canvas, PANE_R, self._crop_top(canvas, step), hint)
        if pair or step.observation.view is None or state.inspection is not None:
            self._marks(canvas, step, state, taken)

    def _marks(self, canvas: Canvas, step: DriveStep, state: UiState, taken: list[Box]) -> None:
        letter, causal = compare.letter(step.decision), step.findings.causal
        if letter == "B" and compare.pair(step.decision, state):
            causal = None  # it is about the map in the other pane
        picture, contract, degrees = _picture(step), self._contracts[letter], self._degrees[letter]
        masks, in_force = state.masks, state.masks_in_force
        marks.draw(canvas, picture, contract, degrees, causal, masks, in_force, taken)

    def _crop_top(self, canvas: Canvas, step: DriveStep) -> float:
        """Return the first row that the network sees, in units: above it nothing is hidden."""
        contract = self._contracts[compare.letter(step.decision)]
        whole = fit(_picture(step).shape[:2], canvas.layout.pixels(PANE_R))
        top = panes.crop_pixels(contract, whole).y
        return (top - canvas.layout.top_px) / canvas.layout.k

    def _new(self, canvas: Canvas, novelty: Novelty, crop_top: float) -> list[Box]:
        """Say that the frame is unlike all that the network learned from."""
        if not novelty.distance > novelty.limit:
            return []
        what = "a nominal drive" if novelty.stand_in else "the training"
        number = f"distance {novelty.distance:.1f}, limit {novelty.limit:.1f}"
        band = panes.alarm(canvas, PANE_L, (f"Unlike {what}: {number}", f"Unlike {what}"))
        labels = ("nearest training frame", "nearest in training")
        if novelty.stand_in:
            labels = ("nearest of a nominal drive", "nominal drive's")
        return [band, panes.inset(canvas, novelty.nearest, PANE_L, crop_top, labels)]


def _picture(step: DriveStep) -> Image:
    """Return what the network was given: with the masks, where it drives with some."""
    masked, frame = step.decision.masked, shown(step)
    if masked is not None and masked.frame_id == frame.frame_id:
        return masked.image
    return frame.image


def _map_of(step: DriveStep, letter: compare.Letter) -> Explanation | None:
    decision = step.decision
    if letter == compare.letter(decision):
        return decision.explanation
    return None if decision.shadow is None else decision.shadow.explanation


def _off_road(step: DriveStep, state: UiState) -> tuple[str, ...]:
    shares, seconds = step.findings.shares, step.findings.off_road_s
    now = "" if shares is None else f": road + lines {shares.on_road * 100:.0f} %"
    usual = "" if state.usual_on_road is None else f", usual {state.usual_on_road * 100:.0f} %"
    return (
        f"Attention off road{now}{usual}, for {seconds:.1f} s",
        f"Off road{now}{usual}",
        f"Off road{now}",
    )
