"""A network at the wheel of one car: what its steering means there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from carla_saliency.core import Car, Contract, Explainer

_SIDEWAYS_DEG = 89.0  # the tangent has no value at 90


@dataclass(frozen=True)
class Seat:
    """One network that can steer the live car.

    Attributes:
        title: Its name, for the window.
        explainers: Its saliency methods by name, in the order that a key walks through them.
        car: The live one.
        contract: Of the network; None if nobody knows what it learned on: then its output is sent
            as it is, as steering.
    """

    title: str
    explainers: Mapping[str, Explainer]
    car: Car
    contract: Contract | None

    def command(self, steering: float) -> float:
        """Return the steering that leads the live car along the arc that the network meant.

        What the network learned is what the expert sent, the steering curve divided out; so the
        curve, which is nearly the same for all of CARLA's cars, has no place here.
        """
        if self.contract is not None:
            learned, live = self.contract, self.car
            wheel_deg = min(max(steering * learned.max_steer_deg, -_SIDEWAYS_DEG), _SIDEWAYS_DEG)
            arc = math.tan(math.radians(wheel_deg)) / learned.wheelbase_m
            steering = math.degrees(math.atan(arc * live.wheelbase_m)) / live.max_steer_deg
        return min(max(steering, -1.0), 1.0)

    @property
    def rescaling(self) -> float | None:
        """What small steering is multiplied by for the live car; None if it is 1."""
        if self.contract is None:
            return None
        learned, live = self.contract, self.car
        factor = (learned.max_steer_deg / live.max_steer_deg) * (
            live.wheelbase_m / learned.wheelbase_m
        )
        return None if math.isclose(factor, 1.0, abs_tol=5e-3) else factor

    @property
    def rescaling_text(self) -> str:
        """One line that says how steering is rescaled, and why; "" if it is not."""
        if self.contract is None or (factor := self.rescaling) is None:
            return ""
        learned, live = self.contract, self.car
        return (
            f"steering × {factor:.2f}: {live.blueprint} turns its wheels by "
            f"{live.max_steer_deg:.0f}° and has {live.wheelbase_m:.2f} m "
            f"between its axles; {learned.name} learned on "
            f"{learned.max_steer_deg:.0f}° and {learned.wheelbase_m:.2f} m"
        )
