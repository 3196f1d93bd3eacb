"""What a saliency method may be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from carla_saliency.errors import BadInputError

Towards = Literal["right", "left", "both"]
BaselineKind = Literal["black", "blurred", "mean"]
Backprop = Literal["none", "guided", "relu"]
GradModifier = Literal["none", "absolute", "negate", "invert", "relu", "small_values"]

CHOICES: dict[str, Any] = {
    "towards": Towards,
    "baseline": BaselineKind,
    "backprop": Backprop,
    "grad": GradModifier,
}
AT_LEAST_ONE = ("steps", "samples", "masks", "mask_cells")


@dataclass(frozen=True)
class Options:
    """Settings of the methods; each takes what it knows and leaves the rest.

    Attributes:
        layer: Class activation maps: the layer at which the steering is attributed. All other
            methods: the layer whose output is explained. None = the method's own choice: a
            convolution, and the steering.
        linear: The last activation of the network is replaced by linear before it is explained.
        towards: Class activation maps: what speaks for the right or for the left, without a sign;
            or both, with one.
        baseline: What a pixel is compared with by integrated gradients, occlusion and RISE: black,
            its blurred surroundings, or the mean of the frames so far.
        steps: Of integrated gradients, along the path from the baseline.
        samples: Noisy pictures of SmoothGrad and VarGrad.
        noise: Their standard deviation, as a part of 255 grey levels.
        masks: Of RISE.
        mask_cells: Of RISE and occlusion: from top to bottom; the cells are square.
        seed: Of all that is random: a frame has the same map each time.
        backprop: keras-vis's backprop modifier.
        grad: keras-vis's grad modifier.

    Raises:
        BadInputError: If a value is not one of these, or a number is too small.
    """

    layer: str | None = None
    linear: bool = False
    towards: Towards = "right"
    baseline: BaselineKind = "blurred"
    steps: int = 32
    samples: int = 25
    noise: float = 0.15
    masks: int = 500
    mask_cells: int = 6
    seed: int = 0
    backprop: Backprop = "none"
    grad: GradModifier = "absolute"

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            value, choices = getattr(self, name), get_args(allowed)
            if value not in choices:
                raise BadInputError(f"{name} must be one of {', '.join(choices)}, received {value}")
        for name in AT_LEAST_ONE:
            value = getattr(self, name)
            if value < 1:
                raise BadInputError(f"{name} must be at least 1, received {value}")
        if not 0 <= self.noise < float("inf"):  # false for NaN too
            raise BadInputError(
                f"noise must be 0 or more of 255 grey levels, received {self.noise}"
            )


DEFAULTS = Options()
