"""Contracts in words: what one says, and in what a live camera and car differ from it."""

from __future__ import annotations

import math

from carla_saliency.core import Contract, Pose


def describe(contract: Contract) -> list[str]:
    """Return short lines that say the contract: camera, crop, resize, colour, scale, car.

    What the output means is said by `output.explain_output`, which knows the network.
    """
    pose, (top, bottom, left, right) = contract.camera, contract.crop
    whole = contract.crop == (0, contract.height_px, 0, contract.width_px)
    blur = f"Gaussian blur {contract.blur_px}×{contract.blur_px}, then " if contract.blur_px else ""
    ends = contract.offset, contract.offset + 255 * contract.scale
    plain = (contract.scale, contract.offset) == (1.0, 0.0)
    low, high = contract.speed_kmh
    return [
        f"camera: {contract.width_px}×{contract.height_px}, {contract.fov_deg:g}° wide, "
        f"{_place(pose)}, {_direction(pose)}",
        "crop: whole picture" if whole else f"crop: rows {top}–{bottom}, columns {left}–{right}",
        f"resize: {blur}{contract.resize} to {contract.input_width_px}×{contract.input_height_px}",
        f"colour: {contract.colour if contract.colour == 'grey' else contract.colour.upper()}",
        "scale: 0 to 255 as they are" if plain else f"scale: {ends[0]:g} to {ends[1]:g}",
        f"car: {contract.blueprint}, front wheels up to {contract.max_steer_deg:g}°, wheelbase "
        f"{contract.wheelbase_m:g} m, {low:g} to {high:g} km/h",
    ]


def contradictions(
    contract: Contract,
    width_px: int,
    height_px: int,
    fov_deg: float,
    pose: Pose,
    blueprint: str,
    max_steer_deg: float,
    wheelbase_m: float,
) -> list[str]:
    """Return one line for each thing in which the live camera or car is not the contract's.

    Args:
        contract: Of the network.
        width_px: Of the live picture.
        height_px: Of the live picture.
        fov_deg: Horizontal, of the live camera.
        pose: Of the live camera in the vehicle.
        blueprint: Of the live car.
        max_steer_deg: Of the live car.
        wheelbase_m: Of the live car.
    """
    was = contract.camera
    rows = (
        (
            (width_px, height_px) != (contract.width_px, contract.height_px),
            f"the camera's picture is {width_px}×{height_px}",
            f"{contract.width_px}×{contract.height_px}",
        ),
        (
            abs(fov_deg - contract.fov_deg) > 0.5,
            f"the camera's field of view is {fov_deg:g}°",
            f"{contract.fov_deg:g}°",
        ),
        (
            math.dist((pose.x_m, pose.y_m, pose.z_m), (was.x_m, was.y_m, was.z_m)) > 0.02,
            f"the camera is {_place(pose)}",
            _place(was),
        ),
        (
            max(_turned(pose, was)) > 0.5,
            f"the camera looks along {_direction(pose)}",
            _direction(was),
        ),
        (blueprint != contract.blueprint, f"the car is {blueprint}", contract.blueprint),
        (
            abs(max_steer_deg - contract.max_steer_deg) > 0.5,
            f"the car's front wheels turn up to {max_steer_deg:g}°",
            f"{contract.max_steer_deg:g}°",
        ),
        (
            abs(wheelbase_m / contract.wheelbase_m - 1) > 0.02,
            f"the car's wheelbase is {wheelbase_m:.2f} m",
            f"{contract.wheelbase_m:.2f} m",
        ),
    )
    return [f"{now}, the network learned with {then}" for differs, now, then in rows if differs]


def _place(pose: Pose) -> str:
    return f"at x {pose.x_m:g}, y {pose.y_m:g}, z {pose.z_m:g} m"


def _direction(pose: Pose) -> str:
    return f"pitch {pose.pitch_deg:g}, yaw {pose.yaw_deg:g}, roll {pose.roll_deg:g}°"


def _turned(one: Pose, other: Pose) -> list[float]:
    """Return by how much each angle differs, in [0, 180]."""
    pairs = (
        (getattr(one, key), getattr(other, key)) for key in ("pitch_deg", "yaw_deg", "roll_deg")
    )
    return [abs((a - b + 180) % 360 - 180) for a, b in pairs]
