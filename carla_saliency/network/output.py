"""What a network's answer means: plain layers after the file's own make it one steering number.

    steering = (answer - centre) / range, left negative

A vector of bins is read by its expected angle, sum of probability times angle: it moves with every
probability, where the most likely bin jumps and has no gradient.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array, Contract
from carla_saliency.errors import BadInputError
from carla_saliency.network.contract_values import output_element
from carla_saliency.network.layers import Layer, LayerGraph, Shape

STEERING, THROTTLE = "steering", "throttle"
STEERING_WORDS, THROTTLE_WORDS = ("steer", "angle"), ("throttle",)
MOST_NUMBERS = 3  # a vector of more numbers is no steering, throttle and brake
PASSING = ("Flatten", "Reshape", "Dropout")  # probabilities stay what they are


def steering_head(graph: LayerGraph, shapes: Mapping[str, Shape], contract: Contract) -> LayerGraph:
    """Return the model with one output, the layer "steering" of shape (1,).

    A layer of the file that has this name but is not this output is renamed. Heads that the
    steering does not need are left out.

    Args:
        graph: Of a model file.
        shapes: Layer -> shape of its output, without the batch.
        contract: Its output, centre, range, and for angles the car's largest one.

    Raises:
        BadInputError: If the model's outputs are not what the contract says.
    """
    kind = contract.output
    head, element = steering_output(graph, kind), output_element(kind)
    units = math.prod(shapes[head])

    def refuse(expected: str) -> BadInputError:
        return BadInputError(
            f"output {kind}: expected {expected}, received {head} of shape {tuple(shapes[head])}: "
            "pass --output steering for one number, vector:I for a vector, bins for probabilities"
        )

    bins = kind == "bins" or (kind == "two-heads" and _is_bins(graph, head, units))
    if bins and units < 2:
        raise refuse("a vector of bins")
    if element is not None and element >= units:
        raise refuse(f"a vector of more than {element} numbers")
    if not bins and element is None and units != 1:
        raise refuse("one number")
    values = np.linspace(-1, 1, units) if bins else np.eye(units)[element or 0]
    ends = contract.output_centre, _range(contract)
    return _ending_in(STEERING, graph, head, shapes[head], values, ends, bins)


def throttle_head(
    graph: LayerGraph, shapes: Mapping[str, Shape], contract: Contract
) -> LayerGraph | None:
    """Return the model whose one output is the layer "throttle", (1,); None if it has no throttle.

    The throttle is the head of that name, or the second of two heads that differ only in their
    number, or the second of two numbers where the first is the steering. It is used as it is;
    of bins, the expected one between 0 and 1.

    Args:
        graph: Of a model file.
        shapes: Layer -> shape of its output, without the batch.
        contract: Its output says where the steering is.
    """
    if len(graph.outputs) > 1:
        name = _throttle_output(graph)
    else:
        of_two = contract.output == "vector:0" and math.prod(shapes[graph.outputs[0]]) == 2
        name = graph.outputs[0] if of_two else None
    if name is None:
        return None
    units = math.prod(shapes[name])
    bins = len(graph.outputs) > 1 and units > 1
    values = np.linspace(0, 1, units) if bins else np.eye(units)[-1]
    return _ending_in(THROTTLE, graph, name, shapes[name], values, (0.0, 1.0), bins)


def guess_output(graph: LayerGraph, shapes: Mapping[str, Shape]) -> tuple[str, str]:
    """Return what the output probably is, as in `Contract.output`, and why.

    A guess: a file does not say whether a number is steering or an angle. An output that can't be
    guessed is called steering, which `steering_head` then refuses.

    Args:
        graph: Of a model file.
        shapes: Layer -> shape of its output, without the batch.
    """
    if len(graph.outputs) > 1:
        head = steering_output(graph, "two-heads")
        return "two-heads", f"{len(graph.outputs)} outputs, the steering is that of {head}"
    (head,) = graph.outputs
    units = math.prod(shapes[head])
    if units == 1:
        return STEERING, "one number"
    if units >= MOST_NUMBERS and _ends_in_softmax(graph.layers, head):
        return "bins", f"{units} probabilities (softmax)"
    if units <= MOST_NUMBERS:
        return "vector:0", f"a vector of {units} numbers, the steering is usually the first"
    return STEERING, f"a vector of {units} numbers, which can't be guessed: pass --output"


def explain_output(
    contract: Contract, graph: LayerGraph, shapes: Mapping[str, Shape] | None = None
) -> str:
    """Return one line that says how the steering is made of the model's output.

    Args:
        contract: Of the network.
        graph: Of the model file, before `steering_head`.
        shapes: Layer -> shape of its output; without them the number of bins is read from the
            head's own settings.

    Raises:
        BadInputError: If the model's outputs are not what the contract says.
    """
    head = steering_output(graph, contract.output)
    units = math.prod(shapes[head]) if shapes else _units(graph, head)
    bins = contract.output == "bins" or (
        contract.output == "two-heads" and _is_bins(graph, head, units)
    )
    element = output_element(contract.output)
    if bins:
        what = f"expected angle of {units or 'the'} bins of head {head}"
    elif element is not None:
        what = f"number {element} (from 0) of the vector {head}"
    elif contract.output in ("degrees", "radians"):
        what = f"{contract.output} at the front wheels, from {head}"
    else:
        what = f"steering from {'head ' if len(graph.outputs) > 1 else ''}{head}"
    centre, full = contract.output_centre, _range(contract)
    if (centre, full) == (0.0, 1.0):
        return f"output: {what}, −1 to 1"
    left, right = (f"{value:.4g}".replace("-", "−") for value in (centre - full, centre + full))
    return f"output: {what}, full left at {left}, full right at {right}"


def _range(contract: Contract) -> float:
    """Return how far from the centre full right is."""
    if contract.output_range is not None:
        return contract.output_range
    usual = {"degrees": contract.max_steer_deg, "radians": math.radians(contract.max_steer_deg)}
    return usual.get(contract.output, 1.0)


def steering_output(graph: LayerGraph, kind: str) -> str:
    """Return the name of the output that holds the steering."""
    outputs = graph.outputs
    if kind == "two-heads":
        if len(outputs) == 1:
            raise BadInputError(
                f"output two-heads: expected several outputs, received one, {outputs[0]}: pass "
                "--output steering, bins or vector:I"
            )
        return _named(outputs, STEERING_WORDS) or outputs[0]
    if len(outputs) > 1:
        raise BadInputError(
            f"output {kind}: expected one output, received {len(outputs)}, {', '.join(outputs)}: "
            "pass --output two-heads"
        )
    return outputs[0]


def _throttle_output(graph: LayerGraph) -> str | None:
    steering = steering_output(graph, "two-heads")
    others = tuple(name for name in graph.outputs if name != steering)
    named = _named(others, THROTTLE_WORDS)
    if named is None and len(others) == 1:  # donkeycar's n_outputs0 and n_outputs1
        stems = {name.rstrip("0123456789") for name in graph.outputs}
        return others[0] if len(stems) == 1 else None
    return named


def _named(outputs: tuple[str, ...], words: tuple[str, ...]) -> str | None:
    """Return the first output with the first of these words that any has in its name."""
    found = (name for word in words for name in outputs if word in name.lower())
    return next(found, None)


def _is_bins(graph: LayerGraph, head: str, units: int) -> bool:
    return units > MOST_NUMBERS or (units > 1 and _ends_in_softmax(graph.layers, head))


def _ends_in_softmax(layers: Iterable[Layer], name: str) -> bool:
    by_name = {layer.name: layer for layer in layers}
    layer = by_name[name]
    while _passes(layer) and layer.inputs and layer.inputs[0] in by_name:
        layer = by_name[layer.inputs[0]]
    return layer.kind == "Softmax" or _activation(layer) == "softmax"


def _passes(layer: Layer) -> bool:
    return layer.kind in PASSING or (layer.kind, _activation(layer)) == ("Activation", "linear")


def _activation(layer: Layer) -> str:
    value: Any = layer.config.get("activation")
    if isinstance(value, Mapping):  # {"class_name": "function", "config": "softmax"}
        inner = value.get("config")
        value = inner if isinstance(inner, str) else value.get("class_name")
    return str(value or "linear").lower()


def _units(graph: LayerGraph, name: str) -> int:
    """Return the size of a head by its own settings; 0 if they don't say."""
    layers = {layer.name: layer for layer in graph.layers}
    while name in layers:
        layer = layers[name]
        units = layer.config.get("units")
        if isinstance(units, int) or not layer.inputs:
            return units or 0
        if layer.kind not in (*PASSING, "Softmax", "Activation"):
            return 0
        name = layer.inputs[0]
    return 0


def _ending_in(
    name: str,
    graph: LayerGraph,
    head: str,
    shape: Shape,
    values: NDArray[np.float64],
    ends: tuple[float, float],
    probabilities: bool,
) -> LayerGraph:
    """Return the model whose one output is (sum of head x values - centre) / range.

    Args:
        name: Of the new output.
        graph: Of a model file.
        head: The output that is kept.
        shape: Of it.
        values: Of its numbers, in order.
        ends: Centre and range.
        probabilities: The head's numbers must be probabilities.
    """
    (centre, full), units = ends, len(values)
    if (head, shape, ends) == (name, (1,), (0.0, 1.0)):
        return replace(graph, layers=_needed(graph, head), outputs=(head,))
    layers = list(_needed(graph, head))
    taken = {layer.name for layer in layers}
    if name in taken:
        other = _free(f"{name}_of_file", taken)
        layers = [_renamed(layer, name, other) for layer in layers]
        head = other if head == name else head

    def append(kind: str, own_name: str, config: dict[str, Any], *weights: Array) -> None:
        feeds = layers[-1].name if len(layers) > count else head
        layers.append(Layer(kind, own_name, config, weights, (feeds,)))

    count = len(layers)
    if len(shape) != 1:
        append("Flatten", _free(f"{name}_flat", taken), {})
    if probabilities and not _ends_in_softmax(layers, head):
        append("Softmax", _free(f"{name}_bins", taken), {"axis": -1})
    if units > 1:
        kernel = (values[:, None] / full).astype(np.float32)
        bias = np.array([-centre / full], np.float32)
        config = {"units": 1, "use_bias": True, "activation": "linear", "added": True}
        append("Dense", name, config, kernel, bias)
    elif ends == (0.0, 1.0):
        append("Activation", name, {"activation": "linear"})
    else:
        append("Rescaling", name, {"scale": 1 / full, "offset": -centre / full})
    return replace(graph, layers=tuple(layers), outputs=(name,))


def _needed(graph: LayerGraph, head: str) -> tuple[Layer, ...]:
    """Return the layers that this output depends on, in their order."""
    needed = {head}
    for layer in reversed(graph.layers):
        if layer.name in needed:
            needed.update(layer.inputs)
    return tuple(layer for layer in graph.layers if layer.name in needed)


def _renamed(layer: Layer, old: str, new: str) -> Layer:
    inputs = tuple(new if name == old else name for name in layer.inputs)
    return replace(layer, name=new if layer.name == old else layer.name, inputs=inputs)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
