from __future__ import annotations

import math

import numpy as np
import pytest
import shapely

from carla_saliency.server.nouns import Obstacle, ParkedCar, Tag, Transform
from carla_saliency.server.world.collisions import CollisionWorld, Contact
from carla_saliency.server.world.vehicle import VEHICLES, VehicleBody, VehicleControl

TESLA = VEHICLES["vehicle.tesla.model3"]
LENGTH, WIDTH = TESLA.extent[0], TESLA.extent[1]
WALL = Obstacle(x=20.0, y=0.0, yaw=90.0, half_length=5.0, half_width=0.5, tag=Tag.WALLS)


class Flat:
    def height(self, x: float, y: float, near_z: float | None = None) -> float:
        return 0.0


def car(
    x: float, y: float = 0.0, yaw: float = 0.0, vx: float = 0.0, vy: float = 0.0
) -> VehicleBody:
    body = VehicleBody(TESLA, Transform(x=x, y=y, yaw=yaw))
    body.set_velocity(vx, vy, 0.0)
    return body


def polygon(x: float, y: float, yaw: float, half_length: float, half_width: float):
    box = shapely.box(-half_length, -half_width, half_length, half_width)
    turned = shapely.affinity.rotate(box, yaw, origin=(0, 0))
    return shapely.affinity.translate(turned, x, y)


def test_overlap_agrees_with_shapely_on_random_boxes() -> None:
    rng = np.random.default_rng(3)
    obstacles = [
        Obstacle(*rng.uniform(-40, 40, 2), rng.uniform(-180, 180), *rng.uniform(0.2, 9, 2), 4)
        for _ in range(40)
    ]
    world = CollisionWorld(obstacles, [])
    shapes = shapely.union_all(
        [polygon(o.x, o.y, o.yaw, o.half_length, o.half_width) for o in obstacles]
    )
    answers = set()
    for _ in range(300):
        box = (*rng.uniform(-50, 50, 2), rng.uniform(-180, 180), *rng.uniform(0.2, 3, 2))
        expected = shapes.intersection(polygon(*box)).area > 1e-9
        assert world.overlaps(*box) == expected
        answers.add(expected)
    assert answers == {True, False}


def test_a_car_that_drives_into_a_wall_stops_before_it() -> None:
    world = CollisionWorld([WALL], [])
    body = car(15.0, vx=10.0)
    contacts: list[Contact] = []
    for _ in range(20):
        body.step(0.05, Flat())
        contacts += world.step({7: body})
    assert body.transform.x == pytest.approx(19.5 - LENGTH, abs=1.0)  # it bounced back
    assert body.transform.x <= 19.5 - LENGTH + 0.011
    assert abs(body.speed) < 1.1
    first = contacts[0]
    assert (first.actor_id, first.other_id, first.tag) == (7, None, Tag.WALLS)
    assert first.impulse[0] == pytest.approx(-1845 * 10 * 1.1, rel=0.02)
    assert first.impulse[1:] == pytest.approx((0, 0), abs=1e-6)


def test_a_car_that_goes_on_pushing_reports_a_contact_every_tick() -> None:
    world = CollisionWorld([WALL], [])
    body = car(16.0, vx=5.0)
    body.control = VehicleControl(throttle=0.5)
    counts = []
    for _ in range(60):
        body.step(0.05, Flat())
        counts.append(len(world.step({7: body})))
    assert counts[-20:] == [1] * 20
    assert body.transform.x == pytest.approx(19.5 - LENGTH, abs=0.05)


def test_a_car_that_rests_against_a_wall_reports_a_contact_every_tick() -> None:
    world = CollisionWorld([WALL], [])
    body = car(19.5 - LENGTH + 0.2)
    contacts = []
    for _ in range(5):
        body.step(0.05, Flat())
        contacts += world.step({7: body})
    assert len(contacts) == 5
    assert all(contact.impulse == (0, 0, 0) for contact in contacts)


def test_a_glancing_hit_slides_along_the_wall() -> None:
    wall = Obstacle(x=0.0, y=3.0, yaw=0.0, half_length=100.0, half_width=0.2, tag=Tag.WALLS)
    body = car(0.0, y=3 - 0.2 - WIDTH + 0.05, vx=10.0, vy=0.5)
    CollisionWorld([wall], []).step({1: body})
    assert body.velocity[0] == pytest.approx(10, abs=0.3)
    assert body.velocity[1] <= 0
    assert body.transform.y == pytest.approx(3 - 0.2 - WIDTH, abs=0.011)


def test_two_pieces_of_one_wall_push_once() -> None:
    pieces = [Obstacle(20.0, y, 90.0, 1.0, 0.5, Tag.WALLS) for y in (-1.0, 1.0)]
    body = car(19.5 - LENGTH + 0.3, vx=1.0)
    contacts = CollisionWorld(pieces, []).step({1: body})
    assert len(contacts) == 2
    assert body.transform.x == pytest.approx(19.5 - LENGTH + 0.01)


def test_two_cars_share_the_blow_and_keep_their_momentum() -> None:
    a, b = car(0.0, vx=8.0), car(2 * LENGTH - 0.2)
    contacts = CollisionWorld([], []).step({1: a, 2: b})
    assert [(c.actor_id, c.other_id, c.tag) for c in contacts] == [(1, 2, 14), (2, 1, 14)]
    assert np.add(contacts[0].impulse, contacts[1].impulse) == pytest.approx([0, 0, 0])
    assert a.velocity[0] + b.velocity[0] == pytest.approx(8)
    assert b.velocity[0] >= a.velocity[0]
    assert b.transform.x - a.transform.x == pytest.approx(2 * LENGTH - 0.01)


def test_the_lighter_car_moves_more() -> None:
    truck = VehicleBody(VEHICLES["vehicle.carlamotors.carlacola"], Transform())
    small = VehicleBody(
        VEHICLES["vehicle.nissan.micra"], Transform(x=truck.spec.extent[0] + 1.8167 - 0.5)
    )
    small.set_velocity(-10, 0, 0)
    before = small.transform.x
    contacts = CollisionWorld([], []).step({1: truck, 2: small})
    assert contacts[1].tag == Tag.TRUCK
    assert small.transform.x - before > 5 * abs(truck.transform.x)
    assert -3 < truck.velocity[0] < 0


def test_vehicles_on_different_storeys_do_not_touch() -> None:
    below, above = car(0.0), VehicleBody(TESLA, Transform(z=6.0))
    assert CollisionWorld([], []).step({1: below, 2: above}) == []


def test_a_parked_car_is_hit_like_an_obstacle_of_its_size() -> None:
    parked = ParkedCar("vehicle.carlamotors.carlacola", Transform(x=30.0, yaw=90.0))
    world = CollisionWorld([], [parked])
    half_width = VEHICLES[parked.blueprint].extent[1]
    assert world.overlaps(30 - half_width - LENGTH + 0.01, 0, 0, LENGTH, WIDTH)
    assert not world.overlaps(30 - half_width - LENGTH - 0.01, 0, 0, LENGTH, WIDTH)
    (contact,) = world.step({1: car(30 - half_width - LENGTH + 0.1)})
    assert contact.tag == Tag.TRUCK


def test_overlaps_sees_watched_vehicles_where_they_are_now_but_for_the_ignored() -> None:
    world = CollisionWorld([], [])
    bodies: dict[int, VehicleBody] = {}
    world.watch(bodies)
    assert not world.overlaps(0, 0, 0, 1, 1)
    bodies[5] = car(0.0)
    assert world.overlaps(0, 0, 0, 1, 1)
    assert not world.overlaps(0, 0, 0, 1, 1, ignore={5})
    bodies[5].set_transform(Transform(x=50))
    assert not world.overlaps(0, 0, 0, 1, 1)


def test_a_corner_hit_pushes_along_the_shallowest_axis() -> None:
    body = car(0.0, yaw=45.0)
    corner = (LENGTH + WIDTH) * math.sqrt(0.5)
    wall = Obstacle(corner + 0.5 - 0.1, 0.0, 90.0, 30.0, 0.5, Tag.BUILDINGS)
    CollisionWorld([wall], []).step({1: body})
    assert body.transform.x == pytest.approx(-0.09)
    assert body.transform.y == pytest.approx(0, abs=1e-9)


def test_an_empty_world_has_no_contacts() -> None:
    world = CollisionWorld([], [])
    assert world.step({}) == []
    assert world.step({1: car(0.0)}) == []
    assert not world.overlaps(0, 0, 0, 1, 1, ignore=[1])
