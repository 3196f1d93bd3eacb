from __future__ import annotations

import math
from dataclasses import replace

import pytest

from carla_saliency.errors import BadInputError
from carla_saliency.server.nouns import Transform
from carla_saliency.server.wire.structs import (
    AckermannControl,
    AckermannSettings,
    ActorDescription,
    LightState,
)
from carla_saliency.server.world import motion
from carla_saliency.server.world.actors import TOMBSTONES, Actor, Actors, Vehicle
from carla_saliency.server.world.collisions import CollisionWorld
from carla_saliency.server.world.handling import Handling
from carla_saliency.server.world.vehicle import VEHICLES, VehicleControl

SPEC = VEHICLES["vehicle.tesla.model3"]
DESCRIPTION = ActorDescription(1, SPEC.blueprint, ())


class Flat:
    def height(self, x: float, y: float, near_z: float | None = None) -> float:
        return 0.0


@pytest.fixture
def actors() -> Actors:
    actors = Actors()
    actors.add(Vehicle(actors.next_id(), DESCRIPTION, Transform(), SPEC, (0, 0, 0)))
    return actors


@pytest.fixture
def do(actors: Actors) -> Handling:
    return Handling(actors)


def run(actors: Actors, ticks: int, delta_s: float = 0.05) -> None:
    vehicles = actors.vehicles()
    bodies = {number: vehicle.body for number, vehicle in vehicles.items()}
    for _ in range(ticks):
        motion.move(vehicles, bodies, CollisionWorld((), ()), Flat(), delta_s)


def test_a_control_out_of_range_is_cut(actors: Actors, do: Handling) -> None:
    do.apply_control(1, VehicleControl(5.0, -3.0, -1.0, gear=1 << 40))
    control = actors.vehicle(1).body.control
    assert (control.throttle, control.steer, control.brake) == (1.0, -1.0, 0.0)
    assert control.gear == 20


def test_an_impulse_changes_the_velocity_by_its_share_of_the_mass(
    actors: Actors, do: Handling
) -> None:
    run(actors, 1)
    do.add_impulse(1, (SPEC.mass * 3.0, 0.0, 0.0))
    do.add_impulse(1, (SPEC.mass * 2.0, 0.0, 0.0))
    run(actors, 1)
    assert actors.vehicle(1).body.velocity[0] == pytest.approx(5.0, abs=0.1)
    assert actors.vehicle(1).impulse == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("delta_s", [0.05, 0.5])
def test_a_force_acts_for_one_tick_whatever_its_length(
    actors: Actors, do: Handling, delta_s: float
) -> None:
    do.add_force(1, (SPEC.mass * 20.0, 0.0, 0.0))
    run(actors, 1, delta_s)
    fast = actors.vehicle(1).body.velocity[0]
    assert fast == pytest.approx(20.0 * delta_s, rel=0.1)
    run(actors, 1, delta_s)
    assert actors.vehicle(1).body.velocity[0] < fast


def test_a_speed_that_no_car_has_is_refused(do: Handling) -> None:
    with pytest.raises(BadInputError, match="<= 1000 m/s"):
        do.set_velocity(1, (1e6, 0.0, 0.0))


def test_physics_that_nothing_can_move_by_is_refused(do: Handling) -> None:
    physics = do.physics(1)
    for wrong in (replace(physics, mass=0.0), replace(physics, wheels=physics.wheels[:3])):
        with pytest.raises(BadInputError):
            do.set_physics(1, wrong)
    assert do.physics(1).mass == SPEC.mass


def test_lights_and_gains_come_back_as_they_were_set(do: Handling) -> None:
    do.set_lights(1, LightState(2 | 8))
    assert do.lights(1) == LightState(10)
    assert do.all_lights() == [(1, 10)]
    gains = AckermannSettings(speed_kp=0.3)
    do.set_ackermann_settings(1, gains)
    assert do.ackermann_settings(1) == gains


def test_wheels_in_front_turn_right_with_positive_steering(actors: Actors, do: Handling) -> None:
    do.apply_control(1, VehicleControl(steer=0.5))
    run(actors, 40)
    assert do.wheel_angle(1, 0) == pytest.approx(35.0, abs=0.5)
    assert do.wheel_angle(1, 2) == 0.0


def test_telemetry_says_what_the_wheels_do(actors: Actors, do: Handling) -> None:
    do.set_velocity(1, (10.0, 0.0, 0.0))
    telemetry = do.telemetry(1)
    assert telemetry.speed == pytest.approx(10.0)
    assert len(telemetry.wheels) == 4
    assert telemetry.wheels[0].omega == pytest.approx(10.0 / (SPEC.wheel_radius_cm / 100))
    load = sum(wheel.tire_load for wheel in telemetry.wheels)
    assert load == pytest.approx(SPEC.mass * 9.81)


@pytest.mark.parametrize("speed", [8.0, -3.0])
def test_ackermann_reaches_a_speed_and_an_angle(actors: Actors, do: Handling, speed: float) -> None:
    do.apply_ackermann(1, AckermannControl(math.radians(7.0), 0.0, speed, 0.0, 0.0))
    run(actors, 200)
    body = actors.vehicle(1).body
    assert body.speed == pytest.approx(speed, rel=0.15)
    assert body.control.steer == pytest.approx(0.1)
    do.apply_ackermann(1, AckermannControl(0.0, 0.0, 0.0, 0.0, 0.0))
    run(actors, 200)
    assert body.speed == 0.0


def test_a_control_ends_ackermann(actors: Actors, do: Handling) -> None:
    do.apply_ackermann(1, AckermannControl(0.0, 0.0, 10.0, 0.0, 0.0))
    do.apply_control(1, VehicleControl(brake=1.0))
    run(actors, 20)
    assert actors.vehicle(1).body.speed == 0.0


def test_what_is_not_simulated_is_not_moved_even_by_a_crash(actors: Actors, do: Handling) -> None:
    place = Transform(x=10.0)
    actors.add(Vehicle(actors.next_id(), DESCRIPTION, place, SPEC, (0, 0, 0)))
    do.set_simulated(2, False)
    do.set_velocity(1, (20.0, 0.0, 0.0))
    run(actors, 40)
    assert actors.vehicle(2).pose == place
    assert actors.vehicle(1).body.speed < 1.0


def test_a_moved_vehicle_keeps_its_velocity(actors: Actors, do: Handling) -> None:
    do.set_velocity(1, (3.0, 0.0, 0.0))
    actors.get(1).place(Transform(x=100.0))
    assert actors.vehicle(1).body.velocity == (3.0, 0.0, 0.0)


def test_what_is_no_vehicle_is_refused(actors: Actors, do: Handling) -> None:
    actors.add(Actor(actors.next_id(), ActorDescription(1, "spectator", ()), Transform()))
    with pytest.raises(BadInputError, match="must be a vehicle, it is spectator"):
        do.apply_control(2, VehicleControl())
    with pytest.raises(BadInputError, match="unable to find actor 3"):
        do.physics(3)
    do.set_simulated(2, True)


def test_boxes_of_the_dead_are_kept_but_not_without_limit(actors: Actors) -> None:
    box = actors.get(1).box
    actors.remove(1)
    assert actors.box(1) == box
    for _ in range(TOMBSTONES):
        actors.add(Actor(actors.next_id(), DESCRIPTION, Transform()))
        actors.clear()
    with pytest.raises(BadInputError):
        actors.box(1)


def test_there_is_a_limit_to_the_number_of_actors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carla_saliency.server.world.actors.MAX_ACTORS", 2)
    actors = Actors()
    for _ in range(2):
        actors.add(Actor(actors.next_id(), DESCRIPTION, Transform()))
    with pytest.raises(BadInputError, match="at most 2 actors"):
        actors.next_id()
