"""Is the gradient that a runtime answers the gradient of the steering that it answers?

Some runtimes compute a wrong one in silence, with the right steering: OpenVINO 2026.4 does, where
one constant feeds a convolution and its transpose. So each network is asked when it is loaded.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Inputs, Network, Query
from carla_saliency.errors import BadInputError

logger = logging.getLogger(__name__)

# Parts of the input's range. Central differences cross the kinks of relu and maxima in large steps
# (a published network was 98 % off at 2e-2, and right at 2e-5) and lose float32's digits in small
# ones, so a slope is believed where two neighbouring steps agree on it.
STEPS = np.array([1e-3, 3e-4, 1e-4, 3e-5, 1e-5])
BELIEVED = 0.01
DIGITS = 50  # a change must be this many times what float32 can show
EPSILON = float(np.finfo(np.float32).eps)
TOLERANCE = 0.05


def check_gradient(
    network: Network,
    input_shape: tuple[int, int, int],
    ranges: Iterable[tuple[float, float]] = ((0.0, 255.0),),
    directions: int = 3,
    seed: int = 0,
) -> None:
    """Compare the gradient with finite differences along a few directions.

    One direction follows the gradient itself on a random half of the pixels (a wrong scale or place
    shows), the others are random (a missing part shows). A direction that disagrees is asked again
    around another picture before the network is refused: one may lie on a kink.

    Args:
        network: To be asked.
        input_shape: Rows, columns, channels.
        ranges: Lowest and highest value of the encoded image, one or several to be tried.
        directions: How many for each range.
        seed: Of the random pictures and directions.

    Raises:
        BadInputError: If it disagrees, or the steering is not a number.
    """
    rng = np.random.default_rng(seed)
    for low, high in ranges:
        for attempt in (1, 2, 3):
            worst = _worst_disagreement(network, input_shape, low, high, directions, rng)
            logger.debug("gradient check in %g..%g, attempt %d: %.4f", low, high, attempt, worst)
            if worst <= TOLERANCE:
                break
        else:
            raise BadInputError(
                "the gradient must agree with finite differences of the steering to "
                f"{TOLERANCE:.0%}, received {worst:.0%}: this runtime computes a "
                "wrong map for this network; please report it with the model file"
            )


def _worst_disagreement(
    network: Network,
    shape: tuple[int, int, int],
    low: float,
    high: float,
    count: int,
    rng: np.random.Generator,
) -> float:
    """Return the largest relative difference over the directions that can be measured."""
    span = high - low
    image = rng.uniform(low, high, shape).astype(np.float32)
    answer = network.run(Query(), Inputs(image[None]))
    gradient = answer.gradients[0, 0].astype(np.float64)
    if not np.isfinite(answer.steering).all() or not np.isfinite(gradient).all():
        raise BadInputError(
            "the network answers NaN or infinity to a random picture: its weights are damaged"
        )
    towards = _directions(gradient, count, rng)
    steps = (span * STEPS)[None, :, None, None, None] * towards[:, None]
    plus, minus = (
        (image + sign * steps).astype(np.float32).reshape(-1, *shape) for sign in (1, -1)
    )
    pushes = (plus.astype(np.float64) - minus).reshape(count, len(STEPS), *shape) * gradient
    steering = network.steer(Inputs(np.concatenate([plus, minus]))).astype(np.float64)
    measured = np.subtract(*np.split(steering, 2)).reshape(count, len(STEPS))
    # what is usual for a random direction: one may happen to be across the gradient
    usual = np.sqrt((pushes**2).sum((2, 3, 4)))
    return _disagreement(
        measured, pushes.sum((2, 3, 4)), usual, float(np.abs(steering).max()) * EPSILON
    )


def _disagreement(
    measured: NDArray[np.float64],
    expected: NDArray[np.float64],
    usual: NDArray[np.float64],
    digit: float,
) -> float:
    """Return the largest relative difference of slopes, where the measured one is to be believed.

    Args:
        measured: Changes of the steering, (directions, steps).
        expected: The same, by the gradient.
        usual: What a random direction of that length brings, by the gradient.
        digit: The smallest change that the steering's float32 can show.
    """
    scale = np.max([np.abs(measured), np.abs(expected), usual], axis=0)
    scale[scale == 0] = 1  # a dead network: nothing is measured, nothing expected
    slopes = measured / STEPS
    apart = np.abs(np.diff(slopes, axis=1)) / (scale / STEPS)[:, 1:]
    apart[scale[:, 1:] < DIGITS * digit] = np.inf  # a saturated one: all is lost in rounding
    best = apart.argmin(axis=1)
    rows = np.arange(len(measured))
    off = (np.abs(measured - expected) / scale)[rows, best + 1]
    return float(np.where(apart[rows, best] <= BELIEVED, off, 0.0).max())


def _directions(
    gradient: NDArray[np.float64], count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return (count, H, W, C) of mean square 1: the first along half of the gradient."""
    towards = rng.standard_normal((count, *gradient.shape))
    along = gradient * (rng.random(gradient.shape) < 0.5)
    if along.any():
        towards[0] = along / np.sqrt((along**2).mean())
    return towards
