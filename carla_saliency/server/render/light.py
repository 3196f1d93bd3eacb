"""CARLA's weather parameters -> light, air and sky."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carla_saliency.server.nouns import Weather

Colour = NDArray[np.float64]

NIGHT_DEG = 2.0  # sun below this: headlights and street lamps are lit
LONGEST_SHADOW = 4.0  # metres per metre of height


@dataclass(frozen=True, slots=True)
class Light:
    """What the shaders need to know of the weather; colours are factors on what is lit.

    Attributes:
        sun_dir: Unit vector towards the sun (towards the moon at night).
        sun_colour: Of its light.
        sky_colour: Of the light from all around.
        fog_colour: Of the air.
        fog_per_m: Density, base 2.
        fog_from_m: Where it begins.
        wet: Darkening of what lies, 0 to 1.
        night: Lamps are lit.
        zenith: Colour of the sky above.
        horizon: Colour of the sky at its foot.
        cloud_light: Colour of clouds.
        cover: Part of the sky under cloud, 0 to 1.
        cloud_drift: Where the clouds are.
        glow: Brightness of the sun's disc.
        cast: Metres that a shadow moves per metre of height, (2,).
    """

    sun_dir: Colour
    sun_colour: Colour
    sky_colour: Colour
    fog_colour: Colour
    fog_per_m: float
    fog_from_m: float
    wet: float
    night: bool
    zenith: Colour
    horizon: Colour
    cloud_light: Colour
    cover: float
    cloud_drift: tuple[float, float]
    glow: float
    cast: Colour


def _mix(a: Colour, b: Colour, part: float) -> Colour:
    return np.asarray(a + (b - a) * part, np.float64)


def _step(low: float, high: float, value: float) -> float:
    part = float(np.clip((value - low) / (high - low), 0, 1))
    return part * part * (3 - 2 * part)


def light_of(weather: Weather, haze: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Light:
    """Return the light of a weather.

    Args:
        weather: As set by the client.
        haze: Factor on the colour of the air, of the map's palette.
    """
    altitude = weather.sun_altitude_angle
    cloud = float(np.clip(weather.cloudiness / 100, 0, 1))
    rain = float(np.clip(weather.precipitation / 100, 0, 1))
    day = _step(-8.0, 7.0, altitude)  # 0 night, 1 day
    warm = 1 - _step(0.0, 28.0, altitude)  # low sun is orange

    high = float(np.radians(max(altitude, 4.0) if altitude > -4 else 40.0))
    azimuth = float(np.radians(weather.sun_azimuth_angle))
    sun_dir = np.array(
        [np.cos(azimuth) * np.cos(high), np.sin(azimuth) * np.cos(high), np.sin(high)]
    )
    sun = _mix(np.array([1.0, 0.97, 0.90]), np.array([1.0, 0.68, 0.40]), warm)
    sun = sun * (0.95 * _step(-3.0, 7.0, altitude)) * (1 - 0.93 * cloud**1.4) * (1 - 0.4 * rain)
    moon = np.array([0.06, 0.075, 0.11]) * (1 - 0.8 * cloud)
    sky = _mix(np.array([0.50, 0.53, 0.58]), np.array([0.84, 0.85, 0.86]), cloud**1.4)
    sky = _mix(np.array([0.115, 0.13, 0.175]), sky * (1 - 0.10 * rain), day)

    grey = _mix(np.array([0.62, 0.65, 0.69]), np.array([0.52, 0.545, 0.57]), rain)
    clear_zenith, clear_horizon = np.array([0.24, 0.43, 0.76]), np.array([0.70, 0.80, 0.90])
    dusk = np.array([0.88, 0.62, 0.42])
    clear_horizon = _mix(clear_horizon, dusk, 0.6 * warm)
    overcast = cloud**1.8
    zenith = _mix(clear_zenith, grey * 0.92, overcast)
    horizon = _mix(clear_horizon, grey * 1.08, overcast)
    dark = np.array([0.022, 0.03, 0.058])
    zenith, horizon = _mix(dark, zenith, day), _mix(dark * 2.2, horizon, day)
    cloud_light = _mix(
        np.array([0.05, 0.055, 0.07]), _mix(np.array([1.0, 1.0, 1.0]), grey, cloud), day
    )

    fog_day = _mix(np.array([0.74, 0.79, 0.84]), np.array([0.68, 0.70, 0.72]), max(cloud, rain))
    fog_colour = _mix(dark * 2.0, fog_day, day) * np.array(haze)
    density = float(np.clip(weather.fog_density, 0, 100)) / 100
    fog = 0.0007 + 0.055 * density**1.6 + 0.0012 * rain
    dust = float(np.clip(weather.dust_storm / 100, 0, 1))
    fog += 0.02 * dust
    fog_colour = _mix(fog_colour, np.array([0.66, 0.52, 0.36]) * max(day, 0.06), dust)
    cast = -sun_dir[:2] / max(sun_dir[2], 1e-3)
    length = float(np.hypot(*cast))
    cast = cast * min(1.0, LONGEST_SHADOW / max(length, 1e-6))
    return Light(
        sun_dir=sun_dir,
        sun_colour=sun + moon * (1 - day),
        sky_colour=sky,
        fog_colour=fog_colour,
        fog_per_m=fog,
        fog_from_m=max(weather.fog_distance, 0.0),
        wet=0.30 * float(np.clip(max(weather.wetness, weather.precipitation_deposits) / 100, 0, 1)),
        night=altitude < NIGHT_DEG,
        zenith=zenith,
        horizon=horizon * np.array(haze),
        cloud_light=cloud_light,
        cover=0.34 + 0.62 * cloud if cloud > 0.01 else 0.0,
        cloud_drift=(0.013 * weather.sun_azimuth_angle, 0.31),
        glow=(1 - cloud) * (1.0 if altitude > -3 else 0.0),
        cast=cast,
    )
