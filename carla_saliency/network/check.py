"""Is the gradient that a runtime answers the gradient of the steering that it answers?

Some runtimes compute a wrong one in silence, with the right steering: OpenVINO 2026.4 does, where
one constant feeds a convolution and its transpose. So each network is asked when it is loaded.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Inputs, Network, Query
from carla_saliency.errors import BadInputError

logger = logging.getLogger(__name__)

# Parts of the input's range. Central differences cross the kinks of relu and maxima in large steps
# (a published network was 98 % off at 2e-2, and right at 2e-5) and lose float32's digits in small
# ones. So a step counts only if another one finds the same slope, and of these the one that agrees
# best: a wrong gradient is wrong at all.
STEPS = np.array([1e-3, 1e-4, 1e-5])
DIRECTIONS = 8
DIGITS = 50  # a change must be this many times what float32 can show
EPSILON = float(np.finfo(np.float32).eps)
TOLERANCE = 0.05


class NotFiniteError(BadInputError):
    """A network answers NaN or infinity."""


@dataclass(frozen=True)
class GradientCheck:
    """What a network's gradient was found to be.

    Attributes:
        ratio: Median over the directions of finite difference / gradient; None where nothing could
            be measured.
        dead: The gradient is exactly zero, and so is every difference: the steering does not depend
            on the picture.
    """

    ratio: float | None
    dead: bool = False


def check_gradient(
    network: Network,
    input_shape: tuple[int, ...],
    ranges: Iterable[tuple[float, float]] = ((0.0, 255.0),),
    speed: float | None = None,
    seed: int = 0,
) -> GradientCheck:
    """Compare the gradient with central differences along 8 directions at 3 step sizes.

    Four directions follow the gradient itself on random halves of the pixels: a wrong scale, sign
    or place shows in the median of their ratios. Four are random: a missing part shows in how far
    their differences are off. If either is, other pictures are tried before the network is refused:
    one may lie on a kink.

    Args:
        network: To be asked.
        input_shape: Of one image: rows, columns, channels; with the frames in front of them.
        ranges: Lowest and highest value of the encoded image; the next is tried where nothing can
            be measured in the one before, as where the output is saturated or overflows.
        speed: For a network that is told the speed.
        seed: Of the random pictures and directions.

    Raises:
        BadInputError: If it disagrees, or the steering is not a number.
    """
    rng = np.random.default_rng(seed)
    dead, ranges = True, list(ranges)
    for number, (low, high) in enumerate(ranges):
        try:
            result = _of_range(network, input_shape, low, high, speed, rng)
        except NotFiniteError:  # an exponential may overflow where it was not trained
            if number == len(ranges) - 1:
                raise
            continue
        if result.ratio is not None:
            return result
        dead &= result.dead
    return GradientCheck(None, dead)


def _of_range(
    network: Network,
    shape: tuple[int, ...],
    low: float,
    high: float,
    speed: float | None,
    rng: np.random.Generator,
) -> GradientCheck:
    for _ in range(3):
        measured = _Measured()
        _measure(network, shape, (low, high), speed, rng, measured)
        ratio, off = measured.medians()
        logger.debug("gradient check in %g..%g: ratio %s, off %s", low, high, ratio, off)
        if (ratio is None or abs(ratio - 1) <= TOLERANCE) and off <= TOLERANCE:
            return GradientCheck(ratio, measured.dead)
    received = f"{off:.0%} off" if ratio is None else f"a ratio of {ratio:.3g}, {off:.0%} off"
    raise BadInputError(
        "the gradient must agree with finite differences of the steering to "
        f"{TOLERANCE:.0%}, received {received}: this runtime computes a "
        "wrong map for this network; please report it with the model file"
    )


@dataclass
class _Measured:
    """One number for each direction that can be measured, at the step that agrees best."""

    ratios: list[float] = field(default_factory=list)
    off: list[float] = field(default_factory=list)
    dead: bool = True

    def medians(self) -> tuple[float | None, float]:
        """Return the ratio along the gradient, and the share that is off in random directions."""
        return (
            float(np.median(self.ratios)) if self.ratios else None,
            float(np.median(self.off)) if self.off else 0.0,
        )


def _measure(
    network: Network,
    shape: tuple[int, ...],
    ends: tuple[float, float],
    speed: float | None,
    rng: np.random.Generator,
    into: _Measured,
) -> None:
    low, high = ends
    image = rng.uniform(low, high, shape).astype(np.float32)
    answer = network.run(Query(), _inputs(image[None], speed))
    gradient = answer.gradients[0, 0].astype(np.float64)
    if not np.isfinite(answer.steering).all() or not np.isfinite(gradient).all():
        raise NotFiniteError(
            "the network answers NaN or infinity to a random picture: its weights are damaged"
        )
    into.dead &= not gradient.any()
    for number in range(DIRECTIONS):
        along = gradient * (rng.random(shape) < 0.5)
        follows = number % 2 == 0 and along.any()
        # no pixel goes further than in the random directions: a gradient may have few large ones
        towards = 3 * along / np.abs(along).max() if follows else rng.standard_normal(shape)
        steps = ((high - low) * STEPS).reshape(-1, *[1] * len(shape)) * towards
        plus, minus = ((image + sign * steps).astype(np.float32) for sign in (1, -1))
        pushes = ((plus.astype(np.float64) - minus) * gradient).reshape(len(STEPS), -1)
        expected, usual = pushes.sum(1), np.sqrt((pushes**2).sum(1))
        steering = network.steer(_inputs(np.concatenate([plus, minus]), speed)).astype(np.float64)
        measured = np.subtract(*np.split(steering, 2))
        into.dead &= not measured.any()
        # what is usual for a random direction: one may happen to be across the gradient
        scale = np.max([np.abs(measured), np.abs(expected), usual], axis=0)
        seen = scale > DIGITS * EPSILON * np.abs(steering).max()
        length = np.sqrt(((plus.astype(np.float64) - minus) ** 2).reshape(len(STEPS), -1).sum(1))
        seen &= _settled(measured / length, scale / length, seen)
        if not seen.any():  # saturated, where all is lost in rounding, or on kinks or jumps
            continue
        if follows:
            ratios = measured[seen] / expected[seen]
            into.ratios.append(float(ratios[np.abs(ratios - 1).argmin()]))
        else:
            into.off.append(float((np.abs(measured - expected) / scale)[seen].min()))


def _settled(
    slopes: NDArray[np.float64], scales: NDArray[np.float64], seen: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Say of each step whether another one that can be seen finds the same slope."""
    apart = np.abs(slopes[:, None] - slopes)
    same = apart <= TOLERANCE * np.maximum(scales[:, None], scales)
    return np.asarray((same & seen & ~np.eye(len(slopes), dtype=bool)).any(axis=1))


def _inputs(image: NDArray[np.float32], speed: float | None) -> Inputs:
    if speed is None:
        return Inputs(image)
    return Inputs(image, np.full((len(image), 1), speed, np.float32))
