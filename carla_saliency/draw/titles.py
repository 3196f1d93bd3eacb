"""What stands over the two pictures: the name of each, and what it shows."""

from __future__ import annotations

from dataclasses import dataclass

from carla_saliency.core import Contract, DriveStep, Explanation
from carla_saliency.draw import compare
from carla_saliency.draw.state import Tone, UiState
from carla_saliency.draw.words import camera_facts, facts, map_facts

MASKED = "▲ masks in force"


@dataclass(frozen=True, slots=True)
class Title:
    """One line over a pane.

    Attributes:
        name: At its left.
        facts: At its right; variants, longest first.
        tone: Of the facts.
    """

    name: str
    facts: tuple[str, ...]
    tone: Tone = "mid"


def left(
    step: DriveStep,
    state: UiState,
    contract: Contract,
    names: tuple[str, str],
) -> Title:
    """Return what the left pane shows.

    Args:
        step: What is shown.
        state: Everything else.
        contract: Of the network whose crop is marked.
        names: Of network A and B.
    """
    decision, view, causal = step.decision, step.observation.view, step.findings.causal
    if compare.pair(decision, state):
        title = _network(step, "A", names[0])
        if state.masks_in_force:
            return Title(title.name, (f"{names[0]} · ▲ masks in force", MASKED), "warning")
        return title
    if view is not None and state.inspection is None:
        return Title("CAMERA", (f"{view.name} · not what the network sees", view.name))
    if state.masks_in_force:
        text = f"{MASKED}: the network does not see what is hatched"
        return Title("CAMERA", (text, MASKED), "warning")
    if state.inspection is not None and state.inspection.frozen:
        return Title("CAMERA", ("view frozen, car drives on",), "high")
    if causal is not None:
        check = "masking check: solid = steering moves, dashed = no effect"
        if state.inspection is not None:
            return Title("CAMERA", (check, "solid = steering moves, dashed = not"))
        of = f" · frame {causal.frame_id:06d}"  # the check is not of every frame
        return Title("CAMERA", (check + of, f"solid = steering moves, dashed = not{of}"))
    image = (decision.explained or step.observation.frame).image
    return Title("CAMERA", camera_facts(image, contract, decision.every))


def right(step: DriveStep, state: UiState, names: tuple[str, str], own: bool) -> Title:
    """Return what the right pane shows.

    Args:
        step: What is shown.
        state: Everything else.
        names: Of network A and B.
        own: Each frame has a scale of its own: two can't be compared then, which must be said.
    """
    decision = step.decision
    if compare.pair(decision, state):
        return _network(step, "B", names[1])
    lines = map_facts(decision, state.method, state.opacity)
    if own and decision.explanation is not None:
        lines = tuple(f"{line} · scaled to this frame" for line in lines)
    return Title("SALIENCY", lines)


def _network(step: DriveStep, letter: compare.Letter, name: str) -> Title:
    """Return what is said of one of two networks."""
    decision = step.decision
    roles = compare.roles(decision)
    assert roles is not None
    assert decision.shadow is not None
    explanation = decision.explanation
    if letter != compare.letter(decision):
        explanation = decision.shadow.explanation
    about = _of(name, explanation) if letter == "A" else _same(name, step)
    return Title(f"{letter} {roles['AB'.index(letter)]}", about)


def _of(name: str, explanation: Explanation | None) -> tuple[str, ...]:
    if explanation is None:
        return (f"{name} · no map yet", name)
    return (*(f"{name} · {text}" for text in facts(explanation)), name)


def _same(name: str, step: DriveStep) -> tuple[str, ...]:
    """Return what is said of B: only what differs from A is worth a word."""
    decision = step.decision
    assert decision.shadow is not None
    own, other = decision.explanation, decision.shadow.explanation
    if own is None or other is None or own.meaning != other.meaning:
        b = own if compare.letter(decision) == "B" else other
        return _of(name, b)
    return (
        f"{name} · same method, layer and scale",
        f"{name} · same method and scale",
        f"{name} · same scale",
        name,
    )
