"""Activations as ONNX nodes, forward and backward: the table `ACTIVATIONS`, by Keras's names.

Each takes the builder, the name of its input and its settings, and returns the name of its output
and the way back. Where the derivative follows from the output, the input is not kept. At a kink the
derivative is TensorFlow's: that of the left side.

Masks are numbers that are multiplied: `Where` takes seven times as long in onnxruntime.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from carla_saliency.network.onnx_builder import Backward, GraphBuilder

Emitted = tuple[str, Backward]
Activation = Callable[..., Emitted]


def linear(b: GraphBuilder, x: str) -> Emitted:
    """Nothing at all."""
    return x, lambda g: g


def relu(
    b: GraphBuilder,
    x: str,
    max_value: float | None = None,
    negative_slope: float = 0.0,
    threshold: float = 0.0,
) -> Emitted:
    """X above the threshold but not more than `max_value`, slope * (x - threshold) below it."""
    if max_value is None and not threshold:
        if negative_slope:
            return leaky_relu(b, x, negative_slope)
        y = b.op("Relu", x)
        return y, lambda g: b.op("Mul", g, b.mask(y))
    if not threshold and not negative_slope:
        y = b.op("Clip", x, b.constant(0.0), b.constant(max_value))
        return y, lambda g: b.op("Mul", g, b.mask(y, 0.0, max_value))

    start, slope = b.constant(threshold), b.constant(negative_slope)
    above = b.mask(x, threshold)
    high = x if max_value is None else b.op("Min", x, b.constant(max_value))
    low = b.op("Mul", b.op("Min", b.op("Sub", x, start), b.constant(0.0)), slope)

    def backward(g: str) -> str:
        rising = b.mask(x, threshold, max_value)
        falling = b.op("Mul", b.op("Sub", b.constant(1.0), above), slope)
        return b.op("Mul", g, b.op("Add", rising, falling))

    return b.op("Add", b.op("Mul", above, high), low), backward


def leaky_relu(b: GraphBuilder, x: str, slope: float = 0.2) -> Emitted:
    """X above 0, slope x below; 0.2 is what Keras's activation of that name has."""

    def backward(g: str) -> str:
        # slope below, and 1 = slope + (1 - slope) above
        above = b.op("Mul", b.mask(x), b.constant(1 - slope))
        return b.op("Mul", g, b.op("Add", above, b.constant(slope)))

    return b.op("LeakyRelu", x, alpha=slope), backward


def elu(b: GraphBuilder, x: str, alpha: float = 1.0) -> Emitted:
    """X above 0, alpha (exp(x) - 1) below.

    Not by ONNX's Elu, which takes twice as long and leaves no exponential for the way back.
    """
    rate = b.op("Exp", b.op("Min", x, b.constant(0.0)))
    below = b.op("Sub", rate, b.constant(1.0))
    if alpha == 1.0:
        return b.op("Max", x, below), lambda g: b.op("Mul", g, rate)
    factor = b.constant(alpha)

    def backward(g: str) -> str:
        # alpha exp(x) below, and 1 = alpha + (1 - alpha) above
        above = b.op("Mul", b.mask(x), b.constant(1 - alpha))
        return b.op("Mul", g, b.op("Add", b.op("Mul", rate, factor), above))

    return b.op("Add", b.op("Relu", x), b.op("Mul", below, factor)), backward


def selu(b: GraphBuilder, x: str) -> Emitted:
    """The scaled elu of Klambauer et al. 2017."""
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    y, through_elu = elu(b, x, alpha)
    factor = b.constant(scale)
    return b.op("Mul", y, factor), lambda g: through_elu(b.op("Mul", g, factor))


def tanh(b: GraphBuilder, x: str) -> Emitted:
    """The hyperbolic tangent."""
    y = b.op("Tanh", x)
    return y, lambda g: b.op("Mul", g, b.op("Sub", b.constant(1.0), b.op("Mul", y, y)))


def sigmoid(b: GraphBuilder, x: str) -> Emitted:
    """1 / (1 + exp(-x))."""
    y = b.op("Sigmoid", x)
    return y, lambda g: b.op("Mul", g, b.op("Mul", y, b.op("Sub", b.constant(1.0), y)))


def log_sigmoid(b: GraphBuilder, x: str) -> Emitted:
    """log(sigmoid(x)), which is -softplus(-x)."""
    y, through_softplus = softplus(b, b.op("Neg", x))
    return b.op("Neg", y), through_softplus


def softplus(b: GraphBuilder, x: str) -> Emitted:
    """log(1 + exp(x)), which is max(x, 0) + log(1 + exp(-|x|)).

    Not by ONNX's Softplus, which takes ten times as long.
    """
    power = b.op("Exp", b.op("Neg", b.op("Abs", x)))
    y = b.op("Add", b.op("Relu", x), b.op("Log", b.op("Add", power, b.constant(1.0))))
    return y, lambda g: b.op("Mul", g, b.op("Sigmoid", x))


def softsign(b: GraphBuilder, x: str) -> Emitted:
    """X / (1 + |x|); its derivative is (1 - |y|)²."""
    y = b.op("Softsign", x)

    def backward(g: str) -> str:
        rest = b.op("Sub", b.constant(1.0), b.op("Abs", y))
        return b.op("Mul", g, b.op("Mul", rest, rest))

    return y, backward


def silu(b: GraphBuilder, x: str) -> Emitted:
    """X sigmoid(x), also called swish."""
    s = b.op("Sigmoid", x)
    y = b.op("Mul", x, s)

    def backward(g: str) -> str:
        rest = b.op("Mul", y, b.op("Sub", b.constant(1.0), s))
        return b.op("Mul", g, b.op("Add", s, rest))

    return y, backward


def mish(b: GraphBuilder, x: str) -> Emitted:
    """X tanh(softplus(x)), of Misra 2019."""
    y, _ = softplus(b, x)
    t = b.op("Tanh", y)

    def backward(g: str) -> str:
        rest = b.op("Mul", b.op("Sub", b.constant(1.0), b.op("Mul", t, t)), b.op("Sigmoid", x))
        return b.op("Mul", g, b.op("Add", t, b.op("Mul", x, rest)))

    return b.op("Mul", x, t), backward


def exponential(b: GraphBuilder, x: str) -> Emitted:
    """exp(x)."""
    y = b.op("Exp", x)
    return y, lambda g: b.op("Mul", g, y)


def gelu(b: GraphBuilder, x: str) -> Emitted:
    """X times the normal distribution's cumulative (the exact form, Keras's default)."""
    half, one = b.constant(0.5), b.constant(1.0)
    error = b.op("Erf", b.op("Mul", x, b.constant(math.sqrt(0.5))))
    cumulative = b.op("Mul", half, b.op("Add", one, error))

    def backward(g: str) -> str:
        bell = b.op("Exp", b.op("Mul", b.op("Mul", x, x), b.constant(-0.5)))
        density = b.op("Mul", bell, b.constant(1 / math.sqrt(2 * math.pi)))
        return b.op("Mul", g, b.op("Add", cumulative, b.op("Mul", x, density)))

    return b.op("Mul", x, cumulative), backward


def ramp(b: GraphBuilder, x: str, slope: float, offset: float, low: float = 0.0) -> Emitted:
    """Slope x + offset, cut at `low` and 1."""
    line = x if slope == 1.0 else b.op("Mul", x, b.constant(slope))
    line = b.op("Add", line, b.constant(offset)) if offset else line
    y = b.op("Clip", line, b.constant(low), b.constant(1.0))

    def backward(g: str) -> str:
        inside = b.mask(y, low, 1.0)
        return b.op("Mul", g, inside if slope == 1.0 else b.op("Mul", inside, b.constant(slope)))

    return y, backward


def hard_sigmoid(b: GraphBuilder, x: str) -> Emitted:
    """X / 6 + 0.5, cut at 0 and 1, as Keras 3 has it."""
    return ramp(b, x, 1 / 6, 0.5)


def hard_sigmoid_keras2(b: GraphBuilder, x: str) -> Emitted:
    """X / 5 + 0.5, cut at 0 and 1: what was called hard_sigmoid before Keras 3."""
    return ramp(b, x, 0.2, 0.5)


def hard_silu(b: GraphBuilder, x: str) -> Emitted:
    """X hard_sigmoid(x), also called hard swish."""
    s, through_sigmoid = hard_sigmoid(b, x)
    return b.op("Mul", x, s), lambda g: b.op(
        "Add", b.op("Mul", g, s), through_sigmoid(b.op("Mul", g, x))
    )


def softmax(b: GraphBuilder, x: str, axis: int = 1) -> Emitted:
    """exp(x) as a share of its sum along an axis; 1 is the channels or units, as values flow."""
    y = b.op("Softmax", x, axis=axis)

    def backward(g: str) -> str:
        along = b.sum(b.op("Mul", g, y), (axis,))
        return b.op("Mul", y, b.op("Sub", g, along))

    return y, backward


def log_softmax(b: GraphBuilder, x: str) -> Emitted:
    """The logarithm of the softmax over channels or units."""
    y = b.op("LogSoftmax", x, axis=1)
    return y, lambda g: b.op("Sub", g, b.op("Mul", b.op("Exp", y), b.sum(g, (1,))))


ACTIVATIONS: dict[str, Activation] = {
    "linear": linear,
    "relu": relu,
    "relu6": lambda b, x: relu(b, x, 6.0),
    "leaky_relu": leaky_relu,
    "elu": elu,
    "celu": elu,  # the same for alpha 1, its default
    "selu": selu,
    "tanh": tanh,
    "hard_tanh": lambda b, x: ramp(b, x, 1.0, 0.0, -1.0),
    "sigmoid": sigmoid,
    "log_sigmoid": log_sigmoid,
    "hard_sigmoid": hard_sigmoid,
    "hard_sigmoid_keras2": hard_sigmoid_keras2,
    "softplus": softplus,
    "softsign": softsign,
    "silu": silu,
    "swish": silu,
    "hard_silu": hard_silu,
    "hard_swish": hard_silu,
    "mish": mish,
    "exponential": exponential,
    "gelu": gelu,
    "softmax": softmax,
    "log_softmax": log_softmax,
}
