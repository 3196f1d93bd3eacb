"""The saliency methods of a command, and what a network does beside steering."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from carla_saliency.core import Explainer, Explanation, Frame
from carla_saliency.errors import BadInputError
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
    if settings.shadow is not None:
        shadow = load_steering(NetworkSettings(model=settings.shadow))
        _require_same_view(steering, shadow)
        return {settings.method: _against(explainers[settings.method], shadow, steering, options)}
    if settings.target == "difference":
        return {
            name: explainers[name]
            for name in explainers
            if name == settings.method or METHODS[name].signed
        }
    return explainers


def compared(settings: DriveSettings) -> Callable[[Explanation, float], Explanation] | None:
    """Return what makes a map of the difference to the expert, if that is the target."""
    to_expert = settings.target == "difference" and settings.shadow is None
    return towards_expert if to_expert else None


def _against(
    method: Method, shadow: Steering, steering: Steering, options: Options
) -> ShadowExplainer:
    b = METHODS[method.name](shadow.network, shadow.feed, options)
    locks_deg = shadow.contract.max_steer_deg, steering.contract.max_steer_deg
    return ShadowExplainer(method, b, locks_deg[0] / locks_deg[1])


def _require_same_view(steering: Steering, shadow: Steering) -> None:
    """Refuse a shadow that does not look at the same pixels of the same camera."""
    for part in ("camera", "fov_deg", "crop", "width_px", "height_px", *GRID):
        a, b = (getattr(each.contract, part) for each in (steering, shadow))
        if a != b or not shadow.has_contract:
            raise BadInputError(
                f"--shadow {shadow.path}: its contract must have the same camera, crop and input "
                f"size as that of {steering.path.name}, received {part} {b} instead of {a}: give "
                "a network that was trained with the same one"
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
