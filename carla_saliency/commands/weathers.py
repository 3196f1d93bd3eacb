"""Random weather for training, within what a camera can still see."""

from __future__ import annotations

import numpy as np


def random_weather(rng: np.random.Generator) -> dict[str, float]:
    """Return what differs from ClearNoon: sun, cloud, rain and fog; one in eight is a night.

    Args:
        rng: Decides.
    """
    night = rng.random() < 0.125
    rain = float(rng.uniform(10, 90)) if rng.random() < 0.25 else 0.0
    foggy = rng.random() < 0.2
    return {
        "sun_altitude_angle": float(rng.uniform(-30, -3) if night else rng.uniform(4, 80)),
        "sun_azimuth_angle": float(rng.uniform(0, 360)),
        "cloudiness": float(rng.uniform(40, 100) if rain else rng.uniform(0, 100)),
        "precipitation": rain,
        "precipitation_deposits": rain * float(rng.uniform(0.3, 1.0)),
        "wetness": rain,
        "fog_density": float(rng.uniform(10, 60)) if foggy else float(rng.uniform(0, 5)),
        "fog_distance": float(rng.uniform(5, 40)) if foggy else 0.75,
    }


def weather_name(values: dict[str, float]) -> str:
    """Return a few words for a person, for example "night, rain 40"."""
    altitude = values.get("sun_altitude_angle", 45.0)
    words = ["night" if altitude < 0 else f"sun {altitude:.0f}"]
    for key, word in (("precipitation", "rain"), ("fog_density", "fog")):
        if values.get(key, 0.0) >= 10:
            words.append(f"{word} {values[key]:.0f}")
    return ", ".join(words)
