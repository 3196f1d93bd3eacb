"""Names that Keras itself has, as data: what is not here is code of the file's author."""

from __future__ import annotations

from typing import Any

MODELS = frozenset({"Sequential", "Functional", "Model"})
RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN"})
MERGES = frozenset(
    {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"}
)

TRAINING_ONLY = frozenset(
    {
        "ActivityRegularization",
        "AlphaDropout",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "RandomBrightness",
        "RandomColorDegeneration",
        "RandomColorJitter",
        "RandomContrast",
        "RandomCrop",
        "RandomElasticTransform",
        "RandomErasing",
        "RandomFlip",
        "RandomGaussianBlur",
        "RandomGrayscale",
        "RandomHeight",
        "RandomHue",
        "RandomInvert",
        "RandomPerspective",
        "RandomPosterization",
        "RandomRotation",
        "RandomSaturation",
        "RandomSharpness",
        "RandomShear",
        "RandomTranslation",
        "RandomWidth",
        "RandomZoom",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
    }
)
"""Layers that pass their input on outside training; what they store is their random state."""

KERAS_KINDS = (
    MERGES
    | RECURRENT
    | TRAINING_ONLY
    | frozenset(
        {
            "Activation",
            "AdaptiveAveragePooling1D",
            "AdaptiveAveragePooling2D",
            "AdaptiveAveragePooling3D",
            "AdaptiveMaxPooling1D",
            "AdaptiveMaxPooling2D",
            "AdaptiveMaxPooling3D",
            "AdditiveAttention",
            "Attention",
            "AveragePooling1D",
            "AveragePooling2D",
            "AveragePooling3D",
            "BatchNormalization",
            "Bidirectional",
            "CenterCrop",
            "Conv1D",
            "Conv1DTranspose",
            "Conv2D",
            "Conv2DTranspose",
            "Conv3D",
            "Conv3DTranspose",
            "ConvLSTM1D",
            "ConvLSTM2D",
            "ConvLSTM3D",
            "Cropping1D",
            "Cropping2D",
            "Cropping3D",
            "Dense",
            "DepthwiseConv1D",
            "DepthwiseConv2D",
            "ELU",
            "EinsumDense",
            "Embedding",
            "Flatten",
            "GlobalAveragePooling1D",
            "GlobalAveragePooling2D",
            "GlobalAveragePooling3D",
            "GlobalMaxPooling1D",
            "GlobalMaxPooling2D",
            "GlobalMaxPooling3D",
            "GroupNormalization",
            "GroupQueryAttention",
            "Identity",
            "LayerNormalization",
            "LeakyReLU",
            "Masking",
            "MaxPooling1D",
            "MaxPooling2D",
            "MaxPooling3D",
            "MultiHeadAttention",
            "Normalization",
            "PReLU",
            "Permute",
            "RMSNormalization",
            "ReLU",
            "RepeatVector",
            "Rescaling",
            "Reshape",
            "Resizing",
            "SeparableConv1D",
            "SeparableConv2D",
            "Softmax",
            "ThresholdedReLU",
            "TimeDistributed",
            "UnitNormalization",
            "UpSampling1D",
            "UpSampling2D",
            "UpSampling3D",
            "ZeroPadding1D",
            "ZeroPadding2D",
            "ZeroPadding3D",
        }
    )
)
"""Class names of Keras 3's layers (and ThresholdedReLU, which it dropped) that need no other code.

Whether a network with them can be run is decided by what runs it.
"""

ACTIVATIONS = frozenset(
    {
        "celu",
        "elu",
        "exponential",
        "gelu",
        "glu",
        "hard_shrink",
        "hard_sigmoid",
        "hard_silu",
        "hard_swish",
        "hard_tanh",
        "leaky_relu",
        "linear",
        "log_sigmoid",
        "log_softmax",
        "mish",
        "relu",
        "relu6",
        "selu",
        "sigmoid",
        "silu",
        "soft_shrink",
        "softmax",
        "softplus",
        "softsign",
        "sparse_plus",
        "sparse_sigmoid",
        "sparsemax",
        "squareplus",
        "swish",
        "tanh",
        "tanh_shrink",
        "threshold",
    }
)
ACTIVATION_LAYERS = frozenset({"ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax", "ThresholdedReLU"})

# Number of arrays before the bias.
_KERNELS = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D", "Dense", "DepthwiseConv1D"), 1),
    **dict.fromkeys(("DepthwiseConv2D", "Conv1DTranspose", "Conv2DTranspose"), 1),
    **dict.fromkeys(("Conv3DTranspose", "EinsumDense"), 1),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), 2),
    **dict.fromkeys((*RECURRENT, "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"), 2),
}
_WEIGHTLESS = (
    MERGES
    | TRAINING_ONLY
    | frozenset({"Activation", "Flatten", "Reshape", "Permute", "RepeatVector", "Identity"})
    | frozenset({"ELU", "LeakyReLU", "ReLU", "Softmax", "Masking", "ThresholdedReLU"})
)
_WEIGHTLESS_PARTS = ("Pooling", "Cropping", "ZeroPadding", "UpSampling", "Resizing", "Rescaling")


def weight_counts(kind: str, config: dict[str, Any]) -> tuple[int, int] | None:
    """Return how many arrays a layer has that training changes, and how many others.

    Args:
        kind: Keras 3's class name.
        config: By Keras 3's names.

    Returns:
        None where that is not known here.
    """
    if kind in _KERNELS:
        return _KERNELS[kind] + bool(config.get("use_bias", True)), 0
    if kind in ("BatchNormalization", "LayerNormalization", "GroupNormalization"):
        own = bool(config.get("scale", True)) + bool(config.get("center", True))
        return own, 2 if kind == "BatchNormalization" else 0
    if kind in ("TimeDistributed", "Bidirectional"):
        inner = config["layer"]
        counts = weight_counts(inner["class_name"], inner["config"])
        times = 2 if kind == "Bidirectional" else 1
        return None if counts is None else (counts[0] * times, counts[1] * times)
    if kind == "PReLU":
        return 1, 0
    if kind in _WEIGHTLESS or any(part in kind for part in _WEIGHTLESS_PARTS):
        return 0, 0
    return None
