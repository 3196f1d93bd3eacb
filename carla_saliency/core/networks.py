"""What a network is: what it sees, what it is asked, what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from carla_saliency.core.driving import (
    Array,
    Image,
    Place,
    Pose,
)


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
