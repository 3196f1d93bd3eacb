"""The blueprint library: what can be spawned, with the attributes that CARLA's own scripts ask for.

Attributes without a meaning here (lens, exposure, ...) are there with CARLA's defaults, so that
scripts can set them. `UNAVAILABLE` are blueprints that scripts look up even if they never spawn
them; spawning one is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from carla_saliency.errors import BadInputError
from carla_saliency.server.wire.structs import (
    ActorDefinition,
    ActorDescription,
    AttributeDefinition,
    AttributeType,
)
from carla_saliency.server.world.vehicle_specs import VEHICLES, VehicleSpec

MAX_IMAGE_SIDE_PX = 4096

_PATTERNS = {
    AttributeType.BOOL: r"true|false|1|0",
    AttributeType.INT: r"[+-]?\d{1,9}",
    AttributeType.FLOAT: r"[+-]?(\d{1,12}(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?",
    AttributeType.STRING: r".{0,256}",
    AttributeType.COLOUR: r"\d{1,3},\d{1,3},\d{1,3}",
}

UNAVAILABLE = (
    "sensor.camera.instance_segmentation",
    "sensor.camera.cosmos_visualization",
    "sensor.camera.normals",
    "sensor.camera.optical_flow",
    "sensor.camera.dvs",
    "sensor.lidar.ray_cast",
    "sensor.lidar.ray_cast_semantic",
    "sensor.other.obstacle",
    "sensor.other.radar",
    "controller.ai.walker",
)

_LENS = {
    "lens_circle_falloff": 5.0,
    "lens_circle_multiplier": 0.0,
    "lens_k": -1.0,
    "lens_kcube": 0.0,
    "lens_x_size": 0.08,
    "lens_y_size": 0.08,
}
_POSTPROCESS = {
    "bloom_intensity": 0.675,
    "lens_flare_intensity": 0.1,
    "fstop": 1.4,
    "iso": 100.0,
    "gamma": 2.2,
    "shutter_speed": 200.0,
    "min_fstop": 1.2,
    "exposure_compensation": 0.0,
    "exposure_min_bright": 7.0,
    "exposure_max_bright": 9.0,
    "exposure_speed_up": 3.0,
    "exposure_speed_down": 1.0,
    "calibration_constant": 16.0,
    "focal_distance": 1000.0,
    "blur_amount": 1.0,
    "blur_radius": 0.0,
    "motion_blur_intensity": 0.45,
    "motion_blur_max_distortion": 0.35,
    "motion_blur_min_object_screen_size": 0.1,
    "slope": 0.88,
    "toe": 0.55,
    "shoulder": 0.26,
    "black_clip": 0.0,
    "white_clip": 0.04,
    "temp": 6500.0,
    "tint": 0.0,
    "chromatic_aberration_intensity": 0.0,
    "chromatic_aberration_offset": 0.0,
}
_LIDAR = {
    "range": 10.0,
    "rotation_frequency": 10.0,
    "upper_fov": 10.0,
    "lower_fov": -30.0,
    "horizontal_fov": 360.0,
    "atmosphere_attenuation_rate": 0.004,
    "dropoff_general_rate": 0.45,
    "dropoff_intensity_limit": 0.8,
    "dropoff_zero_intensity": 0.4,
    "noise_stddev": 0.0,
}
_RADAR = {"horizontal_fov": 30.0, "vertical_fov": 30.0, "range": 100.0}
_IMU = {
    f"noise_{sensor}_{kind}_{axis}": 0.0
    for sensor, kinds in (("accel", ("stddev",)), ("gyro", ("stddev", "bias")))
    for kind in kinds
    for axis in "xyz"
}
_GNSS = {
    f"noise_{axis}_{kind}": 0.0 for axis in ("alt", "lat", "lon") for kind in ("bias", "stddev")
}


def library() -> tuple[ActorDefinition, ...]:
    """Return every blueprint, in a fixed order, as clients get it."""
    vehicles = [(spec.blueprint, _vehicle_attributes(spec)) for spec in VEHICLES.values()]
    cameras = [
        ("sensor.camera.rgb", _camera_attributes(_POSTPROCESS)),
        ("sensor.camera.semantic_segmentation", _camera_attributes({})),
        ("sensor.camera.depth", _camera_attributes({})),
    ]
    others = [
        ("sensor.other.collision", _sensor_attributes({})),
        ("sensor.other.lane_invasion", _sensor_attributes({})),
        ("sensor.other.gnss", _sensor_attributes(_GNSS)),
        ("sensor.other.imu", _sensor_attributes(_IMU)),
    ]
    missing = [(name, _unavailable_attributes(name)) for name in UNAVAILABLE]
    return tuple(
        ActorDefinition(uid, name, name.replace(".", ","), tuple(attributes))
        for uid, (name, attributes) in enumerate(vehicles + cameras + others + missing, start=1)
    )


def attribute_values(
    definition: ActorDefinition, description: ActorDescription
) -> Mapping[str, str]:
    """Return all attributes of an actor: the client's choice, else the blueprint's default.

    Args:
        definition: The blueprint.
        description: What a client sent; unknown attributes are left out.

    Raises:
        BadInputError: If a value is not of the attribute's type.
    """
    values = {attribute.id: attribute.value for attribute in definition.attributes}
    known = {attribute.id: attribute for attribute in definition.attributes}
    for chosen in description.attributes:
        attribute = known.get(chosen.id)
        if attribute is None or not attribute.is_modifiable:
            continue
        if not re.fullmatch(_PATTERNS[attribute.type], chosen.value):
            raise BadInputError(
                f"{definition.id}: {chosen.id} must be like {attribute.value!r}, "
                f"received {chosen.value[:40]!r}"
            )
        values[chosen.id] = chosen.value
    return values


# ------------------------------------------------------------------ attributes


def _choice(
    name: str, kind: int, value: str, recommended: Sequence[str] = ()
) -> AttributeDefinition:
    return AttributeDefinition(name, kind, value, tuple(recommended), True, False)


def _fixed(name: str, kind: int, value: str) -> AttributeDefinition:
    return AttributeDefinition(name, kind, value, (), False, False)


def _floats(defaults: Mapping[str, float]) -> list[AttributeDefinition]:
    return [_choice(name, AttributeType.FLOAT, str(value)) for name, value in defaults.items()]


def _vehicle_attributes(spec: VehicleSpec) -> list[AttributeDefinition]:
    string, boolean, integer = AttributeType.STRING, AttributeType.BOOL, AttributeType.INT
    attributes = [
        _choice("role_name", string, "autopilot", ("autopilot", "scenario", "ego_vehicle")),
        _choice("color", AttributeType.COLOUR, spec.colours[0], spec.colours),
        _choice("sticky_control", boolean, "true"),
        _choice("terramechanics", boolean, "false"),
        _fixed("object_type", string, ""),
        _fixed("number_of_wheels", integer, str(spec.number_of_wheels)),
        _fixed("generation", integer, str(spec.generation)),
        _fixed("base_type", string, spec.base_type),
        _fixed("special_type", string, spec.special_type),
        _fixed("has_lights", boolean, str(spec.has_lights).lower()),
        _fixed("has_dynamic_doors", boolean, "false"),
    ]
    if spec.number_of_wheels == 2:
        attributes.append(_choice("driver_id", integer, "1", ("1", "2", "3", "4")))
    return attributes


def _sensor_attributes(floats: Mapping[str, float]) -> list[AttributeDefinition]:
    roles = ("front", "back", "left", "right", "front_left", "front_right")
    return [
        _choice("role_name", AttributeType.STRING, "front", roles),
        *_floats({"sensor_tick": 0.0, **floats}),
    ]


def _camera_attributes(floats: Mapping[str, float]) -> list[AttributeDefinition]:
    attributes = [
        _choice("image_size_x", AttributeType.INT, "800"),
        _choice("image_size_y", AttributeType.INT, "600"),
        *_sensor_attributes({"fov": 90.0, **_LENS, **floats}),
    ]
    if floats:
        attributes += [
            _choice("enable_postprocess_effects", AttributeType.BOOL, "true"),
            _choice("exposure_mode", AttributeType.STRING, "histogram", ("histogram", "manual")),
            _choice("blade_count", AttributeType.INT, "5"),
        ]
    return attributes


def _unavailable_attributes(name: str) -> list[AttributeDefinition]:
    if name.startswith("sensor.camera."):
        return _camera_attributes({})
    if name.startswith("sensor.lidar."):
        counts = [
            _choice("channels", AttributeType.INT, "32"),
            _choice("points_per_second", AttributeType.INT, "56000"),
        ]
        return [*_sensor_attributes(_LIDAR), *counts]
    if name == "sensor.other.radar":
        return _sensor_attributes(_RADAR)
    return _sensor_attributes({}) if name.startswith("sensor.") else []
