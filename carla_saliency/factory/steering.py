"""The steering network of a command, with all that is needed to ask it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from carla_saliency.core import Contract, Image
from carla_saliency.errors import BadInputError
from carla_saliency.network.feed import ContractFeed
from carla_saliency.network.loading import (
    Loaded,
    Reading,
    SteeringNetwork,
    load_network,
)
from carla_saliency.network.preprocess import ContractPreprocess
from carla_saliency.settings import NetworkSettings

SHIPPED_NETWORK = Path(__file__).parents[1] / "network" / "shipped" / "dave2.keras"


@dataclass(frozen=True)
class Steering:
    """A steering network with all that is needed to ask and to explain it.

    Attributes:
        path: Of the model file.
        loaded: What was read, and what was guessed.
        contract: The network's own, or a guess where it has none.
        preprocess: From a camera picture to its input, and back.
        feed: From frames to all that it takes; shared by everybody who asks in one drive.
        load_s: How long loading took.
    """

    path: Path
    loaded: Loaded
    contract: Contract
    preprocess: ContractPreprocess
    feed: ContractFeed
    load_s: float

    @property
    def network(self) -> SteeringNetwork:
        """Answers."""
        return self.loaded.network

    @property
    def has_contract(self) -> bool:
        """Whether the contract came with the network; without it, degrees are not known."""
        return self.loaded.has_contract

    @property
    def title(self) -> str:
        """For the window: the file, and which of several heads steers."""
        head = self.loaded.head
        return f"{self.path.name}, {head}" if head else self.path.name

    def lines(self) -> list[str]:
        """Return one line for everything that a person should know, guesses first."""
        guesses = [f"{self.path.name}: a guess: {line}" for line in self.loaded.guesses]
        return guesses + [f"{self.path.name} {line}" for line in self.loaded.notes]


def load_steering(settings: NetworkSettings | None = None) -> Steering:
    """Return the network of a model file, or the shipped one.

    Raises:
        BadInputError: If the file can't be used.
    """
    settings = settings or NetworkSettings()
    reading = Reading(settings.arch, settings.contract, settings.contract_parts())
    return read_steering(SHIPPED_NETWORK if settings.model is None else settings.model, reading)


def read_steering(path: str | Path, reading: Reading) -> Steering:
    """Return the network of a model file that is read in this way.

    Raises:
        BadInputError: If the file can't be used.
    """
    start_s = time.perf_counter()
    loaded = load_network(path, reading)
    steering = _with_contract(Path(path), loaded, loaded.contract)
    return replace(steering, load_s=time.perf_counter() - start_s)


def _with_contract(path: Path, loaded: Loaded, contract: Contract) -> Steering:
    preprocess, graph = ContractPreprocess(contract), loaded.network.graph
    feed = ContractFeed(preprocess, graph.frames, graph.takes_speed, contract.speed_scale)
    return Steering(path, loaded, contract, preprocess, feed, 0.0)


def for_picture(steering: Steering, picture: Image) -> Steering:
    """Return the network as it is to be asked about a picture of any camera.

    One whose contract says how large its pictures are looks at the same part of any other. If
    nobody said that, a crop is of this picture; and without a crop it is given all of it.

    Raises:
        BadInputError: If such a crop is not inside the picture.
    """
    loaded, contract = steering.loaded, steering.contract
    height, width = picture.shape[:2]
    if not loaded.any_size or (contract.width_px, contract.height_px) == (width, height):
        return steering
    crop = (0, height, 0, width) if loaded.any_crop else contract.crop
    if crop[1] > height or crop[3] > width:
        raise BadInputError(
            f"a picture of {width}x{height} does not have the crop {','.join(map(str, crop))}: say "
            f"by --trained-size (in Python: size) of which size's picture it is"
        )
    contract = replace(contract, width_px=width, height_px=height, crop=crop)
    return _with_contract(steering.path, steering.loaded, contract)


def for_grid(steering: Steering) -> Steering:
    """Return the network as it is to be asked about pictures that are on its own grid already."""
    contract = steering.contract
    rows, columns = contract.input_height_px, contract.input_width_px
    contract = replace(
        contract, width_px=columns, height_px=rows, crop=(0, rows, 0, columns), blur_px=0
    )
    return _with_contract(steering.path, steering.loaded, contract)


def require_contract(steering: Steering) -> None:
    """Refuse to drive a network of which nobody knows what it was trained with.

    Raises:
        BadInputError: If it has no contract.
    """
    if not steering.has_contract:
        name = steering.path.stem
        raise BadInputError(
            f"{steering.path.name} has no camera contract, and can't be driven without: say what "
            "it was trained with by --contract dave2, udacity, donkey or seed, or a FILE such as "
            f"{name}.contract.json (carla-saliency doctor --model FILE --save writes one)"
        )
