"""A small steering network in float64 NumPy, and a feed: the reference that methods are tested on.

Layers are a chain of convolutions (valid, with strides), one flattening and dense layers; written
as the sums they are, so that they share nothing with the product's graphs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Answer, Array, Frame, Inputs, LayerInfo, Query, Seen

Values = NDArray[Any]

ACTIVATIONS = {
    "linear": (lambda x: x, lambda x: np.ones_like(x)),
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(float)),
    "elu": (lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
            lambda x: np.exp(np.minimum(x, 0))),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One layer: a kernel (rows, columns, in, out) is a convolution, (in, out) a dense layer."""

    name: str
    kernel: Values
    bias: Values
    strides: tuple[int, int] = (1, 1)
    activation: str = "linear"

    @property
    def convolves(self) -> bool:
        return self.kernel.ndim == 4

    def windows(self, x: Values) -> Values:
        """Return the view (N, rows, columns, in, kernel rows, kernel columns)."""
        seen = np.lib.stride_tricks.sliding_window_view(x, self.kernel.shape[:2], axis=(1, 2))
        return seen[:, :: self.strides[0], :: self.strides[1]]

    def forward(self, x: Values) -> Values:
        if self.convolves:
            return np.einsum("nyxiab,abio->nyxo", self.windows(x), self.kernel) + self.bias
        return x.reshape(len(x), -1) @ self.kernel + self.bias

    def backward(self, g: Values, shape: tuple[int, ...]) -> Values:
        if not self.convolves:
            return (g @ self.kernel.T).reshape(shape)
        back = np.zeros(shape)
        (rows, columns), (down, across) = self.kernel.shape[:2], self.strides
        for a in range(rows):
            for b in range(columns):
                part = back[
                    :, a : a + down * g.shape[1] : down, b : b + across * g.shape[2] : across
                ]
                part[:, : g.shape[1], : g.shape[2]] += g @ self.kernel[a, b].T
        return back


class NumpyNetwork:
    """A chain of steps; implements `core.Network`."""

    def __init__(self, shape: tuple[int, int, int], *steps: Step, gradient: bool = True) -> None:
        self.shape, self.steps, self.has_gradient = shape, steps, gradient
        self.calls = 0
        self.batches: list[int] = []

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        infos, source = [], "image"
        outputs = self._forward(np.zeros((1, *self.shape)), False)[1]
        for step, y in zip(self.steps, outputs, strict=True):
            kind = "Conv2D" if step.convolves else "Dense"
            kernel = step.kernel.shape[:2] if step.convolves else (1, 1)
            infos.append(
                LayerInfo(
                    name=step.name,
                    kind=kind,
                    shape=y.shape[1:],
                    kernel=(kernel[0], kernel[1]),
                    strides=step.strides,
                    source=source,
                    activates=step.activation != "linear",
                    place=(0, self.shape[0], 0, self.shape[1]) if step.convolves else None,
                )
            )
            source = step.name
        return tuple(infos)

    def steer(self, inputs: Inputs) -> Array:
        return self._forward(inputs.image, False)[1][-1][:, 0].astype(np.float32)

    def run(self, query: Query, inputs: Inputs, gates: Array | None = None) -> Answer:
        self.calls += 1
        self.batches.append(len(inputs.image))
        x = inputs.image.astype(np.float64)
        before, outputs = self._forward(x, query.linear)
        names = [step.name for step in self.steps]
        back = [self._backward(query, name, x, before, outputs) for name, _ in query.targets]
        none = np.zeros((len(x), 0, *x.shape[1:]))
        return Answer(
            outputs[-1][:, 0].astype(np.float32),
            np.stack([b["image"] for b in back], 1).astype(np.float32) if back else none,
            {name: outputs[names.index(name)].astype(np.float32) for name in query.keep},
            {
                name: np.stack([b[name] for b in back], 1).astype(np.float32)
                for name in query.keep
                if back
            },
        )

    def randomised(self, seed: int) -> NumpyNetwork:
        rng = np.random.default_rng(seed)
        steps = [
            replace(s, kernel=rng.normal(0, s.kernel.std(), s.kernel.shape)) for s in self.steps
        ]
        return NumpyNetwork(self.shape, *steps)

    def _activation(self, step: Step, linear: bool) -> str:
        return "linear" if linear and step is self.steps[-1] else step.activation

    def _forward(self, x: Values, linear: bool) -> tuple[list[Values], list[Values]]:
        before, outputs = [], []
        for step in self.steps:
            before.append(step.forward(x.astype(np.float64)))
            x = ACTIVATIONS[self._activation(step, linear)][0](before[-1])
            outputs.append(x)
        return before, outputs

    def _backward(
        self, query: Query, target: str, x: Values, before: list[Values], outputs: list[Values]
    ) -> dict[str, Values]:
        gradients = {s.name: np.zeros_like(y) for s, y in zip(self.steps, outputs, strict=True)}
        g: Values | None = None
        for i in reversed(range(len(self.steps))):
            step, y = self.steps[i], outputs[i]
            if step.name == target:
                g = np.full(y.shape, 1 / np.prod(y.shape[1:-1], initial=1.0))
            if g is None:
                continue
            gradients[step.name] = g
            kind = self._activation(step, query.linear)
            last = step is self.steps[-1]
            if kind != "linear" and not last and query.rule != "true":
                passes = g > 0 if query.rule == "relu" else (g > 0) & (before[i] > 0)
                g = np.where(passes, g, 0)
            else:
                g = g * ACTIVATIONS[kind][1](before[i])
            g = step.backward(g, x.shape if i == 0 else outputs[i - 1].shape)
        assert g is not None
        return {**gradients, "image": g}


class PlainFeed:
    """Gives the picture, times a scale plus an offset; implements `core.Feed`."""

    def __init__(self, scale: float = 1.0, offset: float = 0.0) -> None:
        self.scale, self.offset, self.looks = scale, offset, 0

    def look(self, frame: Frame) -> Seen:
        self.looks += 1
        return Seen(frame.frame_id, frame.image, Inputs(self._encode(frame.image[None])))

    def vary(self, seen: Seen, pictures: Values) -> Inputs:
        return Inputs(self._encode(pictures))

    def pull_back(self, pictures: Values, gradient: Array) -> Array:
        assert pictures.shape[:-1] == gradient.shape[:-1]
        return gradient * np.float32(self.scale)

    def _encode(self, pictures: Values) -> Array:
        return (pictures * self.scale + self.offset).astype(np.float32)
