"""What `explain` refuses before it begins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from carla_saliency.commands.recorded import RecordedDrive
from carla_saliency.core import Contract
from carla_saliency.errors import BadInputError
from carla_saliency.saliency import METHODS
from carla_saliency.settings import ExplainSettings
from carla_saliency.sources import Source

_OWN = re.compile(
    rf".+\.(({'|'.join(map(re.escape, (*METHODS, 'change')))})(\.layers)?|[\w.-]+\.activations)"
    r"(-\d+)?\.(png|mp4)"
)


def is_result(path: Path) -> bool:
    """Return whether a file has a name that `explain` gives: it is no input of the next run."""
    return _OWN.fullmatch(path.name) is not None


def check(settings: ExplainSettings, sources: Sequence[Source]) -> None:
    """Refuse questions that such files can't answer.

    Raises:
        BadInputError: With what to give instead.
    """
    if settings.target == "difference":
        raise BadInputError(
            "--target difference needs the expert, which only a drive has: carla-saliency drive "
            "--target difference"
        )
    if settings.target == "change" and settings.layer is not None:
        raise BadInputError("--target change explains the steering: leave out --layer")
    if settings.baseline == "mean" and len(sources) == 1 and not sources[0].moving:
        raise BadInputError(
            f"--baseline mean: {sources[0].path} is one picture, which is its own mean: give "
            "several, or --baseline blurred"
        )
    for source in sources:
        if settings.target == "change" and not source.moving:
            raise BadInputError(
                f"--target change: {source.path} is one picture, in which nothing changes: give a "
                "video or a log"
            )
        if source.moving and (settings.layer == "all" or settings.activations is not None):
            flag = "--layer all" if settings.layer == "all" else "--activations"
            raise BadInputError(
                f"{flag} makes a sheet of a picture: {source.path} is a video or a log of a drive"
            )


def total(sources: Sequence[Source]) -> int | None:
    """Return how many pictures there will be, about; None if nobody knows."""
    counts = [source.count for source in sources]
    return None if None in counts else sum(count for count in counts if count is not None)


def require_same_grid(sources: Sequence[Source], contract: Contract) -> None:
    """Refuse drives of which only another network's view was kept.

    Raises:
        BadInputError: If there is one.
    """
    for source in sources:
        if isinstance(source, RecordedDrive):
            source.require(contract)
