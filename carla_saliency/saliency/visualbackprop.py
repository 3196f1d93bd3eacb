"""VisualBackProp (Bojarski et al. 2016, arXiv:1611.05418): NVIDIA's own method for DAVE-2.

After each convolution's activation the feature maps are averaged over the channels. From the
deepest: the averaged map is enlarged by a transposed convolution of ones, with the kernel, stride
and padding of that convolution, multiplied by the averaged map before it, and so on to the input.
The steering's weights behind the last convolution do not take part, so the map has no sign.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from carla_saliency.core import LayerInfo, Query, Seen
from carla_saliency.errors import BadInputError
from carla_saliency.saliency.colours import Values
from carla_saliency.saliency.convolutions import CONVOLUTIONS, with_activation
from carla_saliency.saliency.method import AMOUNT, STEERING, Method


class VisualBackProp(Method):
    """Explains a frame by what all convolutions found in the same place."""

    name = "visualbackprop"
    title = "VisualBackProp"
    signed = False
    words = AMOUNT
    hint = ("how much all convolutions", "found in this place")

    def unit_of(self, layer: str) -> str:
        """Return the unit: a product of averages has none."""
        return "relative"

    def maps(self, seen: Seen, names: Sequence[str]) -> tuple[float, list[Values]]:
        """Return the steering and a map for each layer, (H, W) on the grid, from one call."""
        paths = [self._path(name) for name in names]
        activated = {
            info.name: with_activation(self.network.layers, info).name
            for path in paths
            for info in path
            if info.kind in CONVOLUTIONS
        }
        keep = tuple(dict.fromkeys(activated.values()))
        query = Query((), keep=keep, linear=self.options.linear)
        answer = self.network.run(query, seen.inputs)
        averages = {
            convolution: np.maximum(answer.outputs[kept][0].astype(np.float64), 0).mean(axis=2)
            for convolution, kept in activated.items()
        }  # the paper's are of ReLU; what is negative would change sign in the product
        grid = seen.rgb.shape[:2]
        return self.steering_in(answer, seen), [self._back(p, averages, grid) for p in paths]

    def _path(self, layer: str) -> list[LayerInfo]:
        """Return the layers from this one back to the input, along what feeds them first."""
        at = self.infos.get(layer, self.network.layers[-1])
        path = [at]
        while at.source in self.infos:
            at = self.infos[at.source]
            path.append(at)
        if not any(info.kind in CONVOLUTIONS and len(info.shape) == 3 for info in path):
            of = "the steering" if layer == STEERING else f"layer {layer}"
            raise BadInputError(
                f"{self.name} needs a convolution between the picture and {of}, found "
                f"{', '.join(info.kind for info in reversed(path))}: use another method or layer"
            )
        return path

    def _back(
        self, path: list[LayerInfo], averages: dict[str, Values], grid: tuple[int, ...]
    ) -> Values:
        """Return the product of the averaged maps, brought back through a path, (H, W)."""
        values: Values | None = None
        for info in path:
            if info.name in averages:
                average = averages[info.name]
                values = average if values is None else values * average
            if values is not None:  # nothing to bring back before the deepest convolution
                source = self.infos.get(info.source)
                size = source.shape[:2] if source and len(source.shape) == 3 else grid
                values = undo(values, info, (size[0], size[1]))
        return np.zeros(grid) if values is None else values


def undo(values: Values, info: LayerInfo, size: tuple[int, int]) -> Values:
    """Return a map of a layer's output on its input: a transposed convolution of ones.

    Args:
        values: On the layer's output, (rows, columns).
        info: The layer: a convolution, a pooling, a cropping...
        size: Rows and columns of its input.
    """
    moves = info.kernel != (1, 1) or info.strides != (1, 1) or any(info.pads)
    if not moves:
        same = values.shape == size
        return values if same else np.asarray(cv2.resize(values, (size[1], size[0])))
    top, _, left, _ = info.pads
    rows = reach(size[0], values.shape[0], info.kernel[0], info.strides[0], top)
    columns = reach(size[1], values.shape[1], info.kernel[1], info.strides[1], left)
    return np.asarray(rows @ values @ columns.T)


def reach(inputs: int, outputs: int, kernel: int, stride: int, before: int) -> Values:
    """Return which inputs each output of a layer sees along one axis: 0 or 1, (inputs, outputs).

    Args:
        inputs: Rows or columns that go in.
        outputs: That come out.
        kernel: That one output sees.
        stride: From one output to the next.
        before: Zeros in front of the inputs; negative: inputs that are cut off there.
    """
    into_kernel = np.arange(inputs)[:, None] + before - np.arange(outputs) * stride
    return ((into_kernel >= 0) & (into_kernel < kernel)).astype(np.float64)
