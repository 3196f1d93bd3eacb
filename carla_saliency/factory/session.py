"""The session with a server that a network needs."""

from __future__ import annotations

from carla_saliency.core import Car, Contract
from carla_saliency.factory.steering import Steering
from carla_saliency.network.contract_words import contradictions
from carla_saliency.settings import DriveSettings, parse_size
from carla_saliency.sim.settings import SessionSettings


def camera_size(settings: DriveSettings, contract: Contract) -> tuple[int, int]:
    """Return (width, height) of the camera's picture."""
    if settings.camera is None:
        return contract.width_px, contract.height_px
    return parse_size("--camera", settings.camera, "640x360")


def session_settings(
    settings: DriveSettings, contract: Contract, host: str, port: int, map_name: str | None
) -> SessionSettings:
    """Return what the session with the server needs of the drive's settings.

    Args:
        settings: Of the drive.
        contract: Of the network.
        host: Of the server.
        port: Of the server.
        map_name: To be loaded, if it is not the one that is there.
    """
    return SessionSettings(
        host=host,
        port=port,
        timeout_s=settings.timeout,
        any_version=settings.any_version,
        take_over=settings.take_over,
        map_name=map_name,
        weather=settings.weather,
        lights=settings.lights,
        filter=settings.filter or contract.blueprint,
        rolename=settings.rolename,
        spawn=settings.spawn,
        camera=camera_size(settings, contract),
        fps=settings.fps,
        seed=settings.seed,
        junctions=settings.junctions,
        semantic=settings.semantic == "on",
        attach=settings.attach,
        follow=settings.follow,
        on_failure=settings.on_failure,
        autopilot_kmh=settings.speed,
    )


def contract_warnings(settings: DriveSettings, steering: Steering, car: Car) -> list[str]:
    """Return one line for everything that differs from what the network was trained with."""
    contract = steering.contract
    width_px, height_px = camera_size(settings, contract)
    lines = contradictions(
        contract,
        width_px=width_px,
        height_px=height_px,
        fov_deg=contract.fov_deg,  # the camera is spawned as the contract says
        pose=contract.camera,
        blueprint=car.blueprint,
        max_steer_deg=car.max_steer_deg,
        wheelbase_m=car.wheelbase_m,
    )
    low, high = contract.speed_kmh
    if not low <= settings.speed <= high:
        lines.append(
            f"--speed {settings.speed:g} is outside the {low:g} to {high:g} km/h of the training"
        )
    return lines
