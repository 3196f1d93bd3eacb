"""The vehicles of the blueprint library: sizes, axles, masses, engines.

Ids, bounding boxes, masses and steering follow what CARLA 0.9.16 reports for the same ids, as far
as that is known; wheelbases, tracks and top speeds are those of the real vehicles.
"""

from __future__ import annotations

from dataclasses import dataclass

from carla_saliency.server.nouns import Tag

STEERING_CURVE = ((0.0, 1.0), (20.0, 0.9), (60.0, 0.8), (120.0, 0.7))  # CARLA's default

_TAGS = {
    "car": Tag.CAR,
    "van": Tag.CAR,
    "truck": Tag.TRUCK,
    "bus": Tag.BUS,
    "motorcycle": Tag.MOTORCYCLE,
    "bicycle": Tag.BICYCLE,
}
_PALETTE = ("180,180,180", "20,20,22", "235,235,235", "150,16,20", "16,40,110", "88,96,104")


@dataclass(frozen=True, slots=True)
class VehicleSpec:
    """What one blueprint is. The origin is on the ground below the middle of the box.

    Attributes:
        blueprint: For example "vehicle.tesla.model3".
        extent: Half sizes of the box (x, y, z), metres.
        front_axle_x: Metres from the origin, forward.
        wheelbase: Metres between the axles.
        track: Metres between left and right wheel; 0 for two-wheelers.
        mass: Kilograms.
        wheel_radius_cm: Centimetres, as on the wire.
        max_steer_deg: Of the front wheels at steering 1, before the steering curve.
        steering_curve: (km/h, factor) pairs, rising.
        max_speed_kmh: At full throttle on the flat.
        max_acceleration: At full throttle from standing, m/s2.
        drag_coefficient: Of the air.
        number_of_wheels: 2 or 4.
        base_type: "car", "van", "truck", "bus", "motorcycle" or "bicycle".
        generation: Of CARLA's model, 1 or 2.
        special_type: "", "electric", "taxi" or "emergency".
        has_lights: It can switch lights.
        colours: Recommended paints, "r,g,b".
    """

    blueprint: str
    extent: tuple[float, float, float]
    front_axle_x: float
    wheelbase: float
    track: float
    mass: float
    wheel_radius_cm: float = 34.0
    max_steer_deg: float = 70.0
    steering_curve: tuple[tuple[float, float], ...] = STEERING_CURVE
    max_speed_kmh: float = 180.0
    max_acceleration: float = 3.5
    drag_coefficient: float = 0.3
    number_of_wheels: int = 4
    base_type: str = "car"
    generation: int = 2
    special_type: str = ""
    has_lights: bool = True
    colours: tuple[str, ...] = _PALETTE

    @property
    def box_z(self) -> float:
        """Height of the box's centre above the ground, metres."""
        return self.extent[2]

    @property
    def rear_axle_x(self) -> float:
        """Metres from the origin, negative: behind it."""
        return self.front_axle_x - self.wheelbase

    @property
    def tag(self) -> int:
        """Semantic tag of its pixels and contacts."""
        return _TAGS[self.base_type]


_SPECS = (
    VehicleSpec(
        blueprint="vehicle.tesla.model3",
        extent=(2.3958, 1.0818, 0.7441),
        front_axle_x=1.47,
        wheelbase=2.87,
        track=1.58,
        mass=1845,
        wheel_radius_cm=37,
        max_acceleration=4.0,
        special_type="electric",
        colours=("180,44,44", "17,37,103", "236,236,236", "24,24,26", "137,141,146"),
    ),
    VehicleSpec(
        blueprint="vehicle.lincoln.mkz_2020",
        extent=(2.4462, 0.9184, 0.7439),
        front_axle_x=1.45,
        wheelbase=2.85,
        track=1.58,
        mass=2404,
        wheel_radius_cm=36,
        max_speed_kmh=200,
    ),
    VehicleSpec(
        blueprint="vehicle.lincoln.mkz_2017",
        extent=(2.4508, 1.0642, 0.7554),
        front_axle_x=1.45,
        wheelbase=2.85,
        track=1.58,
        mass=2090,
        wheel_radius_cm=36,
        generation=1,
        max_speed_kmh=200,
    ),
    VehicleSpec(
        blueprint="vehicle.audi.tt",
        extent=(2.0906, 0.9971, 0.6926),
        front_axle_x=1.27,
        wheelbase=2.50,
        track=1.57,
        mass=1430,
        generation=1,
        max_speed_kmh=230,
        max_acceleration=4.5,
    ),
    VehicleSpec(
        blueprint="vehicle.audi.a2",
        extent=(1.8527, 0.8947, 0.7740),
        front_axle_x=1.15,
        wheelbase=2.40,
        track=1.45,
        mass=1130,
        generation=1,
    ),
    VehicleSpec(
        blueprint="vehicle.audi.etron",
        extent=(2.4279, 1.0164, 0.8247),
        front_axle_x=1.50,
        wheelbase=2.93,
        track=1.65,
        mass=2490,
        wheel_radius_cm=38,
        generation=1,
        special_type="electric",
    ),
    VehicleSpec(
        blueprint="vehicle.mini.cooper_s",
        extent=(1.9029, 0.9852, 0.7375),
        front_axle_x=1.25,
        wheelbase=2.47,
        track=1.46,
        mass=1170,
        wheel_radius_cm=31,
        generation=1,
        max_speed_kmh=215,
    ),
    VehicleSpec(
        blueprint="vehicle.ford.mustang",
        extent=(2.3587, 0.9473, 0.6509),
        front_axle_x=1.40,
        wheelbase=2.74,
        track=1.45,
        mass=1600,
        generation=1,
        max_speed_kmh=210,
        max_acceleration=4.5,
    ),
    VehicleSpec(
        blueprint="vehicle.mercedes.coupe",
        extent=(2.5134, 1.0757, 0.8253),
        front_axle_x=1.50,
        wheelbase=2.87,
        track=1.60,
        mass=1900,
        wheel_radius_cm=36,
        generation=1,
        max_speed_kmh=230,
    ),
    VehicleSpec(
        blueprint="vehicle.nissan.micra",
        extent=(1.8167, 0.9226, 0.7506),
        front_axle_x=1.15,
        wheelbase=2.45,
        track=1.47,
        mass=1000,
        wheel_radius_cm=30,
        generation=1,
        max_speed_kmh=165,
        max_acceleration=3.0,
    ),
    VehicleSpec(
        blueprint="vehicle.toyota.prius",
        extent=(2.2567, 1.0034, 0.7624),
        front_axle_x=1.33,
        wheelbase=2.70,
        track=1.53,
        mass=1375,
        generation=1,
        special_type="electric",
    ),
    VehicleSpec(
        blueprint="vehicle.bmw.grandtourer",
        extent=(2.3056, 1.1207, 0.8336),
        front_axle_x=1.38,
        wheelbase=2.78,
        track=1.56,
        mass=1540,
        generation=1,
    ),
    VehicleSpec(
        blueprint="vehicle.dodge.charger_2020",
        extent=(2.5030, 1.0486, 0.7665),
        front_axle_x=1.60,
        wheelbase=3.05,
        track=1.61,
        mass=1900,
        wheel_radius_cm=36,
        max_speed_kmh=240,
        max_acceleration=4.5,
    ),
    VehicleSpec(
        blueprint="vehicle.seat.leon",
        extent=(2.0964, 0.9085, 0.7369),
        front_axle_x=1.27,
        wheelbase=2.58,
        track=1.52,
        mass=1320,
        generation=1,
        max_speed_kmh=200,
    ),
    VehicleSpec(
        blueprint="vehicle.jeep.wrangler_rubicon",
        extent=(1.9331, 0.9526, 0.9390),
        front_axle_x=1.25,
        wheelbase=2.42,
        track=1.57,
        mass=1850,
        wheel_radius_cm=40,
        generation=1,
        max_speed_kmh=170,
        drag_coefficient=0.45,
    ),
    VehicleSpec(
        blueprint="vehicle.volkswagen.t2",
        extent=(2.2402, 1.0347, 1.0188),
        front_axle_x=1.20,
        wheelbase=2.40,
        track=1.40,
        mass=1300,
        base_type="van",
        generation=1,
        max_speed_kmh=130,
        max_acceleration=2.0,
        drag_coefficient=0.45,
    ),
    VehicleSpec(
        blueprint="vehicle.mercedes.sprinter",
        extent=(2.9575, 0.9943, 1.2810),
        front_axle_x=1.90,
        wheelbase=3.67,
        track=1.72,
        mass=2400,
        wheel_radius_cm=35,
        base_type="van",
        max_speed_kmh=160,
        max_acceleration=2.5,
        drag_coefficient=0.38,
    ),
    VehicleSpec(
        blueprint="vehicle.carlamotors.carlacola",
        extent=(2.6019, 1.3134, 1.2339),
        front_axle_x=1.60,
        wheelbase=3.10,
        track=1.90,
        mass=5500,
        wheel_radius_cm=45,
        base_type="truck",
        generation=1,
        max_speed_kmh=120,
        max_acceleration=1.8,
        drag_coefficient=0.6,
        colours=("200,30,30",),
    ),
    VehicleSpec(
        blueprint="vehicle.vespa.zx125",
        extent=(0.9023, 0.4355, 0.6190),
        front_axle_x=0.62,
        wheelbase=1.27,
        track=0,
        mass=200,
        wheel_radius_cm=23,
        number_of_wheels=2,
        base_type="motorcycle",
        generation=1,
        max_speed_kmh=95,
        max_acceleration=3.0,
        drag_coefficient=0.7,
    ),
    VehicleSpec(
        blueprint="vehicle.bh.crossbike",
        extent=(0.7436, 0.4296, 0.5398),
        front_axle_x=0.52,
        wheelbase=1.07,
        track=0,
        mass=95,
        wheel_radius_cm=35,
        number_of_wheels=2,
        base_type="bicycle",
        generation=1,
        has_lights=False,
        max_speed_kmh=40,
        max_acceleration=1.5,
        drag_coefficient=0.9,
    ),
)

VEHICLES: dict[str, VehicleSpec] = {spec.blueprint: spec for spec in _SPECS}
