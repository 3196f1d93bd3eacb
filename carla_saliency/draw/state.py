"""What the window shows beside the step itself, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from carla_saliency.core import Array, EventKind, Explanation, LayerInfo, Meaning, Place

Tone = Literal["high", "mid", "low", "warning", "failure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Where we drive, for the top line; empty pieces are left out.

    Attributes:
        map_name: For example "Town01".
        weather: For example "ClearNoon".
        spawn: For example "spawn 24".
        network: Name of the network's file.
        pace: For example "sync 0.05 s".
    """

    map_name: str = ""
    weather: str = ""
    spawn: str = ""
    network: str = ""
    pace: str = ""

    def variants(self) -> tuple[str, ...]:
        """Return the line, and shorter ones that leave out what matters least."""
        all_ = (self.map_name, self.weather, self.spawn, self.network, self.pace)
        choices = (all_, all_[:4], (self.map_name, self.weather, self.network), (self.map_name,))
        return tuple(" · ".join(piece for piece in choice if piece) for choice in choices)


@dataclass(frozen=True, slots=True)
class Recording:
    """How the recording stands.

    Attributes:
        status: "held" while simulated time stands still; "saved" after the file was closed.
        seconds: Simulated seconds in the file.
    """

    status: Literal["off", "on", "held", "saved"] = "off"
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskBox:
    """A rectangle that a person masked, and what that does to the steering.

    Attributes:
        letter: Its name: "A" for the first one.
        place: In pixels of the camera's picture: top, bottom, left, right.
        before: The network's steering with the masks before this one; None = not asked yet.
        after: With this one too.
    """

    letter: str
    place: Place
    before: float | None = None
    after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEntry:
    """One event of the drive, for the list.

    Attributes:
        number: From 1.
        kind: What it is.
        sim_s: When.
        text: One short line.
        clip: "coming" until its last seconds are there; "none" where no clips are kept.
        shown: It is being looked at.
    """

    number: int
    kind: EventKind
    sim_s: float
    text: str = ""
    clip: Literal["coming", "saved", "failed", "none"] = "none"
    shown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCell:
    """One layer's map in the grid.

    Attributes:
        name: Of the layer; "steering" is shown as "output".
        explanation: None as long as it is not computed.
        chosen: It is the one that the keys and the full pane are about.
    """

    name: str
    explanation: Explanation | None = None
    chosen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """The world stands still: what is known of the shown frame.

    Attributes:
        cells: Of the grid, in the order of the layers, the output last; at most 9.
        full: The chosen cell's map fills the pane instead of the grid.
        layer: Whose activations are shown; None if none has any.
        activations: Its output, without the batch; None as long as it is not computed.
        filter_changes: Of the steering when each filter alone is silenced, (filters,); None if not
            computed.
        back_s: How far the shown frame is behind the newest one.
        frozen: Somebody else ticks the world: only the view stands still.
        strip: What the lower strip shows: feature maps, or the attention by class as in `UiState`.
    """

    cells: tuple[LayerCell, ...] = ()
    full: bool = False
    layer: LayerInfo | None = None
    activations: Array | None = None
    filter_changes: Array | None = None
    back_s: float = 0.0
    frozen: bool = False
    strip: Literal["layers", "classes", "lift"] = "layers"


@dataclass(frozen=True, slots=True, kw_only=True)
class UiState:
    """Everything on the picture that is not in the step.

    Attributes:
        method: Of the map that is to come; a step's own explanation brings its own.
        world: The top line.
        recording: The dot, and its time.
        paused: The badge says so.
        timing_ms: Parts of a tick in the order of the budget bar, (name, milliseconds); at most 5.
        fps: Ticks per second of wall time; None if not known yet.
        opacity: Of the overlay, 0 (off) to 1.
        notice: One line at the bottom right; empty: the most useful keys.
        notice_tone: Of that line.
        alarm: One line in a yellow band over the camera picture; empty: no band.
        inspection: While the world stands still to be inspected; None else.
        compare: The network's map stands beside the shadow's; no plain camera picture then.
        strip: What the lower strip shows: attention by class, beside its share the effect of each
            class or its lift; or the place in the lane and the speed.
        no_classes: Why there is no attention by class, one line; "" if there is.
        usual_on_road: Share of road and lines in a nominal drive; None if not known.
        calibrated: Limits and usual values are from a nominal drive of this network.
        masks: What a person masked.
        masks_in_force: The network drives with the masks.
        events: Of the drive, oldest first.
        scale_locked: The colour scale does not change.
        replay: A recorded drive is shown: nobody can drive.
        text: The panes alone are shown if not.
    """

    method: Meaning
    world: World = World()
    recording: Recording = Recording()
    paused: bool = False
    timing_ms: tuple[tuple[str, float], ...] = ()
    fps: float | None = None
    opacity: float = 1.0
    notice: str = ""
    notice_tone: Tone = "mid"
    alarm: str = ""
    inspection: Inspection | None = None
    compare: bool = False
    strip: Literal["classes", "lift", "lane"] = "classes"
    no_classes: str = ""
    usual_on_road: float | None = None
    calibrated: bool = False
    masks: tuple[MaskBox, ...] = ()
    masks_in_force: bool = False
    events: tuple[EventEntry, ...] = ()
    scale_locked: bool = False
    replay: bool = False
    text: bool = True


@dataclass(frozen=True, slots=True)
class CardLine:
    """One line of a card.

    Attributes:
        text: What it says.
        tone: Its colour.
        number: For steps: their number, in front.
        remark: For steps: how they stand, for example "waiting".
    """

    text: str
    tone: Tone = "mid"
    number: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Is said over a pane: what happened, what the program does, what you can do.

    Attributes:
        heading: One line.
        lines: Up to nine.
        tone: "high" while all is well, "warning" or "failure".
    """

    heading: str
    lines: tuple[CardLine, ...]
    tone: Tone = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interlude:
    """The window while there is no drive: connecting, or the server is lost.

    Attributes:
        badge: For example "CONNECTING".
        tone: Of the badge: "high" is an outline, "failure" is filled red.
        left: Over the camera's pane.
        right: Over the overlay's pane; None leaves it empty.
        camera_title: At the right over the camera's pane, for example "last picture, 12 s old".
        map_title: At the right over the overlay's pane.
    """

    badge: str
    left: Card
    right: Card | None = None
    tone: Tone = "high"
    camera_title: str = "no picture yet"
    map_title: str = "no map yet"
