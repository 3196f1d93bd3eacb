"""What flows through a drive: what is seen, what is decided, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Array = NDArray[np.float32]
Driver = Literal["network", "expert", "manual", "autopilot", "owner"]
"""Who steers. "manual": the person at the window; "autopilot": CARLA's; "owner": another client,
whose car is only looked at."""


@dataclass(frozen=True, slots=True)
class Pose:
    """A place and a direction in the world (or in the vehicle, for sensors).

    Attributes:
        x_m: Forward (in the world: east).
        y_m: Right (in the world: south).
        z_m: Up.
        pitch_deg: Nose up positive.
        yaw_deg: Clockwise seen from above positive.
        roll_deg: Right side down positive.
    """

    x_m: float = 0.0
    y_m: float = 0.0
    z_m: float = 0.0
    pitch_deg: float = 0.0
    yaw_deg: float = 0.0
    roll_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of the front camera, with its stamp.

    Attributes:
        frame_id: The simulator's number of the tick that it shows.
        sim_s: Simulated seconds since the episode began.
        image: RGB, uint8, shape (H, W, 3).
        tags: Semantic tag of each pixel, uint8, shape (H, W); None without a semantic camera.
        speed_mps: Of the car at that moment, for networks that are told it.
    """

    frame_id: int
    sim_s: float
    image: Image
    tags: NDArray[np.uint8] | None = None
    speed_mps: float = 0.0


@dataclass(frozen=True, slots=True)
class Car:
    """What the live ego vehicle is, from its physics control.

    Attributes:
        blueprint: For example "vehicle.tesla.model3".
        max_steer_deg: Angle of the front wheels at steering 1, without the steering curve.
        wheelbase_m: Between the axles.
        rear_axle_m: x of the rear axle from the vehicle's origin (negative).
        steering_curve: (km/h, factor) pairs, rising in km/h.
        length_m: Of the bounding box.
        width_m: Of the bounding box.
    """

    blueprint: str
    max_steer_deg: float
    wheelbase_m: float
    rear_axle_m: float
    steering_curve: tuple[tuple[float, float], ...]
    length_m: float
    width_m: float

    def steering_factor(self, speed_mps: float) -> float:
        """Return what the vehicle multiplies the steering by at this speed."""
        speeds, factors = zip(*self.steering_curve, strict=True)
        return float(np.interp(abs(speed_mps) * 3.6, speeds, factors))


PUT_BACK_M = 1.0
"""A car whose centre is further than this from the nearest legal centre line is put back."""

DEAD_END_M = 25
"""A path with fewer points ends where the road does: elsewhere it is always longer."""


@dataclass(frozen=True, slots=True)
class LaneView:
    """Privileged knowledge of the road, for the expert, the speed control and the referee.

    Attributes:
        offset_m: Centre of the car from the centre line of the nearest legal lane, right positive.
        heading_error_deg: Yaw of the car minus the lane's, clockwise positive, in (-180, 180].
        width_m: Of that lane, here.
        in_junction: The car is on a junction lane.
        path: World (x, y) of the chosen path's centre line, float32 (N, 2), 1 m apart; starts
            at the car's own place on it.
        path_curvature: Signed, 1/m, right positive, float32 (N,), of the same points.
        expert_must_steer: Near or on a junction lane that turns too much for a picture to say.
        turn_ahead: For the badge: "left", "right" or None.
        gap_m: Free distance to what is ahead in the lane; None if nothing within sight.
        ahead_speed_mps: Speed of what is ahead; 0 if nothing.
        stop_in_m: Distance to a red or yellow light's stop line; None if none.
    """

    offset_m: float
    heading_error_deg: float
    width_m: float
    in_junction: bool
    path: NDArray[np.float32]
    path_curvature: NDArray[np.float32]
    expert_must_steer: bool = False
    turn_ahead: Literal["left", "right"] | None = None
    gap_m: float | None = None
    ahead_speed_mps: float = 0.0
    stop_in_m: float | None = None


class EventKind(Enum):
    """What a drive can be interrupted by; the value is what the window says."""

    LANE_DEPARTURE = "lane departure"
    COLLISION = "collision"
    INTERVENTION = "intervention"
    DISAGREEMENT = "unlike the expert"
    ATTENTION = "attention off road"
    JUMP = "map jumps"
    NOVELTY = "unlike the training"
    BOOKMARK = "bookmark"
    NETWORKS = "networks disagree"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in one tick.

    Attributes:
        kind: What.
        frame_id: When.
        text: One short line for a person, for example "0.3 m over the left edge".
    """

    kind: EventKind
    frame_id: int
    text: str


@dataclass(frozen=True, slots=True)
class SideView:
    """The picture of another camera, for people; no network is ever given it.

    Attributes:
        name: For the window, for example "chase".
        image: RGB, uint8, shape (H, W, 3).
    """

    name: str
    image: Image


@dataclass(frozen=True, slots=True)
class Observation:
    """All that is known after one tick.

    Attributes:
        frame: The camera's picture of this very tick.
        pose: Of the ego vehicle's origin.
        speed_mps: Along the car, backwards negative.
        lane: None where the car is not near any road.
        events: What happened in this tick.
        server_ms: Wall time from sending the control to having this.
        view: Of another camera, of the same tick, where a person wants one.
        applied: The control that somebody else sent to the car for this tick (CARLA's autopilot,
            the owner of a car that is only looked at); None where it was ours.
    """

    frame: Frame
    pose: Pose
    speed_mps: float
    lane: LaneView | None
    events: tuple[Event, ...] = ()
    server_ms: float = 0.0
    view: SideView | None = None
    applied: Control | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """What the ego vehicle is told to do until the next tick.

    Attributes:
        steering: In [-1, 1]; -1 is full left, +1 full right.
        throttle: In [0, 1].
        brake: In [0, 1].
        hand_brake: Pulled.
        reverse: Reverse gear.

    Raises:
        ValueError: If a value is outside its range, or is NaN.
    """

    steering: float = 0.0
    throttle: float = 0.0
    brake: float = 0.0
    hand_brake: bool = False
    reverse: bool = False

    def __post_init__(self) -> None:
        for name, low in (("steering", -1.0), ("throttle", 0.0), ("brake", 0.0)):
            value = getattr(self, name)
            if not low <= value <= 1.0:  # false for NaN too
                raise ValueError(f"{name} must be in [{low:g}, 1], received {value!r}")


Place = tuple[float, float, float, float]
"""Part of the network's grid in its pixels: top, bottom, left, right; the grid begins at 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What the numbers and the colours of a map say.

    Attributes:
        title: Of the method, for the window, for example "gradient × (frame − blur)".
        of: What was explained: "steering", or the name of a layer.
        unit: Of a value. One that begins with "deg" is shown in degrees at the wheels, which are
            steering times the car's lock; any other is shown as it is.
        signed: Whether left and right differ; a map without a sign is never blue or orange.
        left: What a negative value says (without a sign: a small one).
        right: What a positive value says (without a sign: a large one).
        hint: How to read the map, up to two short lines.
    """

    title: str
    of: str = "steering"
    unit: str = "deg / pixel"
    signed: bool = True
    left: str = "pushes left"
    right: str = "pushes right"
    hint: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the network commanded for one frame, and how much each pixel moved it.

    Attributes:
        frame_id: The frame that was explained.
        method: Name of the explainer, for example "contrast".
        steering: The network's own output for this frame, before it is rescaled to the car.
        attribution: Raw, float32, shape (H, W) of the network's grid, or of a layer's cells; in
            steering where `meaning` has degrees. Not normalised: scaling belongs to `draw`.
        meaning: Of the attribution.
        place: What the attribution covers of the network's grid; None = all of it.

    Raises:
        ValueError: If the attribution is not 2-D float32, or not all finite.
    """

    frame_id: int
    method: str
    steering: float
    attribution: Array
    meaning: Meaning = Meaning(title="saliency")
    place: Place | None = None

    def __post_init__(self) -> None:
        shape, dtype = self.attribution.shape, self.attribution.dtype
        if len(shape) != 2 or dtype != np.float32:
            raise ValueError(f"attribution must be (H, W) float32, received {shape} {dtype}")
        if not np.isfinite(self.attribution).all() or not math.isfinite(self.steering):
            raise ValueError(
                f"{self.method} gave NaN or infinity for frame {self.frame_id}: "
                "look at the network's weights and its input scale"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """What the one who looks on would have done, and why.

    Attributes:
        letter: "A" or "B": A is the network that drove at the start.
        title: Its name, for the window.
        command: What it would have sent to the live car; None where it has no answer.
        explanation: Of the same frame as the decision's; None without a map.
    """

    letter: Literal["A", "B"] = "B"
    title: str
    command: float | None
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done about one observation, by whom, and why.

    Attributes:
        control: Sent to the car.
        driver: Who steered.
        explanation: Of the same frame, or of `explained`; None where there is no network, or a slow
            method has not answered yet.
        expert_steering: What the expert would have sent; None off the road.
        network_steering: What the network would have sent, or has; None without a network.
        timing_ms: Wall milliseconds of parts, for example {"network": 1.9}.
        notice: One line for the window, for example "turn ahead: the expert steers".
        explained: The older frame that the explanation is of, where the method does not fit into a
            tick; None = this one.
        every: How many frames it is from one explained frame to the next.
        shadow: A second network, or the expert, that is compared with the network.
        masked: The frame as the network was given it, where a person masked parts of it; its number
            is the observation's.
    """

    control: Control
    driver: Driver
    explanation: Explanation | None
    expert_steering: float | None = None
    network_steering: float | None = None
    timing_ms: dict[str, float] = field(default_factory=dict)
    notice: str = ""
    explained: Frame | None = None
    every: int = 1
    shadow: Shadow | None = None
    masked: Frame | None = None


@dataclass(frozen=True, slots=True)
class HeldKeys:
    """The driving keys that a person holds down just now."""

    left: bool = False
    right: bool = False
    throttle: bool = False
    brake: bool = False
    hand_brake: bool = False
    reverse: bool = False
