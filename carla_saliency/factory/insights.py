"""What finds out about the maps of a drive, and of a frame that is looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Car, Explainer
from carla_saliency.errors import BadInputError
from carla_saliency.factory.explainers import (
    Explainers,
    drive_explainers,
    load_shadow,
    method_options,
    shadow_explainers,
)
from carla_saliency.factory.probing import make_probe
from carla_saliency.factory.questions import Questions
from carla_saliency.factory.session import camera_size
from carla_saliency.factory.steering import Steering
from carla_saliency.insight.analyst import Analyst
from carla_saliency.insight.calibration import (
    Calibration,
    load_calibration,
    network_digest,
    read_calibration,
)
from carla_saliency.insight.comparing import Comparing, View
from carla_saliency.insight.examiner import Examiner
from carla_saliency.insight.map_check import Limits
from carla_saliency.insight.novelty import NoveltyCheck
from carla_saliency.insight.triggers import Triggers
from carla_saliency.settings import DriveSettings

Letter = Literal["A", "B"]
DISAGREE_DEG = 5.0
"""At the wheels: two networks that differ by more are bookmarked."""


@dataclass(frozen=True)
class Rider:
    """A network that takes part in a drive.

    Attributes:
        steering: The network.
        explainers: Its saliency methods.
        calibration: What is usual for it; None if nobody knows.
    """

    steering: Steering
    explainers: Mapping[str, Explainer]
    calibration: Calibration | None = None

    def layer(self) -> str | None:
        """Return the layer that its methods are asked about just now; None = as they choose."""
        return self.explainers.layer if isinstance(self.explainers, Explainers) else None

    def limits(self, method: str) -> Limits | None:
        """Return the limits of the map check for a method; None if they are not known."""
        nominal = None if self.calibration is None else self.calibration.nominal_for(method)
        return None if nominal is None else nominal.limits


@dataclass(frozen=True)
class Subject:
    """A network that can be looked at while the world stands still.

    Attributes:
        questions: Asks it, without disturbing the drive; from one thread.
        examiner: Examines its maps, from that thread.
    """

    questions: Questions
    examiner: Examiner


def make_riders(steering: Steering, settings: DriveSettings) -> dict[Letter, Rider]:
    """Return the networks of a drive: A, and B if a second one looks on.

    Args:
        steering: A.
        settings: Of the drive.

    Raises:
        BadInputError: If one can't be used, or a method can't explain A.
    """
    shadow = load_shadow(settings, steering)
    calibration = calibration_of(steering, settings.calibration)
    explainers = drive_explainers(steering, settings, shadow)
    riders: dict[Letter, Rider] = {"A": Rider(steering, explainers, calibration)}
    if shadow is not None:
        others = shadow_explainers(shadow, settings)
        riders["B"] = Rider(shadow, others, calibration_of(shadow))
    return riders


def calibration_of(steering: Steering, path: str | None = None) -> Calibration | None:
    """Return what is usual for a network, from a file that is given or lies beside the model.

    Raises:
        BadInputError: If the file can't be used.
    """
    if path is not None:
        calibration = read_calibration(Path(path))
        if calibration.network != network_digest(steering.path, steering.contract):
            raise BadInputError(
                f"--calibration {path} is of another network than {steering.path.name}, or of "
                "other weights: calibrate this one (carla-saliency calibrate)"
            )
        return calibration
    return load_calibration(steering.path, steering.contract)


def make_examiner(
    rider: Rider, settings: DriveSettings, tag_groups: NDArray[np.uint8] | None
) -> Examiner:
    """Return who finds out about one network's maps in a drive.

    Args:
        rider: The network.
        settings: Of the drive.
        tag_groups: From semantic tag to group; None without a semantic camera.
    """
    known = None if rider.calibration is None else rider.calibration.known
    return Examiner(
        make_probe(rider.steering, method_options(settings), rider.layer),
        tag_groups,
        rider.limits,
        None if known is None else NoveltyCheck(known),
    )


def make_analyst(
    riders: Mapping[Letter, Rider],
    examiners: Mapping[Letter, Examiner],
    settings: DriveSettings,
    car: Car,
    say: Callable[[str], None],
) -> Analyst:
    """Return who finds out about every step.

    Args:
        riders: The networks; B is the shadow.
        examiners: Theirs.
        settings: Of the drive.
        car: The live one.
        say: Is told lines for the person.
    """
    comparing = None
    if settings.shadow is not None:
        size = camera_size(settings, riders["A"].steering.contract)
        views = [_view(riders[letter].steering, size) for letter in riders]
        a, b = views if len(views) > 1 else (None, None)
        limit = DISAGREE_DEG / car.max_steer_deg
        comparing = Comparing(limit, car.max_steer_deg, a=a, b=b)
    analyst = Analyst(
        examiners,
        {
            letter: Triggers(rider.calibration, car.max_steer_deg)
            for letter, rider in riders.items()
        },
        comparing,
        tick_s=1 / settings.fps,
        effects_every=settings.classes_every,
        say=say,
    )
    analyst.checks_blobs = settings.blobs
    return analyst


def make_subject(rider: Rider, examiner: Examiner, settings: DriveSettings) -> Subject:
    """Return a network as it is looked at while the world stands still.

    Args:
        rider: The network.
        examiner: Of the drive; what it knows of other maps is shared.
        settings: Of the drive.
    """
    options = method_options(settings)
    questions = Questions(rider.steering, options)
    probe = make_probe(questions.steering, options, rider.layer, patient=True)
    return Subject(questions, examiner.for_one_frame(probe))


def _view(steering: Steering, size: tuple[int, int]) -> View:
    contract = steering.contract
    area = steering.preprocess.grid_rect((size[1], size[0]))
    return View(area, (contract.input_height_px, contract.input_width_px))
