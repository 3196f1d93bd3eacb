"""The expert: pure pursuit along the lane's centre, from privileged knowledge of the road.

R. C. Coulter, "Implementation of the Pure Pursuit Path Tracking Algorithm", CMU-RI-TR-92-01 (1992):
the arc from the rear axle, tangent to the car, that meets the path a look-ahead away.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Car, Control, Decision, LaneView, Observation, Pose
from carla_saliency.pilot.speed import SpeedControl

Points = NDArray[np.float64]

OFF_ROAD = "off the road: braking"

_SHORTEST_M = 4.5
_LOOK_AHEAD_S = 0.8  # 5.5 m at 25 km/h; 7.5 m there cuts corners: 0.05 m mean error, not 0.02 m


def expert_wheel_deg(pose: Pose, speed_mps: float, lane: LaneView, car: Car) -> float:
    """Return the angle of the front wheels that leads the car onto the centre of its path.

    Args:
        pose: Of the car's origin.
        speed_mps: Of the car.
        lane: Its path.
        car: Where its axles are.

    Returns:
        Degrees, right positive, in (-90, 90); more than the car can turn them, perhaps.
    """
    yaw = math.radians(pose.yaw_deg)
    forward, right = np.array([math.cos(yaw), math.sin(yaw)]), (-math.sin(yaw), math.cos(yaw))
    rear = np.array([pose.x_m, pose.y_m]) + car.rear_axle_m * forward
    to_path = lane.path.astype(np.float64) - rear
    target = _at_distance(to_path, max(_SHORTEST_M, _LOOK_AHEAD_S * abs(speed_mps)))
    distance2 = float(target @ target)
    if distance2 < 1e-6:  # at the very end of the path
        return 0.0
    curvature = 2.0 * float(target @ right) / distance2
    return math.degrees(math.atan(car.wheelbase_m * curvature))


def expert_steering(pose: Pose, speed_mps: float, lane: LaneView | None, car: Car) -> float | None:
    """Return the steering that turns the wheels by the expert's angle at this speed.

    Args:
        pose: Of the car's origin.
        speed_mps: Of the car.
        lane: Its path; None off the road.
        car: Its axles, wheels and steering curve.

    Returns:
        In [-1, 1], left negative; None off the road.
    """
    if lane is None:
        return None
    wheel_deg = expert_wheel_deg(pose, speed_mps, lane, car)
    steering = wheel_deg / car.max_steer_deg / car.steering_factor(speed_mps)
    return min(max(steering, -1.0), 1.0)


class ExpertPilot:
    """Drives by the map alone, at a set speed.

    Args:
        car: The live one.
        speed: Works the pedals.
    """

    def __init__(self, car: Car, speed: SpeedControl) -> None:
        self._car = car
        self._speed = speed

    def decide(self, observation: Observation) -> Decision:
        """Return the expert's control; off the road it brakes."""
        steering = expert_steering(
            observation.pose, observation.speed_mps, observation.lane, self._car
        )
        pedals = self._speed.pedals(
            observation.speed_mps, observation.lane, observation.frame.sim_s
        )
        return Decision(
            control=Control(steering or 0.0, pedals.throttle, pedals.brake),
            driver="expert",
            explanation=None,
            expert_steering=steering,
            notice="" if observation.lane else OFF_ROAD,
        )


def _at_distance(points: Points, distance_m: float) -> Points:
    """Return where a path first is so far from the origin; its last point if it never is."""
    distances = np.hypot(points[:, 0], points[:, 1])
    beyond = np.flatnonzero(distances >= distance_m)
    i = float(beyond[0]) if len(beyond) else float(len(points) - 1)
    if i == 0:  # the path begins further away than that, beside the car: come back to it gently
        i = math.ceil(distance_m)
    elif len(beyond):
        last, first = distances[int(i) - 1], distances[int(i)]
        i -= (first - distance_m) / (first - last)
    indices = np.arange(len(points))
    return np.array([np.interp(i, indices, points[:, 0]), np.interp(i, indices, points[:, 1])])
