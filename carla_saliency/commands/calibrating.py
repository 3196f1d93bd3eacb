"""Measures a network, frame by frame: its maps, and the layer by which frames are told apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from carla_saliency.commands.training_frames import TrainingFrames
from carla_saliency.core import (
    Array,
    DriveStep,
    EventKind,
    Explainer,
    Explanation,
    Frame,
    Image,
    Seen,
)
from carla_saliency.errors import BadInputError
from carla_saliency.factory import Steering
from carla_saliency.factory.probing import make_probe
from carla_saliency.insight.calibration import KnownFrames
from carla_saliency.insight.classes import tag_table
from carla_saliency.insight.examiner import Examiner
from carla_saliency.insight.nominal import NominalDrive
from carla_saliency.insight.novelty import KNOWN_FRAMES, known_frames, penultimate
from carla_saliency.saliency import Options

CALM_S = 2.0  # after an intervention a drive is not nominal
MOVING_MPS = 1.0
TINY_S = 1e-6  # simulated times are sums of ticks
FULL_CHECK_S = 1.0  # from one whole map check to the next, as in a drive
LEAST_KNOWN = 20


class FrameFeatures:
    """Asks a network for the outputs of its last layer of units before the steering.

    Args:
        steering: The network.
        speed_mps: Of frames whose speed nobody knows.

    Attributes:
        layer: Its name; None if there is none.
    """

    def __init__(self, steering: Steering, speed_mps: float) -> None:
        self._steering, self._speed_mps = steering, speed_mps
        network = steering.network
        self.layer = penultimate(network.layers) if network.has_gradient else None
        self._ask = make_probe(steering, Options()).features

    def of(self, seen: Seen) -> Array:
        """Return the outputs for what the network was given, float32 (units,)."""
        outputs = None if self.layer is None else self._ask(seen, self.layer)
        if outputs is None:
            raise ValueError("the network has no such layer")
        return outputs

    def of_picture(self, picture: Image, speed_mps: float | None) -> tuple[Image, Array]:
        """Return a picture of no drive on the network's grid, and the outputs for it.

        Raises:
            BadInputError: If it does not show what the network needs.
        """
        feed = self._steering.feed
        feed.forget()
        speed = self._speed_mps if speed_mps is None else speed_mps
        seen = feed.look(Frame(0, 0.0, picture, speed_mps=speed))
        return seen.rgb, self.of(seen)


def known_of_folders(
    folders: Sequence[str],
    steering: Steering,
    features: FrameFeatures,
    advance: Callable[[], None] = lambda: None,
) -> KnownFrames:
    """Return 500 frames of what a network was trained on.

    Args:
        folders: Datasets of `collect`, or folders of pictures.
        steering: The network.
        features: Of its frames.
        advance: Called for each frame that was looked at.

    Raises:
        BadInputError: If a folder or a picture can't be used.
    """
    frames = TrainingFrames(folders, steering.contract, KNOWN_FRAMES)
    if len(frames) < LEAST_KNOWN:
        raise BadInputError(
            f"--data has {len(frames)} frames, at least {LEAST_KNOWN} are needed: add more folders"
        )
    pictures, outputs = [], []
    for frame in frames:
        try:
            picture, output = features.of_picture(frame.image, frame.speed_mps)
        except BadInputError as error:
            raise BadInputError(f"{frame.where}: {error}") from None
        pictures.append(picture)
        outputs.append(output)
        advance()
    return known_frames(str(features.layer), np.array(outputs), pictures, frames.source)


class Calibrating:
    """Looks at the steps of nominal drives.

    Args:
        steering: The network.
        explainer: The saliency method.
        features: Of frames.
        known: Frames of the training; None = frames of the drive stand in.
        total: Ticks that are to come.

    Attributes:
        nominal: What was collected.
        explainer: The saliency method.
    """

    def __init__(
        self,
        steering: Steering,
        explainer: Explainer,
        features: FrameFeatures,
        known: KnownFrames | None,
        total: int,
    ) -> None:
        self.explainer = explainer
        self.nominal = NominalDrive(explainer.name)
        self._steering, self._features, self._known = steering, features, known
        self._probe = make_probe(steering, Options(), patient=True)
        self._stand_ins: list[tuple[Image, Array]] = []
        self._stand_in_every = max(1, math.ceil(total / KNOWN_FRAMES))
        self.begin("")

    def begin(self, server_version: str) -> None:
        """Begin a drive.

        Args:
            server_version: Says what the semantic tags mean.
        """
        self._examiner = Examiner(self._probe, tag_table(server_version))
        self._steering.feed.forget()
        self._last: int | None = None  # frame of the last map
        self._calm_s = self._full_s = -math.inf
        self.nominal.skip()

    def add(self, step: DriveStep) -> None:
        """Take a step into account, if the network steers as it should."""
        observation, decision = step.observation, step.decision
        sim_s, explanation = observation.frame.sim_s, decision.explanation
        if any(event.kind is EventKind.INTERVENTION for event in observation.events):
            self._calm_s = sim_s + CALM_S
        is_nominal = (
            decision.driver == "network"
            and sim_s >= self._calm_s
            and observation.speed_mps >= MOVING_MPS
        )
        if not is_nominal or explanation is None:
            self.nominal.skip()
            return
        if explanation.frame_id == self._last:
            return
        self._last = explanation.frame_id
        self._measure(decision.explained or observation.frame, explanation)

    def known(self) -> KnownFrames | None:
        """Return the frames that the network knows, or what stands in for them."""
        if self._known is not None or len(self._stand_ins) < LEAST_KNOWN:
            return self._known
        pictures, outputs = zip(*self._stand_ins, strict=True)
        return known_frames(str(self._features.layer), np.array(outputs), pictures, "nominal drive")

    def _measure(self, frame: Frame, explanation: Explanation) -> None:
        is_full = frame.sim_s - self._full_s >= FULL_CHECK_S - TINY_S
        if is_full:
            self._full_s = frame.sim_s
        check = self._examiner.check(frame, explanation, "full" if is_full else "cheap")
        shares = self._examiner.shares(frame, explanation)
        count = self.nominal.frames
        self.nominal.add(frame.sim_s, explanation.attribution, shares, check, is_full)
        wanted = self._known is None and self._features.layer is not None
        if wanted and count % self._stand_in_every == 0:
            seen = self._steering.feed.look(frame)
            self._stand_ins.append((seen.rgb, self._features.of(seen)))
