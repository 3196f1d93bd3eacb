"""Maps as pictures for other viewers: in colours over what the network was given."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from carla_saliency.core import DriveStep, Image
from carla_saliency.draw import heatmap
from carla_saliency.draw.compare import Letter, letter
from carla_saliency.network.contract_values import contract_of_values
from carla_saliency.network.preprocess import ContractPreprocess
from carla_saliency.record.facts import NetworkFacts
from carla_saliency.record.reader import Record

TIMES = 4  # a network's grid is small

Crop = Callable[[Image], Image]
"""From a frame's picture to the network's grid."""


def map_picture(step: DriveStep, map_scale: float | None, crop: Crop) -> Image | None:
    """Return the map of a step over a dark grey picture of what was explained.

    Args:
        step: Any.
        map_scale: The |value| that has the full colour, in the map's own unit; None = the map's
            largest.
        crop: For the frames of the step.

    Returns:
        RGB, uint8, four times as high and as wide as the network's grid; None without a map.
    """
    decision, explanation = step.decision, step.decision.explanation
    if explanation is None:
        return None
    seen = crop((decision.explained or decision.masked or step.observation.frame).image)
    scale = map_scale or float(np.abs(explanation.attribution).max(initial=0.0))
    size = seen.shape[1] * TIMES, seen.shape[0] * TIMES
    large = cv2.resize(seen, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    grey = heatmap.grey(large)
    picture = np.repeat(grey[:, :, None], 3, axis=2)
    place = explanation.place
    if place is not None:
        top, bottom, left, right = (TIMES * edge for edge in place)
        place = top, bottom, left, right
    index = heatmap.index_of(explanation, scale)
    tables = heatmap.table(explanation.meaning.signed)
    heatmap.lay_over(picture, index, tables, place, grey=grey)
    return picture


class MapPictures:
    """Draws the maps of a record, each with the colours that it had in the drive's window.

    Args:
        record: Of the drive.

    Raises:
        BadInputError: If its contract can't be used.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        facts = record.facts
        self._crops: dict[Letter, Crop] = {"A": _crop(record, facts.network)}
        if facts.shadow is not None:
            self._crops["B"] = _crop(record, facts.shadow)
        self._index = 0

    def next(self, step: DriveStep) -> Image | None:
        """Return the picture of the next step's map; see `map_picture`.

        Args:
            step: The first of the record, then the one after it, and so on.

        Raises:
            CarlaSaliencyError: If the record is damaged there.
        """
        scale = self._record.extras(self._index).map_scale
        self._index += 1
        return map_picture(step, scale, self._crops[letter(step.decision)])


def _crop(record: Record, network: NetworkFacts) -> Crop:
    if record.facts.frames == "network":
        return _as_it_is
    return ContractPreprocess(contract_of_values(record.folder, network.contract)).crop


def _as_it_is(picture: Image) -> Image:
    return picture
