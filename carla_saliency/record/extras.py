"""What a record keeps of a tick beside its step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Extras:
    """What is known of a tick beyond its step.

    Attributes:
        parts_ms: Wall milliseconds of the tick's parts, by name.
        masks: In force: (left, top, right, bottom) in pixels of the camera's picture.
        map_scale: The |value| that has the strongest colour in the window, in the unit of the map;
            None without a map.
    """

    parts_ms: Mapping[str, float] = field(default_factory=dict)
    masks: tuple[tuple[int, int, int, int], ...] = ()
    map_scale: float | None = None


NO_EXTRAS = Extras()
