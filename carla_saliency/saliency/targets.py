"""Other questions than "why this steering": why did it change, and why not as the expert."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from carla_saliency.core import Array, Explanation, Inputs, Meaning, Network, Query, Seen
from carla_saliency.errors import BadInputError
from carla_saliency.saliency.colours import added
from carla_saliency.saliency.integrated_gradients import IntegratedGradients, midpoints
from carla_saliency.saliency.method import BLACK_BOX, require_finite
from carla_saliency.saliency.sampled import BATCH

CHANGE = Meaning(
    title="change since the frame before · integrated gradients",
    unit="deg / pixel",
    left="turned it left",
    right="turned it right",
    hint=("what changed here turned", "the steering left or right"),
)


def change(network: Network, before: Seen, now: Seen, steps: int = 32) -> Explanation:
    """Return what turned the steering from one frame to the next, (H, W) on the grid.

    Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) on the straight way between
    what the network was given for the two frames: older frames that it remembers and the speed
    change along. All values together are the change of the steering, up to what the speed adds.

    Args:
        network: Whose steering it is.
        before: The frame that it is compared with.
        now: The frame that is explained.
        steps: Along the way, at least 1.

    Raises:
        BadInputError: If the network has no gradient, or answers NaN or infinity.
    """
    if not network.has_gradient:
        raise BadInputError(
            "the change since the frame before needs the network's gradient, and this network "
            f"has none: explain its steering with one of {BLACK_BOX}"
        )
    way = now.inputs.image[0] - before.inputs.image[0]
    shares = midpoints(steps)
    total = np.zeros(way.shape)
    for start in range(0, steps, BATCH):
        answer = network.run(Query(), _between(before, now, shares[start : start + BATCH]))
        total += answer.gradients[:, 0].sum(axis=0, dtype=np.float64)
    values = added(total / steps * way)
    if values.ndim == 3:
        values = values.sum(axis=0)  # the frames that a network remembers show the same place
    steering = float(network.steer(now.inputs)[0])
    require_finite(now, steering, values)
    return Explanation(
        now.frame_id, IntegratedGradients.name, steering, values.astype(np.float32), CHANGE
    )


def _between(before: Seen, now: Seen, shares: Array) -> Inputs:
    """Return a batch on the way from one frame's inputs to the other's."""

    def mix(a: Array, b: Array) -> Array:
        share = shares.reshape(-1, *(1,) * (a.ndim - 1))
        return np.asarray(a + share * (b - a), np.float32)

    one, two = before.inputs, now.inputs
    if one.speed is None or two.speed is None:
        return Inputs(mix(one.image, two.image))
    return Inputs(mix(one.image, two.image), mix(one.speed, two.speed))


def towards_expert(explanation: Explanation, network_minus_expert: float) -> Explanation:
    """Return the map with its sign meaning towards the expert (negative) or away from it.

    The expert does not depend on pixels, so this is the map of the difference.

    Args:
        explanation: Of the steering, by a method with a sign.
        network_minus_expert: Steering of the network minus the expert's; 0 gives zeros.

    Raises:
        BadInputError: If the map has no sign, or is of another layer.
    """
    meaning = explanation.meaning
    if not meaning.signed or meaning.of != "steering":
        raise BadInputError(
            "the difference to the expert needs a map of the steering with a sign, received "
            f"{meaning.title}: use contrast or another method that tells left from right"
        )
    return replace(
        explanation,
        attribution=explanation.attribution * np.float32(np.sign(network_minus_expert)),
        meaning=replace(
            meaning,
            title=f"{meaning.title} · network − expert",
            left="towards the expert",
            right="away from the expert",
            hint=("pushes the steering towards", "the expert, or away from it"),
        ),
    )
