"""What older versions of Keras wrote, by Keras 3's names: kinds and settings of layers.

The weights of those layers are in `legacy_weights`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from carla_saliency.errors import BadInputError
from carla_saliency.network.keras_kinds import (
    ACTIVATION_LAYERS,
    ACTIVATIONS,
    KERAS_KINDS,
    RECURRENT,
)

Config = dict[str, Any]


@dataclass(frozen=True)
class Origin:
    """Who wrote a file.

    Attributes:
        version: Of Keras, for example "2.1.6"; "" if the file does not say.
        backend: "tensorflow", "theano", ...; "" if the file does not say.
    """

    version: str = ""
    backend: str = ""

    @property
    def major(self) -> int:
        """Of the version; the files that don't say are those of Keras 1."""
        first = self.version.split(".")[0]
        return int(first) if first.isdecimal() else 1

    def __str__(self) -> str:
        """For `LayerGraph.source`."""
        return f"Keras {self.version}" if self.version else "Keras of an unknown version"


_KINDS = {
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "CuDNNGRU": "GRU",
    "CuDNNLSTM": "LSTM",
    "Deconvolution2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
    "SyncBatchNormalization": "BatchNormalization",
    "TimeDistributedDense": "Dense",
    "UnifiedGRU": "GRU",
    "UnifiedLSTM": "LSTM",
}
_MERGE_MODES = {
    "ave": "Average",
    "concat": "Concatenate",
    "dot": "Dot",
    "max": "Maximum",
    "min": "Minimum",
    "mul": "Multiply",
    "sum": "Add",
}
_SETTINGS = {
    "atrous_rate": "dilation_rate",
    "bias": "use_bias",
    "border_mode": "padding",
    "concat_axis": "axis",
    "dropout_U": "recurrent_dropout",
    "dropout_W": "dropout",
    "inner_activation": "recurrent_activation",
    "nb_filter": "filters",
    "output_dim": "units",
    "p": "rate",
    "pool_length": "pool_size",
    "sigma": "stddev",
    "stride": "strides",
    "subsample": "strides",
    "subsample_length": "strides",
}
_KERNEL_SIZES = (
    ("nb_row", "nb_col"),
    ("filter_length",),
    ("kernel_dim1", "kernel_dim2", "kernel_dim3"),
)
_DROPPED = frozenset(
    {
        "batch_input_shape",
        "batch_shape",
        "consume_less",
        "data_type",
        "dtype",
        "experimental_run_tf_function",
        "fused",
        "implementation",
        "init",
        "inner_init",
        "input_dim",
        "input_dtype",
        "input_length",
        "input_shape",
        "forget_bias_init",
        "mode",
        "name",
        "noise_shape",
        "optional",
        "quantization_config",
        "ragged",
        "seed",
        "sparse",
        "synchronized",
        "time_major",
        "trainable",
        "virtual_batch_size",
        "W_constraint",
        "b_constraint",
        "W_learning_rate",
        "b_learning_rate",
        "arguments",
        "output_shape",
    }
)
_GONE = {
    "Concatenate": ("dot_axes", "output_mask", "output_shape_type", "arguments"),
    "LeakyReLU": ("alpha",),
    "SimpleRNN": ("recurrent_activation",),
    "UpSampling1D": ("length",),
}
_DROPPED_ENDS = ("_initializer", "_regularizer", "_constraint")


def normalised(name: str, kind: str, config: Config, origin: Origin) -> tuple[str, Config]:
    """Return a layer's kind and settings by Keras 3's names.

    Args:
        name: Of the layer, for messages.
        kind: Class name, as the file has it.
        config: As the file has it.
        origin: Who wrote it: some names changed their meaning.

    Returns:
        A kind that Keras 3 doesn't have stays as it is: it is code of the file's author.

    Raises:
        BadInputError: If a setting can't be honoured, or an activation is code.
    """
    if kind == "Merge":
        kind = _merge_kind(name, config)
    new = _KINDS.get(kind, kind)
    if new not in KERAS_KINDS:
        return kind, config
    _refuse_what_was_dropped(name, new, config)
    found = _renamed(config)
    found.update(_changed(new, config))
    if kind.startswith("CuDNN"):
        found.update(activation="tanh", recurrent_activation="sigmoid", reset_after=True)
    elif new == "GRU":
        found["reset_after"] = bool(config.get("reset_after", False))
    for key in ("activation", "recurrent_activation"):
        if key in found or (key == "activation" and new in RECURRENT):
            found[key] = activation(name, found.get(key, "tanh"), origin)
    for key in ("layer", "backward_layer"):
        if isinstance(config.get(key), dict):
            found[key] = inner_layer(name, config[key], origin)
    for key in _GONE.get(new, ()):
        found.pop(key, None)
    return new, found


def _renamed(config: Config) -> Config:
    """Return the settings by their new names, without those that don't matter here."""
    found = {
        _SETTINGS.get(key, key): value
        for key, value in config.items()
        if key not in _DROPPED and not key.endswith(_DROPPED_ENDS)
    }
    for sizes in _KERNEL_SIZES:
        if sizes[0] in config:
            found = {key: value for key, value in found.items() if key not in sizes}
            found["kernel_size"] = [config[size] for size in sizes]
    order = found.pop("dim_ordering", None)
    if order is not None:
        found["data_format"] = "channels_first" if order == "th" else "channels_last"
    return found


def inner_layer(name: str, layer: Config, origin: Origin) -> Config:
    """Return the layer inside TimeDistributed or Bidirectional, normalised, for Keras too."""
    kind, config = normalised(name, layer["class_name"], layer["config"], origin)
    own = layer["config"].get("name")
    inner = {**config, "name": own} if isinstance(own, str) else config
    return {"module": "keras.layers", "class_name": kind, "config": inner, "registered_name": None}


def activation(name: str, value: Any, origin: Origin) -> str | Config:
    """Return an activation's name, or the activation layer that a layer has inside.

    Args:
        name: Of the layer, for messages.
        value: Of the setting.
        origin: `hard_sigmoid` is another function since Keras 3.

    Raises:
        BadInputError: If it is a function of the file's author.
    """
    if value is None:
        return "linear"
    if isinstance(value, dict):
        kind, inner = value.get("class_name"), value.get("config")
        if kind in ACTIVATION_LAYERS and isinstance(inner, dict):
            kind, config = normalised(name, kind, inner, origin)
            return {"module": "keras.layers", "class_name": kind, "config": config}
        value = inner if isinstance(inner, str) else kind
    if value not in ACTIVATIONS:
        raise BadInputError(
            f"layer {name}: expected an activation of Keras, received {str(value)[:60]!r}, a "
            "function of the file's author, and nothing in a file is executed: build the model "
            "with one of Keras's and save it again"
        )
    if value == "hard_sigmoid" and origin.major < 3:
        return "hard_sigmoid_keras2"  # x / 5 + 0.5; since Keras 3 it is x / 6 + 0.5
    return str(value)


def _merge_kind(name: str, config: Config) -> str:
    mode = config.get("mode", "sum")
    if config.get("layers"):
        raise BadInputError(
            f"layer {name} (Merge): expected a model with one image, received Sequential models "
            "joined at their ends: build it with the functional API and save it again"
        )
    if mode not in _MERGE_MODES:
        raise BadInputError(
            f"layer {name} (Merge): expected a mode of {', '.join(sorted(_MERGE_MODES))}, received "
            f"{str(mode)[:40]!r}: build it from Keras's layers and save it again"
        )
    return _MERGE_MODES[mode]


def _refuse_what_was_dropped(name: str, kind: str, config: Config) -> None:
    if kind == "BatchNormalization" and config.get("mode", 0) != 0:
        raise BadInputError(
            f"layer {name} (BatchNormalization): expected mode 0, received {config['mode']!r}, "
            "which no Keras since 2.0 has: use mode 0 and save the model again"
        )
    if config.get("time_major"):
        raise BadInputError(
            f"layer {name} ({kind}): expected time_major false, received true: save it with the "
            "batch in front"
        )


def _changed(kind: str, config: Config) -> Config:
    """Return the settings whose meaning, not only the name, was another one."""
    changed: Config = {}
    if kind == "LeakyReLU":
        changed["negative_slope"] = config.get("negative_slope", config.get("alpha", 0.3))
    elif kind == "UpSampling1D" and "length" in config:
        changed["size"] = config["length"]
    elif kind == "ZeroPadding2D":
        changed["padding"] = _padding(config.get("padding", 1))
    elif kind == "Concatenate":
        changed["axis"] = config.get("axis", config.get("concat_axis", -1))
    elif kind == "Dot":
        changed["axes"] = config.get("axes", config.get("dot_axes", -1))
    return changed


def _padding(value: Any) -> Any:
    """Return Keras 1's forms as ((top, bottom), (left, right))."""
    if isinstance(value, dict):
        sides = [value.get(f"{side}_pad", 0) for side in ("top", "bottom", "left", "right")]
    elif isinstance(value, list | tuple) and len(value) == 4:
        sides = list(value)
    else:
        return value
    return [sides[:2], sides[2:]]
