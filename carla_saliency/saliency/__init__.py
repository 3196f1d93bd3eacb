"""Saliency methods: one file each, and the table from name to class.

    explainer = METHODS["contrast"](network, feed)
    explanation = explainer.explain(frame)

To add one: write a class like `Gradient` in a file of its own and name it here.
"""

from __future__ import annotations

from carla_saliency.saliency.abs_gradient import AbsGradient
from carla_saliency.saliency.change import ChangeExplainer
from carla_saliency.saliency.contrast import Contrast
from carla_saliency.saliency.convolutions import default_layer
from carla_saliency.saliency.gradcam import GradCam
from carla_saliency.saliency.gradcam_plus_plus import GradCamPlusPlus
from carla_saliency.saliency.gradient import Gradient
from carla_saliency.saliency.gradient_x_input import GradientXInput
from carla_saliency.saliency.guided import Guided
from carla_saliency.saliency.integrated_gradients import IntegratedGradients
from carla_saliency.saliency.keras_vis import KerasVis
from carla_saliency.saliency.layercam import LayerCam
from carla_saliency.saliency.method import Method
from carla_saliency.saliency.occlusion import Occlusion
from carla_saliency.saliency.options import Options
from carla_saliency.saliency.rise import Rise
from carla_saliency.saliency.shadow import ShadowExplainer
from carla_saliency.saliency.smoothgrad import SmoothGrad
from carla_saliency.saliency.targets import change, towards_expert
from carla_saliency.saliency.vargrad import VarGrad
from carla_saliency.saliency.visualbackprop import VisualBackProp

__all__ = [
    "METHODS",
    "ChangeExplainer",
    "Method",
    "Options",
    "ShadowExplainer",
    "change",
    "default_layer",
    "towards_expert",
]

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        Contrast,
        Gradient,
        AbsGradient,
        GradientXInput,
        Guided,
        SmoothGrad,
        VarGrad,
        IntegratedGradients,
        GradCam,
        GradCamPlusPlus,
        LayerCam,
        VisualBackProp,
        Occlusion,
        Rise,
        KerasVis,
    )
}
