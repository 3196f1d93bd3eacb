from __future__ import annotations

import re

import carla
import pytest
from stand_in_server import STRAIGHT

from carla_saliency.errors import BadInputError
from carla_saliency.server.nouns import Transform
from carla_saliency.server.wire.structs import ActorDescription, AttributeType, AttributeValue
from carla_saliency.server.world.blueprints import (
    _PATTERNS,
    UNAVAILABLE,
    attribute_values,
    library,
)
from carla_saliency.server.world.sensors import geo_location, geo_reference
from carla_saliency.server.world.vehicle import VEHICLES

LIBRARY = {definition.id: definition for definition in library()}


def test_every_vehicle_and_every_blueprint_of_the_official_scripts_is_there() -> None:
    assert set(VEHICLES) <= set(LIBRARY)
    assert set(UNAVAILABLE) <= set(LIBRARY)
    assert {"sensor.other.collision", "sensor.other.lane_invasion"} <= set(LIBRARY)


@pytest.mark.parametrize("name", LIBRARY)
def test_every_default_is_of_its_own_type(name: str) -> None:
    for attribute in LIBRARY[name].attributes:
        for value in (attribute.value, *attribute.recommended):
            assert re.fullmatch(_PATTERNS[attribute.type], value), attribute
    numbers = [definition.uid for definition in LIBRARY.values()]
    assert len(set(numbers)) == len(numbers)


def chosen(name: str, value: str, kind: int = AttributeType.STRING) -> ActorDescription:
    return ActorDescription(1, "sensor.camera.rgb", (AttributeValue(name, kind, value),))


def test_a_choice_replaces_the_default_and_the_rest_stays() -> None:
    values = attribute_values(LIBRARY["sensor.camera.rgb"], chosen("fov", "70"))
    assert (values["fov"], values["image_size_x"]) == ("70", "800")


def test_what_is_fixed_or_unknown_is_left_as_it_is() -> None:
    car = LIBRARY["vehicle.tesla.model3"]
    values = attribute_values(car, chosen("number_of_wheels", "3"))
    assert values["number_of_wheels"] == "4"
    assert "wings" not in attribute_values(car, chosen("wings", "2"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fov", "wide"),
        ("fov", "nan"),
        ("fov", "1e999"),
        ("fov", ""),
        ("image_size_x", "1.5"),
        ("image_size_x", "9" * 50),
        ("role_name", "x" * 1000),
        ("enable_postprocess_effects", "maybe"),
    ],
)
def test_a_value_of_another_type_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadInputError, match=f"{name} must be like"):
        attribute_values(LIBRARY["sensor.camera.rgb"], chosen(name, value))


def test_geographic_places_are_those_of_the_client() -> None:
    town = carla.Map("straight", STRAIGHT)
    origin = geo_reference(STRAIGHT)
    assert origin == (42.0, 2.0)
    for x, y, z in ((0.0, 0.0, 0.0), (300.0, -120.0, 5.0)):
        expected = town.transform_to_geolocation(carla.Location(x, y, z))
        latitude, longitude, altitude = geo_location(origin, Transform(x, y, z))
        assert latitude == pytest.approx(expected.latitude, abs=1e-9)
        assert longitude == pytest.approx(expected.longitude, abs=1e-9)
        assert altitude == pytest.approx(expected.altitude)


def test_a_map_without_a_place_on_earth_is_at_its_zero() -> None:
    assert geo_reference("<OpenDRIVE/>") == (0.0, 0.0)
    assert geo_reference("+lat_0=90 +lon_0=1-2") == (85.0, 1.0)
