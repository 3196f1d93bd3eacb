"""Settings of `repair`."""

from __future__ import annotations

from dataclasses import dataclass

from carla_saliency.errors import BadInputError
from carla_saliency.settings.fields import positional


@dataclass(frozen=True, kw_only=True)
class RepairSettings:
    """Finish records of drives that were killed, or whose disk was full or gone."""

    folders: tuple[str, ...] = positional(
        "folders of drives kept with drive --record DIR; what is whole stays in its place, so that "
        "hardly any room is needed on the disk",
        "DIR",
    )

    def check(self) -> None:
        """Refuse what can't work.

        Raises:
            BadInputError: If no folder is given.
        """
        if not self.folders:
            raise BadInputError("give at least one folder: carla-saliency repair DIR...")
