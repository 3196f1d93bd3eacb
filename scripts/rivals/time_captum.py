"""captum on PyTorch, with a call of the model for the steering. python time_captum.py FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from captum.attr import NoiseTunnel, Saliency
from clock import measure
from network import CONVOLUTIONS, DENSE, picture
from torch import nn


def model_of(path: Path) -> nn.Module:
    """Return DAVE-2 with the weights that Keras wrote."""
    weights = np.load(path)
    layers: list[nn.Module] = []
    channels = 3
    for number, (filters, kernel, stride) in enumerate(CONVOLUTIONS, start=1):
        convolution = nn.Conv2d(channels, filters, kernel, stride)
        kernel_values = weights[f"conv{number}.0"].transpose(3, 2, 0, 1)
        convolution.weight.data = torch.tensor(kernel_values)
        convolution.bias.data = torch.tensor(weights[f"conv{number}.1"])
        layers += [convolution, nn.ELU()]
        channels = filters
    layers.append(nn.Flatten())
    size = 64 * 18
    for name, units in [(f"dense{i}", u) for i, u in enumerate(DENSE, 1)] + [("steering", 1)]:
        dense = nn.Linear(size, units)
        matrix = weights[f"{name}.0"]
        if name == "dense1":  # Keras flattens rows, columns, channels
            matrix = matrix.reshape(1, 18, 64, -1).transpose(2, 0, 1, 3).reshape(size, -1)
        dense.weight.data = torch.tensor(np.ascontiguousarray(matrix.T))
        dense.bias.data = torch.tensor(weights[f"{name}.1"])
        layers += [dense, nn.ELU()] if name != "steering" else [dense]
        size = units
    return nn.Sequential(*layers).eval()


def main() -> None:
    model = model_of(Path(sys.argv[1]) / "dave2.npz")
    image = torch.tensor(np.ascontiguousarray(picture().transpose(0, 3, 1, 2)))
    saliency = Saliency(model)
    smooth = NoiseTunnel(saliency)

    def steering() -> torch.Tensor:
        with torch.no_grad():
            return model(image)

    def smoothgrad() -> object:
        steering()
        noisy = {"nt_type": "smoothgrad", "nt_samples": 25, "stdevs": 0.15}
        return smooth.attribute(image.requires_grad_(), abs=False, **noisy)

    def steering_and_map() -> object:
        steering()
        return saliency.attribute(image.requires_grad_(), abs=False)

    measure(
        {
            "steering": steering,
            "steering + map": steering_and_map,
            "SmoothGrad(25)": smoothgrad,
        }
    )


main()
