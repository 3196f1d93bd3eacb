"""A Keras model's configuration and weights, whatever file they are from, to a `LayerGraph`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from carla_saliency.errors import BadInputError
from carla_saliency.network import author_code, channels_first, legacy_weights, operations, steps
from carla_saliency.network.keras_config import Call, Flat, Path, flatten
from carla_saliency.network.keras_kinds import TRAINING_ONLY, weight_counts
from carla_saliency.network.keras_weights import Arrays, Weights
from carla_saliency.network.layers import Layer, LayerGraph, ModelInput, Shape
from carla_saliency.network.legacy import Origin, normalised

UNSTATED_FRAMES = 3  # of a recurrent network that takes any number


def assemble(
    config: dict[str, Any], origin: Origin, weights: Weights, form: str, preprocess: str
) -> LayerGraph:
    """Return the layers of a model with their weights.

    Args:
        config: Of the model: `class_name` and `config`.
        origin: Who wrote it.
        weights: Of its layers.
        form: Of the file, for example "HDF5".
        preprocess: Steps that take the place of the author's code, or go in front.

    Raises:
        BadInputError: If it is no model of Keras's own layers, from one image.
        KeyError, TypeError, ValueError, IndexError, AttributeError: If it is malformed.
    """
    flat = flatten(config)
    inputs = model_inputs(flat)
    if not set(flat.outputs) <= {call.name for call in flat.calls}:
        raise BadInputError("expected layers between input and output, received a model without")
    layers = [_layer(call, origin) for call in flat.calls]
    graph = LayerGraph(
        inputs, tuple(layers), flat.outputs, flat.name[:80] or "model", f"{origin}, {form}"
    )
    calls = {call.name: call for call in flat.calls if call.operands is None}
    for layer in graph.layers:
        if author_code.is_code(layer):
            calls.pop(layer.name, None)
    graph, had_code = author_code.replaced(graph, preprocess)
    stored: dict[Path, Arrays] = {}
    with_weights = [
        _with_weights(layer, calls[layer.name], origin, weights, stored)
        if layer.name in calls
        else layer
        for layer in graph.layers
    ]
    graph = channels_first.turned(replace(graph, layers=tuple(with_weights)))
    if preprocess.strip() and not had_code:
        graph = steps.in_front(graph, preprocess)
    return graph


def _layer(call: Call, origin: Origin) -> Layer:
    if call.operands is not None:
        kind, config = operations.as_layer(call)
    else:
        kind, config = normalised(call.name, call.kind, call.config, origin)
    return Layer(kind, call.name, config, (), call.inputs)


def _with_weights(
    layer: Layer, call: Call, origin: Origin, weights: Weights, stored: dict[Path, Arrays]
) -> Layer:
    if author_code.kind_of(layer) in TRAINING_ONLY:
        return layer
    if call.path not in stored:
        stored[call.path] = legacy_weights.modern(
            call.kind, call.config, weights.of(call.path), origin
        )
    found = stored[call.path]
    counts = weight_counts(layer.kind, layer.config)
    if counts is not None and len(found) < sum(counts):
        raise BadInputError(
            f"layer {layer.name} ({layer.kind}): expected {sum(counts)} arrays of weights, "
            f"received {len(found)}: the file lacks weights; save the whole model again"
        )
    return replace(layer, weights=found)


def model_inputs(flat: Flat) -> tuple[ModelInput, ...]:
    """Return the image, and then the speed if the model takes it.

    Raises:
        BadInputError: If the model takes anything else.
    """
    images, speeds = [], []
    for name, shape in flat.inputs:
        sizes = shape[1:]
        if len(sizes) == 4 and sizes[0] is None:
            sizes = (UNSTATED_FRAMES, *sizes[1:])
        if len(sizes) == 2:
            raise BadInputError(
                f"input {name}: expected an image of rows, columns and channels, received {shape}, "
                "a grey picture without channels: add an axis of size 1 and save it again"
            )
        are_sizes = all(isinstance(s, int) and 0 < s <= steps.MAX_SIZE_PX for s in sizes)
        if are_sizes and len(sizes) in (3, 4):
            images.append(ModelInput(name, _shape(sizes)))
        elif sizes == (1,):
            speeds.append(ModelInput(name, (1,)))
        else:
            raise BadInputError(
                f"input {name}: expected an image of fixed (rows, columns, channels) or (frames, "
                f"rows, columns, channels), or the speed (1,), received {shape or 'no shape'}: "
                "this is not a network that steers by a camera's picture"
            )
    if len(images) != 1 or len(speeds) > 1:
        raise BadInputError(
            f"expected a model with one image and at most the speed as inputs, received "
            f"{len(images)} images and {len(speeds)} numbers: only such a network can be driven"
        )
    return (*images, *speeds)


def _shape(sizes: tuple[Any, ...]) -> Shape:
    return tuple(int(size) for size in sizes)
