"""One finished tick."""

from __future__ import annotations

from dataclasses import dataclass

from carla_saliency.core.driving import Decision, Observation
from carla_saliency.core.findings import Findings

NOTHING_FOUND = Findings()


@dataclass(frozen=True, slots=True)
class DriveStep:
    """One finished tick: picture and map are of the same frame.

    Attributes:
        observation: What was seen.
        decision: What was done about it, and why.
        findings: What was found out about the map afterwards.
    """

    observation: Observation
    decision: Decision
    findings: Findings = NOTHING_FOUND
