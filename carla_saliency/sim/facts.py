"""What one tick tells the road sense, in plain numbers; no `carla` here."""

from __future__ import annotations

from dataclasses import dataclass

from carla_saliency.core import Driver, Event, LaneView, Pose


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another vehicle or walker.

    Attributes:
        pose: Of its box's centre.
        speed_mps: Along its heading.
        half_length_m: Of its box.
        half_width_m: Of its box.
    """

    pose: Pose
    speed_mps: float
    half_length_m: float
    half_width_m: float


@dataclass(frozen=True, slots=True)
class TickFacts:
    """What happened in one tick.

    Attributes:
        frame_id: The tick.
        sim_s: Simulated seconds at it.
        pose: Of the ego vehicle's origin.
        speed_mps: Along the car.
        driver: Who steered during the tick that led here.
        collided: The collision sensor reported a contact in this tick.
        others: Every vehicle and walker but the ego vehicle, within some 60 m.
        red_light_ahead: The traffic light that holds for the car is red or yellow.
        obey_lights: Whether red lights are obeyed.
    """

    frame_id: int
    sim_s: float
    pose: Pose
    speed_mps: float
    driver: Driver
    collided: bool = False
    others: tuple[Neighbour, ...] = ()
    red_light_ahead: bool = False
    obey_lights: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the road sense makes of it.

    Attributes:
        lane: See `LaneView`; None off every road.
        events: Departures, collisions, interventions of this tick.
        put_back: Where the car must be put after an intervention, with `put_back_speed_mps`.
        put_back_speed_mps: At most 15 km/h.
    """

    lane: LaneView | None
    events: tuple[Event, ...] = ()
    put_back: Pose | None = None
    put_back_speed_mps: float = 0.0
