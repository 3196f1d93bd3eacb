"""From a model file to a network that can be asked, with its contract, checked.

A network whose layers are all known here runs as one ONNX graph; one with others (recurrent ones,
for example) in TensorFlow; an ONNX file with operators that have no gradient here as it is, for the
methods that only ask for the steering.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from carla_saliency.core import Contract, Network
from carla_saliency.errors import BadInputError
from carla_saliency.network import cache
from carla_saliency.network.check import GradientCheck, check_gradient
from carla_saliency.network.contract import (
    contract_from,
    guess_contract,
    load_contract,
    read_contract,
)
from carla_saliency.network.files import load
from carla_saliency.network.layers import LayerGraph, NotInGraphError, Shape
from carla_saliency.network.output import (
    explain_output,
    guess_output,
    steering_head,
    steering_output,
    throttle_head,
)
from carla_saliency.network.runtime import OnnxNetwork

if TYPE_CHECKING:
    from carla_saliency.network.black_box import BlackBox
    from carla_saliency.network.tensorflow_runtime import TensorFlowNetwork

logger = logging.getLogger(__name__)

OF_THE_OUTPUT = {"output", "output_centre", "output_range", "preprocess", "speed_scale"}
"""Parts of a contract that say nothing of the camera or the car."""

OF_THE_SIZE = {"size", "width_px", "height_px"}
"""Parts of a contract that say how large a camera's picture is."""

CHECK_SPEED = 8.0  # any speed will do for the check of the gradient


class Facts(Protocol):
    """What is known of a model, whatever it is; see `layers.LayerGraph`."""

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Of one image input: (rows, columns, channels), or with the frames in front."""

    @property
    def frames(self) -> int:
        """How many pictures in a row it is given."""

    @property
    def takes_speed(self) -> bool:
        """Whether it is also told the speed."""

    @property
    def channels_first(self) -> bool:
        """Whether the file's own image is (channels, rows, columns)."""

    @property
    def parameters(self) -> int:
        """Number of weights."""

    @property
    def source(self) -> str:
        """What the file is, for example "Keras 2.1.6, HDF5"."""


class SteeringNetwork(Network, Protocol):
    """A network of a model file."""

    @property
    def graph(self) -> Facts:
        """What is known of the model."""

    @property
    def runtime(self) -> str:
        """What runs it, with its version."""

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Rows, columns, channels of one picture."""


@dataclass(frozen=True)
class Reading:
    """How a model file is to be read, as a person says it; the defaults say nothing.

    Attributes:
        arch: Layers for a file of weights only.
        contract: Name of a preset, or a file; None = the one beside the model.
        parts: Field of the contract -> text, instead of what the contract says.
    """

    arch: str | None = None
    contract: str | None = None
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Loaded:
    """A network that can be asked.

    Attributes:
        network: Answers.
        contract: What it was trained with, or a guess.
        has_contract: Whether that was said by somebody.
        model: The file's own layers, before the meaning of the output was added; None for a model
            that runs as it is.
        output: What the answer means, one line.
        head: Name of the output that holds the steering, where there are several; else "".
        guesses: One line for everything that was guessed.
        notes: One line for everything else that a person should know.
        check: What its gradient was found to be; None without one.
        any_size: Nobody said how large a camera's picture is, so that any size will do.
        any_crop: Nobody said either which part of it is looked at, so that it is all.
    """

    network: SteeringNetwork
    contract: Contract
    has_contract: bool
    model: LayerGraph | None
    output: str
    head: str = ""
    guesses: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    check: GradientCheck | None = None
    any_size: bool = False
    any_crop: bool = False


def load_network(path: str | Path, reading: Reading = Reading()) -> Loaded:
    """Return the network of a model file, after its gradient was found right.

    Args:
        path: Of the model.
        reading: What the file and the contract beside it do not say.

    Raises:
        BadInputError: If the file or the contract can't be used, or the gradient is wrong; it names
            the file.
    """
    path = Path(path)
    try:
        return _loaded(path, reading)
    except BadInputError as error:
        if str(path) in str(error):
            raise
        raise BadInputError(f"{path}: {error}") from None


def _loaded(path: Path, reading: Reading) -> Loaded:
    own = load_contract(path)
    named = reading.contract
    filed = read_contract(named) if named and Path(named).suffix else own  # presets have none
    preprocess = reading.parts.get("preprocess") or (filed.preprocess if filed else "")
    model = load(path, preprocess=preprocess, arch=reading.arch)
    base = own or guess_contract(model.input_shape, path.stem)
    contract = contract_from(reading.contract, reading.parts, base, model.input_shape)
    said = bool(own or reading.contract or reading.parts.keys() - OF_THE_OUTPUT)
    parts = {part.replace("-", "_") for part in reading.parts}
    any_size = not (own or reading.contract or parts & OF_THE_SIZE)
    any_crop = any_size and "crop" not in parts
    guesses = []
    if said and any_size:
        part = "the whole picture" if any_crop else "the crop, in a picture of any size"
        grid = f"{contract.input_width_px}×{contract.input_height_px}"
        guesses.append(f"camera: {part}, resized to {grid}, since nobody said how large it is")
    if said and not (own or reading.contract or "max_steer_deg" in parts):
        lock = f"{contract.max_steer_deg:g}°"
        guesses.append(f"car: front wheels up to {lock} at steering 1, since nobody said it")
    if not said:
        guesses.append(
            f"camera: no contract, so the whole picture, {contract.colour}, resized to "
            f"{contract.input_width_px}×{contract.input_height_px}, values of 0 to 255"
        )
    if not isinstance(model, LayerGraph):
        box = _black_box(model, contract, said, tuple(guesses))
        return replace(box, any_size=any_size, any_crop=any_crop)
    digest = _digest(path, contract, reading.arch, preprocess)
    network, contract, notes = _runtime(model, contract, "output" in reading.parts, digest, guesses)
    check = _checked(network, contract, said, digest)
    if check.dead:
        notes.append(
            "dead: the steering does not depend on the picture at all, so its map is empty"
        )
    return Loaded(
        network=network,
        contract=contract,
        has_contract=said,
        model=model,
        output=explain_output(contract, model),
        head=steering_output(model, contract.output) if len(model.outputs) > 1 else "",
        guesses=tuple(guesses),
        notes=tuple(notes),
        check=check,
        any_size=any_size,
        any_crop=any_crop,
    )


def throttle_network(loaded: Loaded) -> OnnxNetwork | TensorFlowNetwork | None:
    """Return the network that answers the throttle instead of the steering, or None.

    Its numbers are the file's own: 1 is full throttle, and less than 0 brakes.
    """
    if loaded.model is None:
        return None
    shapes, reason = _shapes(loaded.model)
    head = throttle_head(loaded.model, shapes, loaded.contract)
    return None if head is None else _network(head, reason, "")


def _shapes(model: LayerGraph) -> tuple[dict[str, Shape], str]:
    """Return the shapes of all layers, and why the fast graph can't run them; "" if it can."""
    from carla_saliency.network.graph import shapes_of, unknown_kinds

    unknown = unknown_kinds(model)
    if model.frames > 1:
        unknown.append("pictures in a row")
    reason = f"{' and '.join(unknown)} can't be part of the fast graph" if unknown else ""
    if not reason:
        try:
            return shapes_of(model), ""
        except NotInGraphError as error:
            reason = str(error)
    from carla_saliency.network.tensorflow_runtime import shapes_of as shapes_in_tensorflow

    return shapes_in_tensorflow(model), reason


def _network(graph: LayerGraph, reason: str, digest: str) -> OnnxNetwork | TensorFlowNetwork:
    if not reason:
        return OnnxNetwork(graph, digest)
    from carla_saliency.network.tensorflow_runtime import TensorFlowNetwork

    return TensorFlowNetwork(graph)


def _runtime(
    model: LayerGraph, contract: Contract, output_said: bool, digest: str, guesses: list[str]
) -> tuple[OnnxNetwork | TensorFlowNetwork, Contract, list[str]]:
    """Return what runs the model, the contract with the meaning of the output, and notes."""
    shapes, reason = _shapes(model)
    kind, why = guess_output(model, shapes)
    # "steering" is also what a contract says that says nothing
    if not output_said and contract.output == "steering" and kind != "steering":
        contract = replace(contract, output=kind)
        guesses.append(f"output: {kind} ({why})")
    network = _network(steering_head(model, shapes, contract), reason, digest)
    return network, contract, [f"runs in TensorFlow: {reason}"] if reason else []


def _checked(
    network: OnnxNetwork | TensorFlowNetwork, contract: Contract, known: bool, digest: str
) -> GradientCheck:
    """Return what the gradient was found to be, now or when this file was first loaded."""
    ends = contract.offset, contract.offset + 255 * contract.scale
    ranges = [(min(ends), max(ends))]
    if not known:
        ranges.append((-1.0, 1.0))  # which of them it was trained with is not known
    speed = CHECK_SPEED * contract.speed_scale if network.graph.takes_speed else None

    def check() -> bytes:
        found = check_gradient(network, network.graph.image_shape, ranges, speed)
        return json.dumps([found.ratio, found.dead]).encode()

    kept = cache.stored(digest, (network.runtime, ranges, speed), check)
    return GradientCheck(*json.loads(kept))


def _black_box(box: BlackBox, contract: Contract, known: bool, guesses: tuple[str, ...]) -> Loaded:
    network = box.with_meaning(contract)
    return Loaded(
        network, contract, known, None, network.output, guesses=guesses, notes=(network.reason,)
    )


def _digest(path: Path, contract: Contract, arch: str | None, preprocess: str) -> str:
    """Return a name for the graphs of this file, read in this way; "" for a folder."""
    if path.is_dir():
        return ""
    read = (arch, preprocess, contract.output, contract.output_centre, contract.output_range)
    layers = Path(arch).read_bytes() if arch and os.path.isfile(arch) else b""
    more = repr((*read, contract.max_steer_deg)).encode()
    return cache.digest_of(path.read_bytes(), more, layers)
