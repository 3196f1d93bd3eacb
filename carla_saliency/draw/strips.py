"""The strips of the last 20 s with their legends: what the lower one holds is a matter of state."""

from __future__ import annotations

from carla_saliency.core import NOTHING_FOUND, PUT_BACK_M, DriveStep, Findings
from carla_saliency.draw import classes, compare, inspecting, legend, traces
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.history import History
from carla_saliency.draw.state import UiState
from carla_saliency.draw.words import Degrees


def mode(step: DriveStep | None, state: UiState) -> traces.Mode:
    """Return what the lower strip holds."""
    if state.inspection is not None:
        return "inspect" if state.inspection.strip == "layers" else "classes"
    if step is not None and compare.shown(step.decision, state):
        return "compare"
    return "lane" if state.strip == "lane" else "classes"


def draw(
    canvas: Canvas,
    history: History,
    step: DriveStep | None,
    state: UiState,
    degrees: Degrees,
    top_kmh: float,
    *,
    known: bool = True,
) -> None:
    """Draw both strips and their legends.

    Args:
        canvas: Is drawn on.
        history: Of the drive.
        step: What is shown; None before the first.
        state: Everything else.
        degrees: Of the network's steering, and of the wheels.
        top_kmh: At the top of the speed's strip.
        known: Whether the values are still true.
    """
    of, inspection = mode(step, state), state.inspection
    driver = step.decision.driver if known and step is not None else None
    roles = None if step is None else _roles(step, state)
    back_s = 0.0 if inspection is None else inspection.back_s
    traces.steering(canvas, history, degrees.strip_limit, of)
    named = of if inspection is None else "inspect"
    legend.steering(canvas, history, degrees, driver, roles, named, back_s)
    if inspection is not None:
        inspecting.cursor(canvas, inspection)
    if inspection is not None and of == "inspect":
        explanation = None if step is None else step.decision.explanation
        steering = 0.0 if explanation is None else explanation.steering
        inspecting.activations(canvas, inspection, degrees, steering)
    elif of == "lane":
        traces.lane_offset(canvas, history, PUT_BACK_M)
        traces.speed(canvas, history, top_kmh)
        legend.lane(canvas, history, known)
    else:
        found = step.findings if known and step is not None else NOTHING_FOUND
        if of == "classes":
            _classes(canvas, history, found, state, degrees)
        else:
            compare.strip(canvas, history, degrees)
            compare.values(canvas, history, degrees, found.comparison, state.events)
    traces.flags(canvas, history, of)
    if of == "classes" and state.usual_on_road is not None and not state.no_classes:
        classes.usual(canvas, state.usual_on_road)


def _roles(step: DriveStep, state: UiState) -> tuple[str, str] | None:
    """Return what A and B do; in a recorded drive nobody drives by being looked at."""
    roles = compare.roles(step.decision)
    if roles is None or not state.replay or state.inspection is None:
        return roles
    of_a = compare.letter(step.decision) == "A"
    return ("inspected", "beside it") if of_a else ("beside it", "inspected")


def _classes(
    canvas: Canvas, history: History, found: Findings, state: UiState, degrees: Degrees
) -> None:
    if state.no_classes:
        classes.none(canvas, state.no_classes)
    else:
        classes.strip(canvas, history)
    strip = state.strip if state.inspection is None else state.inspection.strip
    if strip == "lift":
        classes.lifts(canvas, found.shares)
    else:
        classes.legend(canvas, found.shares, found.effects, degrees)
