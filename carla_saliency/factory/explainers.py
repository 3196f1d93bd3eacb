"""The saliency methods of a command, and what a network does beside steering."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from carla_saliency.core import Explainer, Explanation, Frame
from carla_saliency.errors import BadInputError
from carla_saliency.factory.every_layer import STEERING, every_layer
from carla_saliency.factory.steering import Steering, load_steering
from carla_saliency.network.loading import (
    throttle_network,
)
from carla_saliency.saliency import (
    METHODS,
    ChangeExplainer,
    Method,
    Options,
    ShadowExplainer,
    towards_expert,
)
from carla_saliency.settings import DriveSettings, MethodSettings, NetworkSettings

GRID = ("input_height_px", "input_width_px")


class Explainers(Mapping[str, Method]):
    """The saliency methods of one network by name, each made when it is first asked for.

    Args:
        steering: The network.
        options: For all of them.
        first: The one that comes first.

    Attributes:
        layer: That the methods are asked about from now on; None = each one's own choice.
    """

    def __init__(self, steering: Steering, options: Options, first: str) -> None:
        self._steering, self._options = steering, options
        self._names = [first, *(name for name in METHODS if name != first)]
        self._made: dict[tuple[str, str | None], Method] = {}
        self.layer = options.layer

    def __getitem__(self, name: str) -> Method:
        """Return a method.

        Raises:
            BadInputError: If this network can't be explained by it.
        """
        return self.at(name, self.layer)

    def at(self, name: str, layer: str | None) -> Method:
        """Return a method that is asked about a layer.

        Raises:
            BadInputError: If this network can't be explained by it, or not at this layer.
        """
        if (name, layer) not in self._made:
            steering, options = self._steering, replace(self._options, layer=layer)
            self._made[name, layer] = METHODS[name](steering.network, steering.feed, options)
        return self._made[name, layer]

    def change_layer(self, method: str, by: int) -> None:
        """Go on to the next layer that a method can be asked about, or back to its own choice."""
        choices: list[str | None] = [None]
        choices += [n for n in every_layer(self._steering.network.layers) if n != STEERING]
        if self.layer not in choices:
            choices.append(self.layer)
        at = choices.index(self.layer)
        for _ in choices:
            at = (at + by) % len(choices)
            with suppress(BadInputError):  # no class activation map of a dense layer
                self.at(method, choices[at])
                self.layer = choices[at]
                return

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


def drive_explainers(
    steering: Steering, settings: DriveSettings, shadow: Steering | None = None
) -> Mapping[str, Explainer]:
    """Return the saliency methods of a drive, the chosen one first; one alone for a change.

    Args:
        steering: The network.
        settings: Of the drive.
        shadow: A second network that looks on; None without one.

    Raises:
        BadInputError: If the chosen one can't explain this network.
    """
    options = method_options(settings)
    if settings.target == "change":
        return _of_change(steering, settings)
    explainers = make_explainers(steering, settings.method, options)
    if settings.target == "difference" and shadow is not None:
        _require_same_grid(steering, shadow)
        return {settings.method: _against(explainers[settings.method], shadow, steering, options)}
    if settings.target == "difference":
        return {
            name: explainers[name]
            for name in explainers
            if name == settings.method or METHODS[name].signed
        }
    return explainers


def shadow_explainers(shadow: Steering, settings: DriveSettings) -> Mapping[str, Explainer]:
    """Return the saliency methods of the second network, by the names of the first one's.

    Args:
        shadow: The second network; what it can't be asked is missing.
        settings: Of the drive.

    Raises:
        BadInputError: If a change is to be explained and this network's can't be.
    """
    if settings.target == "change":
        return _of_change(shadow, settings)
    return Explainers(shadow, method_options(settings), settings.method)


def _of_change(steering: Steering, settings: DriveSettings) -> Mapping[str, Explainer]:
    if not steering.network.has_gradient:
        raise BadInputError(
            f"--target change needs the gradient of {steering.path.name}, and it has none: leave "
            "out --target change, and use --method occlusion or rise"
        )
    return {"change": ChangeExplainer(steering.network, steering.feed, settings.steps)}


def load_shadow(settings: DriveSettings, steering: Steering) -> Steering | None:
    """Return the second network that looks on; None without one, or if it is the expert.

    Raises:
        BadInputError: If it can't be used, or can't see what the first one's camera shows.
    """
    if settings.shadow in (None, "expert"):
        return None
    shadow = load_steering(NetworkSettings(model=settings.shadow))
    if not shadow.has_contract:
        raise BadInputError(
            f"--shadow {shadow.path}: it has no camera contract, so nobody knows what it should "
            "see: write one (carla-saliency doctor --model FILE --save)"
        )
    a, b = steering.contract, shadow.contract
    if (a.camera, a.fov_deg) != (b.camera, b.fov_deg):
        raise BadInputError(
            f"--shadow {shadow.path}: it sees through the camera of {steering.path.name}, so its "
            f"contract must have the same pose and field of view, {a.camera} {a.fov_deg:g}°; "
            f"received {b.camera} {b.fov_deg:g}°"
        )
    shadow.preprocess.grid_rect((a.height_px, a.width_px))  # refuses what it can't see
    return shadow


def compared(settings: DriveSettings) -> Callable[[Explanation, float], Explanation] | None:
    """Return what makes a map of the difference to the expert, if that is the target."""
    to_expert = settings.target == "difference" and settings.shadow in (None, "expert")
    return towards_expert if to_expert else None


def _against(
    method: Method, shadow: Steering, steering: Steering, options: Options
) -> ShadowExplainer:
    b = METHODS[method.name](shadow.network, shadow.feed, options)
    locks_deg = shadow.contract.max_steer_deg, steering.contract.max_steer_deg
    return ShadowExplainer(method, b, locks_deg[0] / locks_deg[1])


def _require_same_grid(steering: Steering, shadow: Steering) -> None:
    """Refuse the difference to a shadow that does not look at the same pixels."""
    for part in ("crop", "width_px", "height_px", *GRID):
        a, b = (getattr(each.contract, part) for each in (steering, shadow))
        if a != b:
            raise BadInputError(
                f"--target difference: the contract of {shadow.path} must have the same crop and "
                f"input size as that of {steering.path.name}, received {part} {b} instead of {a}: "
                "leave out --target difference, or give a network that was trained with the same"
            )


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
