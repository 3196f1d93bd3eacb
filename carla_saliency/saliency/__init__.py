"""Saliency methods: one file each, and the table from name to class.

    explainer = METHODS["contrast"](network, preprocess)
    explanation = explainer.explain(frame)

To add one: write a class like `Gradient` in a file of its own and name it here.
"""

from __future__ import annotations

from carla_saliency.saliency.abs_gradient import AbsGradient
from carla_saliency.saliency.contrast import Contrast
from carla_saliency.saliency.gradient import Gradient
from carla_saliency.saliency.gradient_x_input import GradientXInput

METHODS: dict[str, type[Gradient]] = {
    Contrast.name: Contrast,
    Gradient.name: Gradient,
    GradientXInput.name: GradientXInput,
    AbsGradient.name: AbsGradient,
}
