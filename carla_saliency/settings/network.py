"""Settings of every command that reads a network and explains it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from carla_saliency.settings.fields import flag, parse_size, require

METHOD_HELP = (
    "saliency method: contrast, gradient, abs-gradient, gradient-x-input, guided, smoothgrad, "
    "vargrad, integrated-gradients, gradcam, gradcam++, layercam, visualbackprop, occlusion, rise "
    "or keras-vis"
)


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """Which network, how its file is read, and with what it was trained."""

    model: str | None = flag(
        None,
        "steering network: .keras, .h5, SavedModel folder or .onnx (the shipped DAVE-2)",
        "FILE",
    )
    arch: str | None = flag(
        None, "layers for a file of weights only: dave2, or a Keras model.json", "NAME|FILE"
    )
    preprocess: str | None = flag(
        None,
        "takes the place of a Lambda in the file: steps joined by | out of x/127.5-1, x/255-0.5, "
        "x/255, resize(H,W), crop(top,bottom,left,right), bgr, yuv, gray, hsv",
        "STEPS",
    )
    output: str | None = flag(
        None,
        "what the network answers: steering, degrees, radians, bins, two-heads or vector:I "
        "(guessed from the file)",
        "KIND",
    )
    output_centre: float | None = flag(None, "answer that means straight ahead (0)", "X")
    output_range: float | None = flag(
        None, "how much more than that is full right; negative if more is left", "X"
    )
    contract: str | None = flag(
        None,
        "camera and car that the network was trained with: dave2, udacity, donkey, seed, or a FILE "
        "(NAME.contract.json beside the model)",
        "NAME|FILE",
    )
    trained_pose: str | None = flag(
        None, "of that contract: camera in the car, metres and degrees", "X,Y,Z,PITCH,YAW,ROLL"
    )
    trained_size: str | None = flag(None, "of that contract: size of the camera's picture", "WxH")
    trained_fov: float | None = flag(None, "of that contract: horizontal field of view", "DEGREES")
    trained_crop: str | None = flag(
        None, "of that contract: rows and columns that are used", "TOP,BOTTOM,LEFT,RIGHT"
    )
    trained_resize: str | None = flag(
        None, "of that contract: interpolation: area, linear, nearest or cubic", "HOW"
    )
    trained_blur: int | None = flag(
        None, "of that contract: odd size of a Gaussian blur before that, 0 = none", "PX"
    )
    trained_colour: str | None = flag(
        None, "of that contract: rgb, bgr, yuv, grey or hsv", "COLOUR"
    )
    trained_scale: float | None = flag(
        None, "of that contract: what the values of 0..255 are multiplied by", "X"
    )
    trained_offset: float | None = flag(None, "of that contract: what is then added", "X")
    trained_lock: float | None = flag(
        None, "of that contract: front wheels at steering 1", "DEGREES"
    )
    trained_wheelbase: float | None = flag(
        None, "of that contract: between the car's axles", "METRES"
    )
    speed_scale: float | None = flag(
        None, "of that contract: from m/s to a second input for the speed (3.6: km/h)", "X"
    )

    def contract_parts(self) -> dict[str, str]:
        """Return field of the contract -> text, for all parts that are given."""
        parts: dict[str, object] = {
            "camera": self.trained_pose,
            "fov_deg": self.trained_fov,
            "crop": self.trained_crop,
            "resize": self.trained_resize,
            "blur_px": self.trained_blur,
            "colour": self.trained_colour,
            "scale": self.trained_scale,
            "offset": self.trained_offset,
            "max_steer_deg": self.trained_lock,
            "wheelbase_m": self.trained_wheelbase,
            "speed_scale": self.speed_scale,
            "output": self.output,
            "output_centre": self.output_centre,
            "output_range": self.output_range,
            "preprocess": self.preprocess,
        }
        if self.trained_size is not None:
            width, height = parse_size("--trained-size", self.trained_size, "320x160")
            parts |= {"width_px": width, "height_px": height}
        return {key: str(value) for key, value in parts.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class MethodSettings:
    """How the steering is explained."""

    method: str = flag("contrast", METHOD_HELP, "NAME")
    layer: str | None = flag(
        None,
        "layer that is explained (at which, for gradcam, gradcam++ and layercam) instead of the "
        "steering",
        "NAME",
    )
    linear: bool = flag(False, "replace the last activation by linear; magnitudes change")
    target: Literal["steering", "change", "difference"] = flag(
        "steering",
        "what is explained: the command, its change since the last frame, or its difference to the "
        "expert's",
    )
    towards: Literal["right", "left", "both"] = flag(
        "right", "gradcam, gradcam++, layercam: evidence for which side; both has signs"
    )
    baseline: Literal["black", "blurred", "mean"] = flag(
        "blurred", "integrated-gradients, occlusion, rise: what stands for nothing"
    )
    steps: int = flag(32, "integrated-gradients: steps between the baseline and the frame", "N")
    samples: int = flag(25, "smoothgrad, vargrad: noisy copies of a frame", "N")
    noise: float = flag(0.15, "smoothgrad, vargrad: strength of the noise, part of 255", "X")
    masks: int = flag(500, "rise: random masks", "N")
    backprop: Literal["none", "guided", "relu"] = flag(
        "none", "keras-vis: how gradient passes an activation"
    )
    grad: Literal["none", "absolute", "negate", "invert", "relu", "small_values"] = flag(
        "absolute", "keras-vis: what is done to the gradient"
    )
    scale: Literal["drive", "frame"] = flag(
        "drive", "colours: one scale for all frames that rarely changes, or each frame its own"
    )

    def check_method(self) -> None:
        """Refuse numbers that can't work.

        Raises:
            BadInputError: With the flag, what it must be and what was received.
        """
        require("--steps", self.steps, 1, 10**4, "steps")
        require("--samples", self.samples, 2, 10**4, "samples")
        require("--noise", self.noise, 0, 10, "times 255")
        require("--masks", self.masks, 2, 10**6, "masks")
