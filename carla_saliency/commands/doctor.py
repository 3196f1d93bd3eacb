"""`carla-saliency doctor`: what a model file is, what it needs, and what is wrong with it."""

from __future__ import annotations

import sys
from pathlib import Path

from carla_saliency import factory
from carla_saliency.core import Frame, LayerInfo
from carla_saliency.errors import BadInputError
from carla_saliency.factory import Steering
from carla_saliency.network.contract import contract_path, save_contract
from carla_saliency.network.contract_words import describe
from carla_saliency.pictures import read_picture
from carla_saliency.settings import DoctorSettings

LABEL = 14  # characters


def run(settings: DoctorSettings) -> int:
    """Print all that is known of a model file; return the exit code.

    Raises:
        BadInputError: If the file can't be used: the message says what is wrong with it.
    """
    steering = factory.load_steering(settings)
    if settings.save and not steering.has_contract:
        raise BadInputError(
            f"--save: nobody said what {steering.path.name} was trained with, and a guess is no "
            "contract: give --contract dave2, udacity, donkey, seed or a FILE, or its parts "
            "(--trained-size, --trained-crop, ...)"
        )
    lines = [*_file(steering), "", *_layers(steering), "", *_meaning(steering)]
    for name in settings.frames:
        lines += ["", *_answer(steering, Path(name))]
    sys.stdout.write("\n".join(lines) + "\n")
    if settings.save:
        _save(steering)
    return 0


def _row(label: str, text: object) -> str:
    return f"{label:<{LABEL}}{text}"


def _file(steering: Steering) -> list[str]:
    graph, network = steering.network.graph, steering.network
    shape = "×".join(map(str, graph.image_shape))
    inputs = [f"{shape} (rows × columns × channels)"]
    if graph.frames > 1:
        inputs = [f"{shape} (frames × rows × columns × channels)"]
    if graph.channels_first:
        inputs.append("channels first in the file")
    if graph.takes_speed:
        inputs.append("and the speed")
    return [
        _row("file", steering.path),
        _row("format", graph.source or "unknown"),
        _row("input", ", ".join(inputs)),
        _row("parameters", f"{graph.parameters:,}"),
        _row("runtime", f"{network.runtime}, ready in {steering.load_s * 1000:.0f} ms"),
        _row("gradient", _gradient(steering)),
    ]


def _gradient(steering: Steering) -> str:
    check = steering.loaded.check
    if check is None:
        return "none: occlusion and rise explain this network"
    if check.dead:
        return "exactly zero: this network is dead, its steering does not depend on the picture"
    if check.ratio is None:
        return "too small to be measured: the output is saturated for random pictures"
    return f"right: finite differences are {check.ratio:.4f} times it (median)"


def _layers(steering: Steering) -> list[str]:
    layers = steering.network.layers
    if not layers:
        return ["layers: not known, the file runs as it is"]
    width = max(24, *(len(layer.name) + 2 for layer in layers))
    head = f"{'layer':<{width}}{'kind':<24}{'output':<16}{'parameters':>10}"
    return [head, *(_layer(layer, width) for layer in layers)]


def _layer(layer: LayerInfo, width: int) -> str:
    shape = "×".join(map(str, layer.shape))
    parameters = f"{layer.parameters:,}" if layer.parameters else ""
    return f"{layer.name:<{width}}{layer.kind:<24}{shape:<16}{parameters:>10}".rstrip()


def _meaning(steering: Steering) -> list[str]:
    origin = "contract" if steering.has_contract else "no contract: these are guesses"
    lines = [f"{origin}", *(f"  {line}" for line in describe(steering.contract))]
    output = steering.loaded.output
    if not any(steering.loaded.output in line for line in lines):
        lines.append(f"  {output}")
    return lines + [f"note: {line}" for line in steering.lines()]


def _answer(steering: Steering, path: Path) -> list[str]:
    picture = read_picture(path)
    fitted = factory.for_picture(steering, picture)
    try:
        seen = fitted.feed.look(Frame(0, 0.0, picture))
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from None
    answer = float(fitted.network.steer(seen.inputs)[0])
    degrees = answer * steering.contract.max_steer_deg
    known = f" ({degrees:+.1f}° at the wheels)" if steering.has_contract else ""
    values = seen.inputs.image
    return [
        _row("frame", f"{path}, {picture.shape[1]}×{picture.shape[0]}"),
        _row("", f"enters the network as values of {values.min():g} to {values.max():g}"),
        _row("steering", f"{answer:+.4f}{known}, left is negative"),
    ]


def _save(steering: Steering) -> None:
    path = contract_path(steering.path)
    save_contract(path, steering.contract)
    sys.stdout.write(f"contract written to {path}\n")
