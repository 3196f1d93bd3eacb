"""Keras's model configurations, old and new, to calls of layers in an order of computation.

Models inside models are flattened: a call's name is then the path to it, such as "inner/conv". A
layer that is called twice is two calls with one path, and so with the same weights.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from carla_saliency.errors import BadInputError
from carla_saliency.network.keras_kinds import MERGES, MODELS
from carla_saliency.network.keras_nodes import (
    LayerConfig,
    ends,
    is_operation,
    is_sequential,
    layers_in,
    model_in,
    name_of,
    nodes_of,
)

Path = tuple[str, ...]

MAX_CALLS = 5000
MAX_DEPTH = 12  # of models inside models


@dataclass(frozen=True)
class Call:
    """One use of a layer.

    Attributes:
        kind: Class name, as the file has it.
        name: Unique in the model.
        config: As the file has it.
        inputs: Names of the calls or model inputs that feed it.
        path: Names of the models around the layer, then its own: where its weights are.
        operands: For an operation such as x / 255: the input's place is None, the others are
            numbers; None for a layer.
    """

    kind: str
    name: str
    config: LayerConfig
    inputs: tuple[str, ...]
    path: Path
    operands: tuple[Any, ...] | None = None


@dataclass(frozen=True)
class Listed:
    """A layer as its model lists it.

    Attributes:
        name: In the file.
        kind: Class name, as the file has it.
        config: As the file has it.
        inside: Of a model, or of one that is applied to each frame: its layers.
    """

    name: str
    kind: str
    config: LayerConfig
    inside: tuple[Listed, ...] = ()


@dataclass(frozen=True)
class Flat:
    """A whole model, flattened.

    Attributes:
        inputs: Name and shape of each, the batch in front; a size may be None.
        calls: In an order of computation.
        outputs: Names of calls.
        name: Of the model.
        listed: Its layers as listed, for finding their weights.
    """

    inputs: tuple[tuple[str, tuple[Any, ...]], ...]
    calls: tuple[Call, ...]
    outputs: tuple[str, ...]
    name: str
    listed: tuple[Listed, ...]


def flatten(model: LayerConfig) -> Flat:
    """Return the calls that lead from a model's inputs to its outputs.

    Args:
        model: `class_name` and `config`. The latter is a list up to Keras 2.1.

    Raises:
        BadInputError: If it is no Sequential or Functional model, or not a possible one.
        KeyError, TypeError, ValueError, IndexError, AttributeError: If it is malformed.
    """
    kind, config = model.get("class_name"), model.get("config")
    if kind not in MODELS:
        raise BadInputError(
            f"expected a Sequential or Functional model, received {str(kind)[:60]!r}: a model of a "
            "class of one's own can't be read without its code; build it from Keras's layers"
        )
    listed = listing(model)
    if not listed:
        raise BadInputError("the model has no layers: save the model that was trained")
    if is_sequential(model):
        inputs = [sequential_input(model)]
    else:
        by_name = {layer.name: layer for layer in listed}
        inputs = [
            (name, shape_in(by_name[name].config))
            for name, *_ in ends(model["config"]["input_layers"])
        ]
    flattener = _Flattener(names={name for name, _ in inputs})
    outputs = flattener.model(model, (), [name for name, _ in inputs], each_frame=False)
    own_name = config.get("name") if isinstance(config, dict) else None
    return Flat(
        tuple(inputs), tuple(flattener.calls), tuple(outputs), str(own_name or "model"), listed
    )


def listing(model: LayerConfig, depth: int = 0) -> tuple[Listed, ...]:
    """Return a model's layers with their names, and what is inside of them; () for no model.

    Raises:
        BadInputError: If models are nested too deeply, or there are too many layers.
    """
    if model.get("class_name") not in MODELS:
        return ()
    layers = layers_in(model)
    if depth > MAX_DEPTH or len(layers) > MAX_CALLS:
        raise BadInputError(
            f"expected at most {MAX_CALLS} layers in at most {MAX_DEPTH} models inside each other, "
            "received more: this is not a steering network"
        )
    listed = []
    for layer in layers:
        kind, config = layer["class_name"], layer["config"]
        if not isinstance(kind, str) or not isinstance(config, dict | list):
            raise TypeError("a layer has no settings")
        inner = model_in(layer)
        inside = listing(inner, depth + 1) if inner else ()
        own = config if isinstance(config, dict) else {}
        listed.append(Listed(name_of(layer), kind, own, inside))
    return tuple(listed)


def shape_in(config: LayerConfig) -> tuple[Any, ...]:
    """Return the shape, with the batch, that a layer's settings state; () if none."""
    shape = config.get("batch_shape") or config.get("batch_input_shape")
    if shape is None and config.get("input_shape"):
        shape = [None, *config["input_shape"]]
    return tuple(shape or ())


def sequential_input(model: LayerConfig) -> tuple[str, tuple[Any, ...]]:
    """Return a name and the shape of what a Sequential model is given."""
    while True:
        first = layers_in(model)[0]
        shape = shape_in(first["config"]) if isinstance(first["config"], dict) else ()
        inner = model_in(first)
        if shape or inner is None or first["class_name"] == "TimeDistributed":
            break
        if not is_sequential(inner):
            name = ends(inner["config"]["input_layers"])[0][0]
            start = {name_of(layer): layer for layer in layers_in(inner)}[name]
            return name_of(first) + "_input", shape_in(start["config"])
        model = inner
    shape = shape or tuple((first.get("build_config") or {}).get("input_shape") or ())
    if not shape and isinstance(model["config"], dict):
        shape = tuple(model["config"].get("build_input_shape") or ())
    suffix = "" if first["class_name"] == "InputLayer" else "_input"
    return name_of(first) + suffix, shape


@dataclass
class _Flattener:
    """Collects the calls of one model and of those inside it."""

    names: set[str]
    calls: list[Call] = field(default_factory=list)
    uses: Counter[str] = field(default_factory=Counter)
    models: int = 0

    def model(
        self, model: LayerConfig, path: Path, feeds: list[str], each_frame: bool
    ) -> list[str]:
        """Add a model's calls; return the names of its outputs."""
        self.models += 1
        self.stay_small()
        if is_sequential(model):
            return self.sequential(model, path, feeds, each_frame)
        return self.functional(model["config"], path, feeds, each_frame)

    def sequential(
        self, model: LayerConfig, path: Path, feeds: list[str], each_frame: bool
    ) -> list[str]:
        """Add each layer, fed by the one before it."""
        for layer in layers_in(model):
            if layer["class_name"] != "InputLayer":
                feeds = self.call(layer, path, feeds, each_frame, None)
        return feeds

    def functional(
        self, config: LayerConfig, path: Path, feeds: list[str], each_frame: bool
    ) -> list[str]:
        """Add what leads to the outputs, each call after those that feed it."""
        layers = {name_of(layer): layer for layer in config["layers"]}
        starts, outputs = ends(config["input_layers"]), ends(config["output_layers"])
        nodes = nodes_of(layers, outputs)
        if len(starts) != len(feeds):
            raise ValueError(f"a model of {len(starts)} inputs is given {len(feeds)}")
        values = {(end[0], 0): [feed] for end, feed in zip(starts, feeds, strict=True)}
        waiting: set[tuple[str, int]] = set()
        stack = [(name, node) for name, node, _ in reversed(outputs)]
        while stack:
            key = stack[-1]
            if key in values:
                stack.pop()
                continue
            references, operands = nodes[key]
            missing = [(name, node) for name, node, _ in references if (name, node) not in values]
            waiting.add(key)
            for name, node in reversed(missing):  # the first is taken first
                if (name, node) in waiting:
                    raise BadInputError(
                        f"layer {name} ({layers[name]['class_name']}) feeds itself: a steering "
                        "network can't be a loop; save the model again"
                    )
                stack.append((name, node))
            if not missing:
                waiting.discard(key)
                sources = [values[name, node][index] for name, node, index in references]
                values[key] = self.call(layers[key[0]], path, sources, each_frame, operands)
        return [values[name, node][index] for name, node, index in outputs]

    def call(
        self,
        layer: LayerConfig,
        path: Path,
        feeds: list[str],
        each_frame: bool,
        operands: tuple[Any, ...] | None,
    ) -> list[str]:
        """Add one call; return the names of its outputs."""
        kind, own_name = layer["class_name"], name_of(layer)
        if not feeds:
            raise ValueError(f"nothing feeds the layer {own_name}")
        inner = model_in(layer)
        if inner is not None:
            each_frame = each_frame or kind == "TimeDistributed"
            return self.model(inner, (*path, own_name), feeds, each_frame)
        config = layer["config"]
        if each_frame and kind not in MERGES:  # merges act on all frames as they are
            config = {"name": own_name, "layer": layer}
            kind = "TimeDistributed"
        if is_operation(layer):
            kind = "Operation " + kind
        self.stay_small()
        name = self.unique("/".join((*path, own_name)))
        self.calls.append(Call(kind, name, config, tuple(feeds), (*path, own_name), operands))
        return [name]

    def stay_small(self) -> None:
        """Refuse models inside models that multiply."""
        if max(len(self.calls), self.models) >= MAX_CALLS:
            raise BadInputError(
                f"expected at most {MAX_CALLS} layers, received more: models inside models repeat "
                "them; this is not a steering network"
            )

    def unique(self, name: str) -> str:
        """Return the name, with a number if it was called before."""
        choice = name
        while choice in self.names:
            self.uses[name] += 1
            choice = f"{name}_call{self.uses[name] + 1}"
        self.names.add(choice)
        return choice
