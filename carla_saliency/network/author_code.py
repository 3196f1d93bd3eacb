"""Code of the file's author in a model: where it is, and the user's steps in its place."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from carla_saliency.errors import BadInputError
from carla_saliency.network import channels_first, steps
from carla_saliency.network.keras_kinds import KERAS_KINDS, MERGES
from carla_saliency.network.layers import Layer, LayerGraph

OURS = frozenset({"Colour"})
KEEP_CHANNELS = (
    channels_first.ELEMENTWISE
    | (MERGES - {"Concatenate", "Dot"})
    | {"BatchNormalization", "Cropping2D", "ZeroPadding2D", "Resizing", "UpSampling2D"}
    | {"Rescaling", "Normalization", "LayerNormalization", "Activation"}
)


def is_code(layer: Layer) -> bool:
    """Say whether only the author's code knows what a layer does."""
    kind = kind_of(layer)
    return kind not in KERAS_KINDS and kind not in OURS


def kind_of(layer: Layer) -> str:
    """Return a layer's kind; that of what it applies to each frame, if it does."""
    if layer.kind == "TimeDistributed":
        return str(layer.config["layer"]["class_name"])
    return layer.kind


def replaced(graph: LayerGraph, text: str) -> tuple[LayerGraph, bool]:
    """Return the model with the user's steps where the author's code was.

    Args:
        graph: As the file has it.
        text: Chains for each place with code, joined by `;`; neighbours are one place.

    Returns:
        The model, and whether there was code in it.

    Raises:
        BadInputError: If there are not as many chains as places.
    """
    places = _places(graph)
    if not places:
        return graph, False
    chains = steps.parse_all(text)
    if len(chains) != len(places):
        raise _missing(graph, places, len(chains))
    first = channels_first.is_channels_first(graph.layers, graph.inputs[0].name)
    new: dict[str, list[Layer]] = {}
    for place, chain in zip(places, chains, strict=True):
        for layer in place[:-1]:
            new[layer.name] = []
        source = place[0].inputs[0]
        channels = _channels(graph, source, new, first)
        for step in chain:
            if channels is not None:
                channels = step.channels(channels)
        new[place[-1].name] = steps.as_layers(
            chain,
            place[-1].name,
            source,
            frames=len(graph.image_shape) == 4 or place[0].kind == "TimeDistributed",
            channels_first=first,
        )
    layers = [one for layer in graph.layers for one in new.get(layer.name, [layer])]
    return replace(graph, layers=tuple(layers)), True


def _places(graph: LayerGraph) -> list[list[Layer]]:
    """Return the layers that are code, those that follow on each other together."""
    uses = Counter(name for layer in graph.layers for name in layer.inputs)
    uses.update(graph.outputs)
    places: list[list[Layer]] = []
    for layer in graph.layers:
        if not is_code(layer):
            continue
        if len(layer.inputs) != 1:
            raise BadInputError(
                f"layer {layer.name} ({kind_of(layer)}) is code of the file's author that joins "
                f"{len(layer.inputs)} values, which --preprocess has no step for: build the model "
                "from Keras's layers and save it again"
            )
        source = layer.inputs[0]
        before = [p for p in places if p[-1].name == source and uses[source] == 1]
        if before:
            before[0].append(layer)
        else:
            places.append([layer])
    return places


def _missing(graph: LayerGraph, places: list[list[Layer]], chains: int) -> BadInputError:
    layer = places[0][0]
    source = layer.inputs[0]
    after = "right after the input" if source == graph.inputs[0].name else f"after {source}"
    kind = kind_of(layer)[:60]
    what = f"an {kind}" if kind.startswith("operation") else f"a {kind}"
    if not chains:
        more = f" (the first of {len(places)} places; join their chains by ;)"
        return BadInputError(
            f"layer {layer.name} is {what}, {after}: code of the file's author, and nothing in a "
            "file is executed; say what it does with --preprocess, for example "
            f"--preprocess 'x/127.5-1'{more if len(places) > 1 else ''}"
        )
    names = "; ".join("|".join(one.name for one in place) for place in places)
    return BadInputError(
        f"--preprocess: expected {len(places)} chains joined by ; for the code in the file "
        f"({names}), received {chains}"
    )


def _channels(
    graph: LayerGraph, name: str, new: dict[str, list[Layer]], is_first: bool
) -> int | None:
    """Return how many channels a layer's output has; None where that is not simple."""
    image = graph.inputs[0]
    layers = {layer.name: layer for layer in graph.layers}
    layers.update({one.name: one for added in new.values() for one in added})
    changed = None
    while name != image.name:
        layer = layers.get(name)
        if layer is not None and layer.kind == "Colour" and layer.config["space"] == "grey":
            changed = 1 if changed is None else changed
        elif layer is None or kind_of(layer) not in KEEP_CHANNELS | OURS:
            return None
        name = layer.inputs[0]
    return changed or image.shape[-3 if is_first else -1]
