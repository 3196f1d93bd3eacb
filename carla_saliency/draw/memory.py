"""What the painter remembers from step to step: the strips' past, flags, and the colour scales."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from carla_saliency.core import DriveStep, EventKind, Explanation, Findings
from carla_saliency.draw import compare
from carla_saliency.draw.history import Field, History
from carla_saliency.draw.scale import Keeper, Scales
from carla_saliency.draw.state import EventEntry, Tone, UiState
from carla_saliency.draw.words import Degrees

FLAG_EDGE = 10.0  # units, on both sides of a flag's words together
_HOLD_S = {"causal": 0.6, "shares": 0.6, "effects": 2.0, "check": 2.0}
"""For how long what was found out stays on the picture: some of it is asked every tenth tick."""

_TONES: dict[EventKind, Tone] = {
    EventKind.COLLISION: "failure",
    EventKind.INTERVENTION: "failure",
    EventKind.BOOKMARK: "high",
}


class Memory:
    """Takes each new step into account once.

    Args:
        tick_s: Simulated seconds between steps.
        degrees: Of network A and of network B.
        width: Of a text, in units.
        own: Each frame is scaled to itself.
        car_width_m: Of the live car; None leaves the room in the lane out.
        nominal: What is usual for A's and for B's maps, see `Scales`.

    Attributes:
        history: Of the strips.
        scales: Of the maps of A and of B.
        last: The step that was painted last, also one of the past; None before the first.
    """

    def __init__(
        self,
        tick_s: float,
        degrees: dict[compare.Letter, Degrees],
        width: Callable[[str], float],
        own: bool,
        car_width_m: float | None,
        nominal: Mapping[compare.Letter, Mapping[str, float]],
    ) -> None:
        self.history = History(tick_s)
        self.scales = {
            name: Scales(d.of_map, own, nominal.get(name)) for name, d in degrees.items()
        }
        self.last: DriveStep | None = None
        self._newest: DriveStep | None = None
        self._degrees = degrees
        self._width = width
        self._tick_s = tick_s
        self._bookmark = 0
        self._car_width_m = car_width_m
        self._held: dict[str, tuple[float, Any]] = {}

    def take(self, step: DriveStep, state: UiState) -> bool:
        """Take a step into account.

        A step that was shown before, or one of the past while the world stands still, changes
        nothing but the scale of a method that is new.

        Returns:
            Whether the step is a new one.
        """
        frame, newest = step.observation.frame, self._newest
        past, same = False, False
        if newest is not None:
            past = state.inspection is not None and frame.sim_s <= self.history.now_s
            same = frame.frame_id == newest.observation.frame.frame_id
        new = not (past or same)
        if new:
            self._remember(step)
            for name in _HOLD_S:
                if (value := getattr(step.findings, name)) is not None:
                    self._held[name] = frame.sim_s, value
        self._rescale(step, state, past)
        if new:
            self._flag_events(step)
            self._newest = step
        self._flag_bookmarks(state.events)
        self.last = step
        return new

    def retell(self, steps: Iterable[DriveStep]) -> None:
        """Forget the strips' past, and take these steps for it; the scales stay."""
        self.history = History(self._tick_s)
        self._held.clear()
        self._newest, self._bookmark = None, 0
        for step in steps:
            self._remember(step)
            self._flag_events(step)
            self._newest = step

    def found(self, step: DriveStep, state: UiState) -> Findings:
        """Return what was found out, with what is not asked on every tick, for as long as it holds.

        While the world stands still, only what was found out about the very frame.
        """
        findings = step.findings
        if state.inspection is not None:
            return findings
        now_s, held = step.observation.frame.sim_s, {}
        for name, (since_s, value) in self._held.items():
            if getattr(findings, name) is None and 0 <= now_s - since_s < _HOLD_S[name]:
                held[name] = value
        return replace(findings, **held) if held else findings

    # -------------------------------------------------------------- the strips

    def _remember(self, step: DriveStep) -> None:
        observation, decision = step.observation, step.decision
        live = self._degrees["A"]  # what was sent is the same for both
        values = {
            Field.SPEED_KMH: observation.speed_mps * 3.6,
            Field.NOT_NETWORK: float(decision.driver != "network"),
        }
        values |= self._networks(step)
        if decision.expert_steering is not None:
            values[Field.EXPERT] = live.of_command(decision.expert_steering)
        if decision.driver in ("manual", "autopilot", "owner"):
            control = decision.control if observation.applied is None else observation.applied
            values[Field.BY_HAND] = live.of_command(control.steering)
        if observation.lane is not None:
            values[Field.OFFSET_M] = observation.lane.offset_m
            if self._car_width_m is not None:
                values[Field.ROOM_M] = (observation.lane.width_m - self._car_width_m) / 2
        shares = step.findings.shares
        self.history.add(observation.frame.sim_s, values, None if shares is None else shares.share)

    def _networks(self, step: DriveStep) -> dict[Field, float]:
        """Return the steering of A and B, whoever of them drives."""
        decision = step.decision
        letter, shadow = compare.letter(decision), decision.shadow
        live = self._degrees["A"]
        found: dict[Field, float] = {}
        own = Field.NETWORK if letter == "A" else Field.OTHER
        other = Field.OTHER if letter == "A" else Field.NETWORK
        network, explanation = decision.network_steering, decision.explanation
        if network is not None:  # of this frame, whichever the map explains
            found[own] = live.of_command(network)
        elif explanation is not None and explanation.frame_id == step.observation.frame.frame_id:
            found[own] = self._degrees[letter].of_network(explanation.steering)
        if shadow is not None and shadow.command is not None:
            found[other] = live.of_command(shadow.command)
        comparison = step.findings.comparison
        if comparison is not None:
            found[Field.DIFFERENCE] = live.of_command(comparison.difference)
        elif Field.NETWORK in found and Field.OTHER in found:
            found[Field.DIFFERENCE] = found[Field.OTHER] - found[Field.NETWORK]
        return found

    def _flag_events(self, step: DriveStep) -> None:
        driver, newest, frame = step.decision.driver, self._newest, step.observation.frame
        if newest is not None and driver != newest.decision.driver:
            self.flag({"manual": "by hand"}.get(driver, driver), "mid")
        for event in (*step.observation.events, *step.findings.events):
            text = event.kind.value
            if event.kind is EventKind.NETWORKS:  # their number says more than their kind
                text = event.text.partition(":")[0] or text
            ago_s = (frame.frame_id - event.frame_id) * self._tick_s
            self.flag(text, _TONES.get(event.kind, "warning"), frame.sim_s - max(0.0, ago_s))

    def _flag_bookmarks(self, events: Sequence[EventEntry]) -> None:
        """Flag what a person kept: no step knows of that."""
        for event in events:
            if event.kind is EventKind.BOOKMARK and event.number > self._bookmark:
                self._bookmark = event.number
                self.flag(f"bookmark {event.number}", "high", event.sim_s)

    def flag(self, text: str, tone: Tone, sim_s: float | None = None) -> None:
        """Put a word at a moment; None = the newest."""
        self.history.flag(text, tone, self._width(text) + FLAG_EDGE, sim_s)

    # -------------------------------------------------------------- the scales

    def _rescale(self, step: DriveStep, state: UiState, past: bool) -> None:
        """Let the scales follow the maps, but not where the expert must steer.

        A network that can't know where to go pulls ten times as hard in all directions there, and
        would leave half a minute of grey maps behind.
        """
        decision, lane = step.decision, step.observation.lane
        usual = lane is None or not lane.expert_must_steer
        letter = compare.letter(decision)
        if decision.explanation is not None:
            change = self._add(letter, decision.explanation, step, usual, state, past)
            if change:
                self.flag(change, "mid")
        if decision.shadow is not None and decision.shadow.explanation is not None:
            other: compare.Letter = "A" if letter == "B" else "B"
            self._add(other, decision.shadow.explanation, step, usual, state, past)

    def _add(
        self,
        letter: compare.Letter,
        explanation: Explanation,
        step: DriveStep,
        usual: bool,
        state: UiState,
        past: bool,
    ) -> str:
        scales = self.scales[letter]
        if past and scales.of(explanation) is not None:
            return ""  # an old frame must not take part twice
        now_s = self.history.now_s if past else step.observation.frame.sim_s
        return scales.add(explanation, now_s, usual, state.scale_locked)

    def keeper(self, letter: compare.Letter, explanation: Explanation | None) -> Keeper | None:
        """Return the scale of a network's maps like this one; None before the first of them."""
        return self.scales[letter].of(explanation)
