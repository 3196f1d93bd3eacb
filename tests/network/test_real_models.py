"""Networks that others trained and published, against TensorFlow's answers that were kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from carla_saliency.core import Inputs, Query
from carla_saliency.network.loading import load_network

MATERIAL = Path(__file__).parents[2].parent / "shared" / "material"
MODELS = {
    "vdesmond": "vdesmond_nvidia_model.h5",
    "pronton_baseline3_new": "pronton_baseline3_new.h5",
}

needs_material = pytest.mark.skipif(
    not MATERIAL.is_dir(), reason=f"the published models are not at {MATERIAL}"
)


@needs_material
@pytest.mark.parametrize("name", MODELS)
def test_a_published_network_steers_and_explains_as_in_tensorflow(name: str) -> None:
    network = load_network(MATERIAL / "models" / MODELS[name]).network
    frames = [path.parent for path in sorted(MATERIAL.glob(f"oracle/{name}/*/meta.json"))]
    assert len(frames) >= 2
    for frame in frames:
        steer = json.loads((frame / "meta.json").read_text())["steer"]
        image = np.load(frame / "input.npy").reshape(1, *network.input_shape)
        expected = np.load(frame / "grad_steer.npy").reshape(network.input_shape)
        answer = network.run(Query(), Inputs(image.astype(np.float32)))
        value = steer["value"] if isinstance(steer, dict) else steer
        assert answer.steering[0] == pytest.approx(value, abs=1e-5)
        assert np.abs(answer.gradients[0, 0] - expected).max() < 1e-5 * np.abs(expected).max()
