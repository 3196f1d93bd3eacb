"""Settings become parts here: the only place that names the concrete classes of a drive."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from carla_saliency.core import Car, Contract, Image
from carla_saliency.errors import BadInputError
from carla_saliency.network.contract import default_contract_for, load_contract
from carla_saliency.network.preprocess import ContractPreprocess
from carla_saliency.network.runtime import OnnxNetwork, load_network
from carla_saliency.saliency import METHODS
from carla_saliency.saliency.gradient import Gradient
from carla_saliency.settings import DriveSettings, parse_size
from carla_saliency.sim.settings import SessionSettings

SHIPPED_NETWORK = Path(__file__).parent / "network" / "shipped" / "dave2.keras"


@dataclass(frozen=True)
class Steering:
    """A steering network with all that is needed to ask and to explain it.

    Attributes:
        path: Of the model file.
        network: Runs it.
        contract: Its own, or a plain one where it has none.
        preprocess: From a camera picture to its input, and back.
        has_contract: Whether the contract came with the network; without it, degrees are not known.
        load_s: How long loading took.
    """

    path: Path
    network: OnnxNetwork
    contract: Contract
    preprocess: ContractPreprocess
    has_contract: bool
    load_s: float


def load_steering(model: str | None) -> Steering:
    """Return the network of a model file, or the shipped one.

    Raises:
        BadInputError: If the file can't be used.
    """
    start_s = time.perf_counter()
    path = SHIPPED_NETWORK if model is None else Path(model)
    network = load_network(path)
    own = load_contract(path)
    contract = own or default_contract_for(network.input_shape, path.stem)
    return Steering(
        path=path,
        network=network,
        contract=contract,
        preprocess=ContractPreprocess(contract),
        has_contract=own is not None,
        load_s=time.perf_counter() - start_s,
    )


def for_picture(steering: Steering, picture: Image) -> Steering:
    """Return the network as it is to be asked about a picture of any camera.

    One with a contract looks at its own part of the picture; one without is given all of it: which
    part it was trained with nobody can say.
    """
    if steering.has_contract:
        return steering
    height, width = picture.shape[:2]
    contract = replace(
        steering.contract, width_px=width, height_px=height, crop=(0, height, 0, width)
    )
    return replace(steering, contract=contract, preprocess=ContractPreprocess(contract))


def make_explainers(steering: Steering, first: str) -> dict[str, Gradient]:
    """Return every saliency method by name, the first one in front.

    Raises:
        BadInputError: If there is no method of this name.
    """
    require_method(first)
    names = [first, *(name for name in METHODS if name != first)]
    return {name: METHODS[name](steering.network, steering.preprocess) for name in names}


def require_method(name: str, said: str = "--method") -> None:
    """Refuse a saliency method that does not exist.

    Args:
        name: Of the method.
        said: What the person calls the setting.

    Raises:
        BadInputError: With those that do.
    """
    if name not in METHODS:
        raise BadInputError(f"{said} must be one of {', '.join(METHODS)}, received {name!r}")


def camera_size(settings: DriveSettings, contract: Contract) -> tuple[int, int]:
    """Return (width, height) of the camera's picture."""
    if settings.camera is None:
        return contract.width_px, contract.height_px
    return parse_size("--camera", settings.camera, "640x360")


def session_settings(
    settings: DriveSettings, contract: Contract, host: str, port: int, map_name: str | None
) -> SessionSettings:
    """Return what the session with the server needs of the drive's settings.

    Args:
        settings: Of the drive.
        contract: Of the network.
        host: Of the server.
        port: Of the server.
        map_name: To be loaded, if it is not the one that is there.
    """
    return SessionSettings(
        host=host,
        port=port,
        timeout_s=settings.timeout,
        any_version=settings.any_version,
        take_over=settings.take_over,
        map_name=map_name,
        weather=settings.weather,
        lights=settings.lights,
        filter=settings.filter or contract.blueprint,
        rolename=settings.rolename,
        spawn=settings.spawn,
        camera=camera_size(settings, contract),
        fps=settings.fps,
        seed=settings.seed,
        junctions=settings.junctions,
    )


def contract_warnings(settings: DriveSettings, steering: Steering, car: Car) -> list[str]:
    """Return one line for everything that differs from what the network was trained with."""
    contract, lines = steering.contract, []
    if not steering.has_contract:
        lines.append(
            f"{steering.path.name} has no camera contract ({steering.path.stem}.contract.json): "
            "a plain camera and RGB of 0..255 are used, and steering is shown without degrees"
        )
    size = camera_size(settings, contract)
    if size != (contract.width_px, contract.height_px):
        lines.append(
            f"--camera {size[0]}x{size[1]} differs from the network's contract, "
            f"{contract.width_px}x{contract.height_px}: the region is the same, the pixels are not"
        )
    if steering.has_contract and car.blueprint != contract.blueprint:
        lines.append(f"the car is {car.blueprint}, the network learned on {contract.blueprint}")
    low, high = contract.speed_kmh
    if steering.has_contract and not low <= settings.speed <= high:
        lines.append(
            f"--speed {settings.speed:g} is outside the {low:g} to {high:g} km/h of the training"
        )
    return lines
