"""Settings become parts here: the only place that names the concrete classes of a drive."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from carla_saliency.core import Car, Contract, Explainer, Explanation, Frame, Image
from carla_saliency.errors import BadInputError
from carla_saliency.network.contract_words import contradictions
from carla_saliency.network.feed import ContractFeed
from carla_saliency.network.loading import (
    Loaded,
    Reading,
    SteeringNetwork,
    load_network,
    throttle_network,
)
from carla_saliency.network.preprocess import ContractPreprocess
from carla_saliency.saliency import METHODS, ChangeExplainer, Method, Options, towards_expert
from carla_saliency.settings import DriveSettings, MethodSettings, NetworkSettings, parse_size
from carla_saliency.sim.settings import SessionSettings

SHIPPED_NETWORK = Path(__file__).parent / "network" / "shipped" / "dave2.keras"


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


class Explainers(Mapping[str, Method]):
    """The saliency methods of one network by name, each made when it is first asked for.

    Args:
        steering: The network.
        options: For all of them.
        first: The one that comes first.
    """

    def __init__(self, steering: Steering, options: Options, first: str) -> None:
        self._steering, self._options = steering, options
        self._names = [first, *(name for name in METHODS if name != first)]
        self._made: dict[str, Method] = {}

    def __getitem__(self, name: str) -> Method:
        """Return a method.

        Raises:
            BadInputError: If this network can't be explained by it.
        """
        if name not in self._made:
            steering = self._steering
            kind = METHODS[name]
            self._made[name] = kind(steering.network, steering.feed, self._options)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def make_explainers(
    steering: Steering, first: str, options: Options | None = None
) -> Mapping[str, Method]:
    """Return every saliency method by name, the first one in front.

    Raises:
        BadInputError: If there is no method of this name, or it can't explain this network.
    """
    require_method(first)
    explainers = Explainers(steering, options or Options(), first)
    explainers[first]  # refused now, not in the drive
    return explainers


def drive_explainers(steering: Steering, settings: DriveSettings) -> Mapping[str, Explainer]:
    """Return the saliency methods of a drive, the chosen one first; one alone for a change.

    Raises:
        BadInputError: If the chosen one can't explain this network.
    """
    options = method_options(settings)
    if settings.target == "change":
        return {"change": ChangeExplainer(steering.network, steering.feed, settings.steps)}
    explainers = make_explainers(steering, settings.method, options)
    if settings.target == "difference":
        return {
            name: explainers[name]
            for name in explainers
            if name == settings.method or METHODS[name].signed
        }
    return explainers


def compared(settings: DriveSettings) -> Callable[[Explanation, float], Explanation] | None:
    """Return what makes a map of the difference to the expert, if that is the target."""
    return towards_expert if settings.target == "difference" else None


def throttle_of(steering: Steering, settings: DriveSettings) -> Callable[[Frame], float] | None:
    """Return the network's own throttle for a frame, if it works the pedals.

    Raises:
        BadInputError: If it answers no throttle.
    """
    if settings.longitudinal == "speed":
        return None
    network = throttle_network(steering.loaded)
    if network is None:
        raise BadInputError(
            f"--longitudinal network: {steering.path.name} answers no throttle: use "
            "--longitudinal speed, or a network with a head for it"
        )

    def throttle(frame: Frame) -> float:
        return float(network.steer(steering.feed.look(frame).inputs)[0])

    return throttle


def method_options(settings: MethodSettings) -> Options:
    """Return what the settings say to the methods."""
    return Options(
        layer=None if settings.layer == "all" else settings.layer,
        linear=settings.linear,
        towards=settings.towards,
        baseline=settings.baseline,
        steps=settings.steps,
        samples=settings.samples,
        noise=settings.noise,
        masks=settings.masks,
        backprop=settings.backprop,
        grad=settings.grad,
    )


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
    contract = steering.contract
    width_px, height_px = camera_size(settings, contract)
    lines = contradictions(
        contract,
        width_px=width_px,
        height_px=height_px,
        fov_deg=contract.fov_deg,  # the camera is spawned as the contract says
        pose=contract.camera,
        blueprint=car.blueprint,
        max_steer_deg=car.max_steer_deg,
        wheelbase_m=car.wheelbase_m,
    )
    low, high = contract.speed_kmh
    if not low <= settings.speed <= high:
        lines.append(
            f"--speed {settings.speed:g} is outside the {low:g} to {high:g} km/h of the training"
        )
    return lines
