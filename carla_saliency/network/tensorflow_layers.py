"""From the layers of a model file to what TensorFlow computes: the steps of each layer.

An activation is a step of its own, also where a file has it as a setting of another layer, so that
it can be left out or be given another way back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from carla_saliency.errors import BadInputError
from carla_saliency.network.folding import readable
from carla_saliency.network.keras_kinds import (
    ACTIVATION_LAYERS,
    MERGES,
    TRAINING_ONLY,
)
from carla_saliency.network.keras_layers import (
    KNOWN,
    MEMORIES,
    activation_function,
    inner_layer,
    keras_layer,
    set_weights,
    tensorflow,
)
from carla_saliency.network.layers import Layer, LayerGraph, Shape
from carla_saliency.network.tensorflow_functions import colour, thresholded_relu

LISTED = MERGES | {"Attention", "AdditiveAttention"}  # take one list of inputs
SEPARATE = frozenset({"MultiHeadAttention", "GroupQueryAttention"})  # take them one by one
# These take one picture; for a network that remembers, each frame is given to them.
OF_ONE_PICTURE = frozenset({"CenterCrop", "Cropping2D", "Resizing", "ZeroPadding2D"})

LARGEST = 2**27  # of what a layer may give for one image: half a gigabyte
# A loop over so few frames is written out: 13 % less time for three, and 1.3 s less to compile.
UNROLLED = 16


@dataclass(frozen=True)
class Step:
    """A part of what a layer does.

    Attributes:
        call: From the layer's inputs (only the first step may have several) to its output; on
            TensorFlow's tensors or Keras's symbolic ones.
        activates: It is an activation.
        keras: The Keras layer; None for a plain function.
    """

    call: Callable[..., Any]
    activates: bool = False
    keras: Any = None


def through(
    steps: Sequence[Step], inputs: Sequence[Any], activate: Callable[[Step, Any], Any] | None = None
) -> Any:
    """Return what a layer makes of its inputs.

    Args:
        steps: Of the layer; none lets the first input pass.
        inputs: Tensors.
        activate: Takes the place of calling a step that activates.
    """
    for step in steps:
        if step.activates and activate is not None:
            inputs = (activate(step, inputs[0]),)
        else:
            inputs = (step.call(*inputs),)
    return inputs[0]


@dataclass(frozen=True)
class Built:
    """A model that can be computed.

    Attributes:
        steps: Name of a layer -> what it does, in order.
        shapes: Name of a layer -> shape of its output, without the batch.
    """

    steps: dict[str, tuple[Step, ...]]
    shapes: dict[str, Shape]


def build(graph: LayerGraph) -> Built:
    """Make Keras's layers and give them the weights.

    Args:
        graph: A model.

    Raises:
        BadInputError: If a layer is of an unknown kind, or its settings or weights don't fit.
    """
    tensorflow()
    import keras

    values = {each.name: keras.KerasTensor((None, *each.shape), "float32") for each in graph.inputs}
    steps: dict[str, tuple[Step, ...]] = {}
    for layer in graph.layers:
        with computable(layer):
            inputs = [values[name] for name in layer.inputs]
            made = steps[layer.name] = _steps(_for_each_frame(layer, inputs[0].shape))
            value = through(made, inputs)
            if not isinstance(value, keras.KerasTensor) or None in value.shape[1:]:
                raise layer.refuse("one output of a known shape", str(value)[:60])
            if math.prod(value.shape[1:]) > LARGEST:
                raise layer.refuse(f"an output of at most {LARGEST} numbers", value.shape[1:])
            values[layer.name] = value
            set_weights(layer, made[0].keras if made else None)
    return Built(steps, {layer.name: tuple(values[layer.name].shape[1:]) for layer in graph.layers})


@contextmanager
def computable(layer: Layer) -> Iterator[None]:
    """Turn what Keras and TensorFlow raise into one line; a file may hold anything.

    Args:
        layer: That is being made or used.

    Raises:
        BadInputError: If that fails.
    """
    tf = tensorflow()
    try:
        with readable(layer):
            yield
    except (tf.errors.OpError, RuntimeError) as error:
        text = " ".join(str(error).split())[:100]
        raise BadInputError(f"layer {layer.name} ({layer.kind}) can't be built: {text}") from None


def _for_each_frame(layer: Layer, shape: Sequence[int | None]) -> Layer:
    if layer.kind not in OF_ONE_PICTURE or len(shape) != 5:
        return layer
    inner = {"class_name": layer.kind, "config": layer.config}
    return replace(layer, kind="TimeDistributed", config={"layer": inner})


def _steps(layer: Layer) -> tuple[Step, ...]:
    """Return what a layer does; the Keras layer that has its weights, if any, is the first."""
    kind = layer.kind
    if kind in TRAINING_ONLY & KNOWN:
        return ()
    if kind == "Colour":
        return (Step(partial(colour, layer)),)
    if kind == "ThresholdedReLU":
        return (Step(partial(thresholded_relu, layer), activates=True),)
    if kind == "Activation":
        return _activation(layer)
    if kind == "TimeDistributed":
        return tuple(_on_each_frame(step) for step in _steps(inner_layer(layer)))
    own = keras_layer(layer)
    step = Step(_caller(layer, own), kind in ACTIVATION_LAYERS, own)
    return (step,) if kind in MEMORIES else (step, *_activation(layer))


def _on_each_frame(step: Step) -> Step:
    """Give a step the frames as if they were a batch, which is one call instead of one for each."""
    from keras import ops

    if step.keras is None:  # a function of single values, or along the channels
        return step

    def call(x: Any) -> Any:
        frames, *shape = x.shape[1:]
        y = step.call(ops.reshape(x, (-1, *shape)))
        return ops.reshape(y, (-1, frames, *y.shape[1:]))

    return replace(step, call=call)


def _caller(layer: Layer, own: Any) -> Callable[..., Any]:
    def call(*inputs: Any) -> Any:
        if layer.kind in LISTED:
            return own(list(inputs), training=False)
        if layer.kind in SEPARATE:
            return own(*inputs, training=False)
        first, *states = inputs
        if layer.kind in MEMORIES | {"Bidirectional"}:
            is_pair = layer.kind == "Bidirectional"
            for each in (own.forward_layer, own.backward_layer) if is_pair else (own,):
                each.unroll = first.shape[1] <= UNROLLED
        if states and layer.kind in MEMORIES:
            return own(first, initial_state=states, training=False)
        if states:
            raise layer.refuse("one input", len(inputs))
        return own(first, training=False)

    return call


def _activation(layer: Layer) -> tuple[Step, ...]:
    """Return the activation in a layer's settings as a step of its own; none if it is linear."""
    import keras

    function = activation_function(layer, "activation")
    if function is None:
        return ()
    # some of Keras's functions take symbolic tensors only where a layer calls them
    return (Step(keras.layers.Activation(function, dtype="float32"), activates=True),)
