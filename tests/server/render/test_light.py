from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.server.nouns import Weather
from carla_saliency.server.render.light import light_of


def test_the_sun_stands_where_its_angles_say() -> None:
    light = light_of(Weather(sun_azimuth_angle=90, sun_altitude_angle=30))
    np.testing.assert_allclose(light.sun_dir, [0, np.cos(np.pi / 6), 0.5], atol=1e-12)
    np.testing.assert_allclose(light.cast, [0, -np.sqrt(3)], atol=1e-12)


@pytest.mark.parametrize(("altitude", "night"), [(45, False), (5, False), (-5, True), (-90, True)])
def test_lamps_are_lit_when_the_sun_is_down(altitude: float, night: bool) -> None:
    assert light_of(Weather(sun_altitude_angle=altitude)).night is night


def test_it_gets_darker_as_the_sun_sinks() -> None:
    light = [light_of(Weather(sun_altitude_angle=a)) for a in (60, 20, 5, 0, -5, -20)]
    total = [float((x.sky_colour + x.sun_colour * x.sun_dir[2]).sum()) for x in light]
    assert total == sorted(total, reverse=True)


def test_clouds_take_the_sun_away_and_fog_thickens_the_air() -> None:
    clear, cloudy = light_of(Weather(cloudiness=0)), light_of(Weather(cloudiness=100))
    assert cloudy.sun_colour.max() < 0.2 * clear.sun_colour.max()
    densities = [light_of(Weather(fog_density=d)).fog_per_m for d in (0, 20, 50, 100)]
    assert densities == sorted(densities)
    assert densities[0] < 0.001 < 0.05 < densities[-1]


@pytest.mark.parametrize("value", [-50.0, 0.0, 100.0, 1000.0])
def test_every_weather_gives_finite_light(value: float) -> None:
    light = light_of(Weather(*([value] * 14)))
    for part in (light.sun_dir, light.sun_colour, light.sky_colour, light.zenith, light.cast):
        assert np.isfinite(part).all()
    assert (light.sky_colour > 0).all()
