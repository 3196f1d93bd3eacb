"""The maps of a record as pictures: in colours over what the network was given."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from carla_saliency.core import DriveStep, Explanation, Image
from carla_saliency.draw import heatmap
from carla_saliency.network.contract_values import contract_of_values
from carla_saliency.network.preprocess import ContractPreprocess
from carla_saliency.record.reader import Record

TIMES = 4  # a network's grid is small


class MapPictures:
    """Draws one map after the other, each with the colours that it had in the drive's window.

    Args:
        record: Of the drive.

    Raises:
        BadInputError: If its contract can't be used.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        contract = contract_of_values(record.folder, record.facts.network.contract)
        self._preprocess = ContractPreprocess(contract)
        self._index = 0

    def next(self, step: DriveStep) -> Image | None:
        """Return the picture of the next step's map, RGB, uint8 (h, w, 3); None without a map.

        Args:
            step: The first of the record, then the one after it, and so on.

        Raises:
            CarlaSaliencyError: If the record is damaged there.
        """
        scale = self._record.extras(self._index).map_scale
        self._index += 1
        kept_whole = self._record.facts.frames == "camera"
        return map_picture(step, scale, self._preprocess.crop if kept_whole else None)


def map_picture(
    step: DriveStep, scale: float | None, crop: Callable[[Image], Image] | None
) -> Image | None:
    """Return a step's map over what the network was given, RGB, uint8 (h, w, 3); None without.

    Args:
        step: Of a drive.
        scale: The magnitude in full colour; None = the map's own largest.
        crop: From a camera picture to the network's; None if the step has that already.
    """
    decision = step.decision
    if decision.explanation is None:
        return None
    frame = decision.explained or decision.masked or step.observation.frame
    seen = frame.image if crop is None else crop(frame.image)
    return _over(seen, decision.explanation, scale)


def _over(seen: Image, explanation: Explanation, scale: float | None) -> Image:
    """Return a map over a dark grey picture of the network's grid, both enlarged."""
    if scale is None:  # no window was open
        scale = float(np.abs(explanation.attribution).max(initial=0.0))
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
