"""The nouns that flow through a drive, and the interfaces of the parts that handle them.

    Frame -> Observation -> Decision(control, explanation) -> DriveStep

Read this first, `drive.py` second. Positions are CARLA's: x forward, y right, z up, metres and
degrees. Steering is a number in [-1, 1], left negative. Images are RGB, uint8, (H, W, 3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Array = NDArray[np.float32]
Driver = Literal["network", "expert", "manual"]

# ------------------------------------------------------------------ what is seen


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
class Observation:
    """All that is known after one tick.

    Attributes:
        frame: The camera's picture of this very tick.
        pose: Of the ego vehicle's origin.
        speed_mps: Along the car, backwards negative.
        lane: None where the car is not near any road.
        events: What happened in this tick.
        server_ms: Wall time from sending the control to having this.
    """

    frame: Frame
    pose: Pose
    speed_mps: float
    lane: LaneView | None
    events: tuple[Event, ...] = ()
    server_ms: float = 0.0


# ------------------------------------------------------------------ what is decided


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


@dataclass(frozen=True, slots=True)
class DriveStep:
    """One finished tick: picture and map are of the same frame."""

    observation: Observation
    decision: Decision


@dataclass(frozen=True, slots=True)
class HeldKeys:
    """The driving keys that a person holds down just now."""

    left: bool = False
    right: bool = False
    throttle: bool = False
    brake: bool = False
    hand_brake: bool = False
    reverse: bool = False


# ------------------------------------------------------------------ what a window may ask


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop or go on."""


@dataclass(frozen=True, slots=True)
class StepOnce:
    """One tick while paused."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """From the network to the expert and back, and back from manual."""


@dataclass(frozen=True, slots=True)
class Manual:
    """A person drives; lasts until `HandOver`."""

    control: Control


@dataclass(frozen=True, slots=True)
class ChangeMethod:
    """To the next (+1) or previous (-1) saliency method."""

    by: int = 1


@dataclass(frozen=True, slots=True)
class ToggleRecording:
    """Start or stop the video."""


@dataclass(frozen=True, slots=True)
class Quit:
    """End the drive."""


Request = Pause | StepOnce | HandOver | Manual | ChangeMethod | ToggleRecording | Quit


# ------------------------------------------------------------------ what a network sees


@dataclass(frozen=True, slots=True)
class Contract:
    """The camera and the car that a network was trained with, and what its output means.

    Without it nobody can use its weights. In this order: the camera's picture is cropped, blurred,
    resized, its colours are converted, and it is scaled.

    Attributes:
        name: Of the network, for the window.
        camera: Pose in the vehicle, from its origin.
        width_px: Of the camera's picture.
        height_px: Of the camera's picture.
        fov_deg: Horizontal.
        crop: (top, bottom, left, right): rows top..bottom and columns left..right are used.
        input_height_px: Of the network's grid.
        input_width_px: Of the network's grid.
        resize: OpenCV's interpolation: "area", "linear", "nearest" or "cubic".
        colour: Order or space of the network's channels, as OpenCV has them for 8-bit pictures
            ("hsv": hue 0..180).
        scale: Multiplies the 0..255 values.
        offset: Is added after that.
        blur_px: Odd size of the Gaussian kernel (OpenCV's sigma for it) on the cropped picture
            before it is resized; 0 = none.
        preprocess: Takes the place of code (a Lambda) in the model file: a chain of steps such as
            "x/127.5-1", see `network.steps`.
        speed_kmh: Lowest and highest speed in training.
        max_steer_deg: Of the car that it learned on.
        wheelbase_m: Of the car that it learned on.
        blueprint: Of the car that it learned on.
        output: What the network answers: "steering", "degrees", "radians", "bins", "two-heads" or
            "vector:I".
        output_centre: The answer that means straight ahead.
        output_range: How much more than that means full right; negative if the file's right is our
            left; None = what is usual for this kind of output.
        speed_scale: From m/s to what a second input for the speed takes: 3.6 = km/h.
    """

    name: str
    camera: Pose
    width_px: int
    height_px: int
    fov_deg: float
    crop: tuple[int, int, int, int]
    input_height_px: int
    input_width_px: int
    resize: Literal["area", "linear", "nearest", "cubic"] = "area"
    colour: Literal["rgb", "bgr", "yuv", "grey", "hsv"] = "rgb"
    scale: float = 1.0
    offset: float = 0.0
    blur_px: int = 0
    preprocess: str = ""
    speed_kmh: tuple[float, float] = (0.0, 50.0)
    max_steer_deg: float = 70.0
    wheelbase_m: float = 2.87
    blueprint: str = "vehicle.tesla.model3"
    output: str = "steering"
    output_centre: float = 0.0
    output_range: float | None = None
    speed_scale: float = 3.6


@dataclass(frozen=True, slots=True)
class Inputs:
    """A batch for the network.

    Attributes:
        image: Encoded, float32, (N, H, W, C); (N, frames, H, W, C), the newest last, for a network
            that remembers.
        speed: As the network takes it, float32, (N, 1); None where it is not told the speed.
    """

    image: Array
    speed: Array | None = None


Target = tuple[str, str | int]
"""What is differentiated: ("steering" or a layer's name, "mean" or the index of a filter).

"mean" is the sum over filters (units) of each one's mean over positions; an index is that filter's
mean. The steering is one number, so both are the steering itself.
"""


@dataclass(frozen=True, slots=True)
class Query:
    """What to ask of the network beside its steering.

    Attributes:
        targets: Scalars to differentiate with respect to the image; () = forward only.
        rule: How gradient passes an activation, whatever its kind, but for the last one: "true"ly;
            "guided": as it is where the activation's input and the gradient are positive, else not;
            "relu": as it is where it is positive, else not.
        keep: Layers whose outputs come back, with each target's gradient to them.
        gate: A layer whose channels are multiplied by the `gates` given with the inputs.
        linear: The last activation is replaced by linear.
    """

    targets: tuple[Target, ...] = (("steering", "mean"),)
    rule: Literal["true", "guided", "relu"] = "true"
    keep: tuple[str, ...] = ()
    gate: str | None = None
    linear: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the network answered to N inputs and T targets.

    Attributes:
        steering: (N,)
        gradients: (N, T, ...): of each target to `Inputs.image`, whose shape follows.
        outputs: Kept layer -> its output (N, ...), in Keras's layout.
        output_gradients: Kept layer -> gradient of each target to it, (N, T, ...).
    """

    steering: Array
    gradients: Array
    outputs: Mapping[str, Array] = field(default_factory=dict)
    output_gradients: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """One layer of a network, for choosing and for placing its cells.

    Attributes:
        name: Unique in the network.
        kind: Keras's class name, for example "Conv2D".
        shape: Of its output in Keras's layout, without the batch: (rows, columns, channels) or
            (units,).
        kernel: Of a convolution or a pooling: rows, columns; else (1, 1).
        strides: The same way.
        pads: Zeros or missing rows and columns around: top, bottom, left, right.
        source: The layer or input that feeds it (the first, if there are several).
        activates: It is an activation, or has one of its own.
        place: Where its cells lie on the network's grid, each a rectangle around the centre of what
            it sees; None for vectors.
        parameters: Number of its weights.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    source: str = ""
    activates: bool = False
    place: Place | None = None
    parameters: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """What the network is given for one frame.

    Attributes:
        frame_id: Of the frame.
        rgb: The frame on the network's grid: RGB, uint8, (H, W, 3), 0..255.
        inputs: A batch of one: this picture encoded, with what else the network takes.
    """

    frame_id: int
    rgb: Image
    inputs: Inputs


# ------------------------------------------------------------------ the parts


class Network(Protocol):
    """A steering network, whatever runs it."""

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """Every layer, in the order of computation."""

    @property
    def has_gradient(self) -> bool:
        """Whether it answers queries with targets, rules, kept layers or gates."""

    def steer(self, inputs: Inputs) -> Array:
        """Return the steering, (N,)."""

    def run(self, query: Query, inputs: Inputs, gates: Array | None = None) -> Answer:
        """Return the steering and what the query asks, from one compiled call.

        `gates` is (N, channels of the gated layer), or None without a gate.
        """

    def randomised(self, seed: int) -> Network:
        """Return a network of the same layers with new weights."""


class Preprocess(Protocol):
    """From a camera picture to the network's input, and the exact way back for maps."""

    def crop(self, picture: Image) -> Image:
        """Return the RGB picture on the network's grid, uint8 (H, W, 3)."""

    def encode(self, rgb: NDArray[Any]) -> Array:
        """Return the network's input (..., H, W, C) for RGB on its grid, 0..255."""

    def pull_back(self, rgb: NDArray[Any], gradient: Array) -> Array:
        """Return the gradient per grey level of R, G, B, (..., H, W, 3), from that to the input."""


class Feed(Protocol):
    """From frames to all that the network takes; remembers the last frames where it needs them."""

    def look(self, frame: Frame) -> Seen:
        """Return what the network is given for this frame; the same frame twice is seen once."""

    def vary(self, seen: Seen, pictures: NDArray[Any]) -> Inputs:
        """Return a batch with other pictures in place of the seen one.

        `pictures` is RGB on the network's grid, 0..255, uint8 or float, (N, H, W, 3); older frames
        and the speed stay as they are.
        """

    def pull_back(self, pictures: NDArray[Any], gradient: Array) -> Array:
        """Return the gradient per grey level of the pictures' R, G, B, (N, H, W, 3).

        `gradient` is to `Inputs.image` of those pictures, (N, ...); of several frames the newest
        counts.
        """


class Explainer(Protocol):
    """Asks the network for the steering, and finds what moved it."""

    @property
    def name(self) -> str:
        """Of the method."""

    @property
    def meaning(self) -> Meaning:
        """Of its maps."""

    @property
    def slow(self) -> bool:
        """Whether it takes longer than a tick."""

    def look(self, frame: Frame) -> Seen:
        """Return what the network is given for this frame."""

    def steer(self, seen: Seen) -> float:
        """Return the steering alone."""

    def explain_seen(self, seen: Seen) -> Explanation:
        """Explain what was seen; may be called from a thread of its own."""

    def explain(self, frame: Frame) -> Explanation:
        """Explain one frame."""


class Session(Protocol):
    """A connection to a simulator that holds one ego vehicle."""

    def start(self) -> Observation:
        """Return what the ego vehicle sees first."""

    def send(self, decision: Decision) -> None:
        """Apply the control and begin one tick; returns at once."""

    def receive(self) -> Observation:
        """Return what is seen after that tick."""


class Pilot(Protocol):
    """Decides. May keep state; holds no reference to the simulator."""

    def decide(self, observation: Observation) -> Decision:
        """Return the control for this observation and, where it has one, the explanation."""
