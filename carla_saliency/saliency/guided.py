"""Guided backpropagation (Springenberg et al. 2015, arXiv:1412.6806).

The gradient, but at every activation except the last it only passes where both the activation's
input and the gradient are positive. The maps are sharp; they are also known to follow the edges of
the picture more than the network's weights (Adebayo et al. 2018, arXiv:1810.03292).
"""

from __future__ import annotations

from carla_saliency.saliency.gradient import Gradient


class Guided(Gradient):
    """Explains a frame by the gradient that only positive paths let through."""

    name = "guided"
    title = "guided backpropagation"
    hint = ("brighter along positive paths", "would push the steering this way")
    rule = "guided"
