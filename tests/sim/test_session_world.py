"""What the world was like: maps, weather, settings, and the session's own settings."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import carla
import pytest

from carla_saliency.core import Pose
from carla_saliency.errors import BadInputError
from carla_saliency.sim.poses import speed_along, to_pose, to_transform, velocity_along
from carla_saliency.sim.settings import SessionSettings
from carla_saliency.sim.world import fit_substeps, last_part, opendrive_of, weather_named


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "No such file"),
        ("", "not XML"),
        ("road", "not XML"),
        ("<OpenDRIVE><road></OpenDRIVE>", "not XML"),
        ("<html/>", "XML of the kind <html>"),
        ("<OpenDRIVE><header/></OpenDRIVE>", "must have a road"),
    ],
)
def test_a_file_that_is_no_map_is_refused(
    tmp_path: Path, content: str | None, complaint: str
) -> None:
    path = tmp_path / "bad.xodr"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BadInputError, match=complaint) as refused:
        opendrive_of(str(path))
    assert "\n" not in str(refused.value)


def test_a_file_is_told_from_a_name_by_its_ending(tmp_path: Path) -> None:
    path = tmp_path / "good.XODR"
    path.write_text("<OpenDRIVE><road/></OpenDRIVE>")
    assert opendrive_of(str(path)) == "<OpenDRIVE><road/></OpenDRIVE>"
    assert opendrive_of("Town01") is None
    assert opendrive_of(None) is None


@pytest.mark.parametrize("name", ["Town01", "Carla/Maps/Town01", "/Game/Carla/Maps/Town01"])
def test_maps_are_compared_by_their_last_part(name: str) -> None:
    assert last_part(name) == "Town01"


@pytest.mark.parametrize("name", ["WetSunset", "wetsunset"])
def test_a_weather_is_found_by_name(name: str) -> None:
    assert weather_named(name) == carla.WeatherParameters.WetSunset


def test_an_unknown_weather_gets_the_list_and_a_guess() -> None:
    with pytest.raises(BadInputError, match=r"Did you mean ClearNoon\? There are: ClearNight, "):
        weather_named("ClearNon")


@pytest.mark.parametrize(
    ("delta_s", "steps", "longest_s"),
    [(0.05, 10, 0.01), (0.1, 10, 0.01), (0.15, 15, 0.01), (0.5, 16, 0.5 / 16)],
)
def test_a_tick_is_never_longer_than_its_physics_steps(
    delta_s: float, steps: int, longest_s: float
) -> None:
    settings: Any = carla.WorldSettings()
    fit_substeps(settings, delta_s)
    assert settings.max_substeps == steps
    assert settings.max_substep_delta_time == pytest.approx(longest_s)


def test_without_substeps_nothing_is_fitted() -> None:
    settings: Any = carla.WorldSettings(substepping=False)
    fit_substeps(settings, 0.5)
    assert settings.max_substeps == 10


def test_a_pose_survives_the_way_to_the_simulator_and_back() -> None:
    pose = Pose(1.5, -2.25, 0.5, 3.0, -90.0, 1.0)
    assert to_pose(to_transform(pose)) == pose


@pytest.mark.parametrize("yaw_deg", [0.0, 90.0, -135.0])
def test_speed_and_velocity_are_each_others_inverse(yaw_deg: float) -> None:
    pose = Pose(yaw_deg=yaw_deg, pitch_deg=4.0)
    assert speed_along(pose, velocity_along(pose, -7.0)) == pytest.approx(-7.0, abs=1e-5)


def test_a_velocity_points_where_the_simulator_says_forward_is() -> None:
    pose = Pose(yaw_deg=30.0, pitch_deg=-10.0)
    ahead = to_transform(pose).get_forward_vector()
    velocity = velocity_along(pose, 2.0)
    assert math.isclose(velocity.x, 2 * ahead.x, abs_tol=1e-5)
    assert math.isclose(velocity.y, 2 * ahead.y, abs_tol=1e-5)
    assert math.isclose(velocity.z, 2 * ahead.z, abs_tol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"attach": "hero", "follow": "hero"},
        {"map_name": "Town01", "follow": "hero"},
        {"map_name": None, "weather": "WetNoon", "attach": "hero"},
        {"map_name": None, "spawn": 3, "attach": "hero"},
    ],
)
def test_what_is_not_ours_to_choose_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"attach (and|or) follow"):
        SessionSettings(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"autopilot_kmh": 0.0},
        {"port": 0},
        {"timeout_s": 0.0},
        {"fps": 0.0},
        {"fps": float("nan")},
        {"camera": (0, 360)},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        SessionSettings(**wrong)
