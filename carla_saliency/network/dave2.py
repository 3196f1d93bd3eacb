"""DAVE-2, the steering network of Bojarski et al. 2016 (arXiv:1604.07316), in Keras.

Two things are added to the paper's network, since with them one epoch is as good as six without:
each picture is standardised by its own mean and variance, and each convolution is followed by
BatchNormalization. TensorFlow is imported when a network is built, not before.
"""

from __future__ import annotations

from typing import Any

CONVOLUTIONS = (
    (24, 5, 2),
    (36, 5, 2),
    (48, 5, 2),
    (64, 3, 1),
    (64, 3, 1),
)  # filters, kernel, stride
DENSE = (100, 50, 10)
DROPOUT = 0.1
# Small commands are what driving is made of: the last layer then works with numbers around 1.
OUTPUT_SCALE = 0.2


def build(input_shape: tuple[int, int, int] = (66, 200, 3)) -> Any:
    """Return an untrained DAVE-2 as a `keras.Model`, about 0.25 million weights.

    Args:
        input_shape: Rows, columns, channels.

    Returns:
        From raw RGB, float32 0..255 (N, H, W, 3), to steering (N, 1), left negative; it is near
        [-1, 1] by training, not by construction.
    """
    import keras
    from keras import layers

    model = keras.Sequential(name="dave2")
    model.add(keras.Input(input_shape, name="image"))
    # rows, columns and channels together: brightness and contrast of the whole picture
    model.add(
        layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, name="standardise")
    )
    for number, (filters, kernel, stride) in enumerate(CONVOLUTIONS, start=1):
        model.add(layers.Conv2D(filters, kernel, stride, use_bias=False, name=f"conv{number}"))
        model.add(layers.BatchNormalization(name=f"norm{number}"))
        model.add(layers.Activation("elu", name=f"elu{number}"))
    model.add(layers.Flatten(name="flatten"))
    model.add(layers.Dropout(DROPOUT, name="dropout"))
    for number, units in enumerate(DENSE, start=1):
        model.add(layers.Dense(units, activation="elu", name=f"dense{number}"))
    model.add(layers.Dense(1, name="output"))
    model.add(layers.Rescaling(OUTPUT_SCALE, name="steering"))
    return model
