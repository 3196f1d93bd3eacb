"""tf-keras-vis, with a call of the model for the steering. python time_tf_keras_vis.py FOLDER."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import tensorflow as tf
from clock import measure
from network import LAYERS, picture
from tf_keras_vis.saliency import Saliency


def mean_of_filters(output: tf.Tensor) -> tf.Tensor:
    """Return what keras-vis explains of a layer: the sum over filters of each one's mean."""
    axes = tuple(range(1, len(output.shape) - 1))
    return tf.reduce_sum(tf.reduce_mean(output, axis=axes) if axes else output, axis=-1)


def main() -> None:
    model = keras.models.load_model(Path(sys.argv[1]) / "dave2.h5", compile=False)
    image = picture()
    saliency = Saliency(model, clone=False)
    parts = [
        Saliency(keras.Model(model.inputs, model.get_layer(name).output), clone=False)
        for name in LAYERS
    ]

    def steering_and_map(**smooth: float) -> object:
        model(image)
        return saliency(mean_of_filters, image, **smooth)

    measure(
        {
            "steering": lambda: model(image),
            "steering + map": steering_and_map,
            "nine layers": lambda: [part(mean_of_filters, image) for part in parts],
            "SmoothGrad(25)": lambda: steering_and_map(smooth_samples=25, smooth_noise=0.15),
        }
    )


main()
