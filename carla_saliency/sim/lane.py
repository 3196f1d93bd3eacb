"""Where the car is on the road, and what the rules make of it: all that a session asks of the map.

A lane is legal if it is a driving lane of the car's own direction, or any lane of a path through a
junction that starts in the car's lane. So the car is not matched to the nearest lane of the map,
which in a junction is often one that crosses, but only to lanes that it can have come to.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from carla_saliency.core import DEAD_END_M, PUT_BACK_M, Car, LaneView, Pose
from carla_saliency.sim.ahead import gap_ahead, is_free
from carla_saliency.sim.facts import TickFacts, Verdict
from carla_saliency.sim.lane_box import LaneKeeping
from carla_saliency.sim.lane_hits import Hit, has_left, hits_on, legal_from, on_route
from carla_saliency.sim.lane_map import TURN_DEG, Lane, LaneKey, LaneMap, wrap_deg
from carla_saliency.sim.lane_places import LanePlace, spread_lane_poses
from carla_saliency.sim.referee import (
    COLLISION_AHEAD_M,
    Referee,
    Rescue,
    RescueWhen,
    Situation,
)
from carla_saliency.sim.route import DRAW_M, Crossing, Route

__all__ = ["LanePlace", "RoadSense", "spread_lane_poses"]

BEFORE_TURN_M = 8.0
AFTER_TURN_M = 2.0
"""The expert steers from so far before a junction lane that turns to so far behind it."""

_OFF_ROAD_M = 10.0  # further from every legal lane, nothing can be said about a lane
_FOUND_M = 10.0
_FOUND_AGAIN_M = 1.2  # a person who drove across the line is on the lane that they drive on
_LOST_BY_HAND_M = 1.5
_AT_END = 1 << 30  # as an index
_SOMEBODY_AHEAD_M = 10.0
_PUT_BACK_MPS = 15.0 / 3.6
_PUT_BACK_WITHIN_M = 40
_HEIGHT_M = (-0.1, 0.5)  # of the car's origin over the road


class RoadSense:
    """Follows one car over a map.

    Args:
        carla_map: A `carla.Map`; it answers without the server.
        car: The ego vehicle's size.
        seed: Draws the ways through junctions.
        delta_s: Length of a tick.
        junctions: Who steers through turning junctions.
        rescue: When the car is put back.
    """

    def __init__(
        self,
        carla_map: Any,
        car: Car,
        seed: int,
        delta_s: float,
        junctions: Literal["expert", "network"] = "expert",
        rescue: RescueWhen = "at once",
    ) -> None:
        self._map = LaneMap(carla_map)
        self._car = car
        self._rng = np.random.default_rng(seed)
        self._for_expert = junctions == "expert"
        self._referee = Referee(delta_s, rescue)
        self._never_put_back = rescue == "never"
        self._later = Rescue.NONE
        self._facts: TickFacts | None = None
        self._keeping = LaneKeeping(self._map, car)
        self._legal: dict[LaneKey, list[tuple[Lane, bool]]] = {}
        self._route: Route | None = None
        self._at_m = 0.0
        self._strayed_m = -math.inf  # nobody drew the way through a junction that begins before
        self._last_legal: tuple[Lane, float] | None = None
        self._height_m = 0.0

    def place(self, pose: Pose) -> None:
        """Forget what led here and find the lane anew: the car was teleported."""
        self._referee.forget()
        self._route = self._last_legal = None
        self._later = Rescue.NONE
        self._find(pose, _FOUND_M)

    def observe(self, facts: TickFacts) -> Verdict:
        """Return where the car is, what happened in this tick, and where it must be put, if so."""
        if self._route is None:
            self._find(facts.pose, _FOUND_M)
        best = self._match(facts.pose)
        strays = self._never_put_back or facts.driver in ("manual", "autopilot", "owner")
        if strays and (best is None or best.distance_m > _LOST_BY_HAND_M):
            # a person may turn round; what they drive on then is their own direction
            found = self._find(facts.pose, _FOUND_AGAIN_M)
            best = self._match(facts.pose) if found else best
        lane = None
        if best is not None and self._route is not None:
            lane = self._view(facts, best, self._route)
        ruling = self._referee.judge(facts, self._situation(facts, best, lane))
        self._facts = facts
        if ruling.later is not Rescue.NONE:
            self._later = ruling.later
        if ruling.rescue is Rescue.NONE:
            return Verdict(lane, ruling.events)
        return Verdict(lane, ruling.events, *self._rescue(facts, ruling.rescue))

    def put_back(self) -> tuple[Pose, float] | None:
        """Return where the car of the last held intervention is put, and its speed in m/s.

        None if there was none since it was last put somewhere.
        """
        if self._later is Rescue.NONE or self._facts is None:
            return None
        pose, speed_mps = self._rescue(self._facts, self._later)
        self._referee.was_put_back(self._facts.sim_s)
        return None if pose is None else (pose, speed_mps)

    def on_road(self, pose: Pose) -> Pose:
        """Return a pose as high over its lane as the car stands."""
        found = self._map.nearest(pose, _FOUND_M)
        if found is None:
            return pose
        lane, on_lane_m = found
        return replace(pose, z_m=lane.pose(on_lane_m).z_m + self._height_m)

    def _rescue(self, facts: TickFacts, how: Rescue) -> tuple[Pose | None, float]:
        self._later = Rescue.NONE
        least_m = COLLISION_AHEAD_M if how is Rescue.AHEAD else 0.0
        speed_mps = min(max(facts.speed_mps, 0.0), _PUT_BACK_MPS)
        return self._put_back(facts, least_m), speed_mps

    # -------------------------------------------------------------- matching

    def _find(self, pose: Pose, reach_m: float) -> bool:
        found = self._map.nearest(pose, reach_m)
        if found is not None:
            lane, on_lane_m = found
            self._set(Route(self._map, lane, self._draw), on_lane_m)
            self._keeping.forget()
        return found is not None

    def _set(self, route: Route, at_m: float, road: Lane | None = None) -> None:
        """Take a route; in a junction, `road` is the lane before it if the route has none."""
        self._route, self._at_m, self._strayed_m = route, at_m, -math.inf
        self._road = route.road_before(at_m)
        if self._road.in_junction and road is not None:
            self._road = road
        lane, on_lane_m = route.lane_at(at_m)
        is_there = self._road is lane
        self._index = int(np.searchsorted(lane.station_m, on_lane_m)) if is_there else _AT_END
        route.advance(at_m)

    def _draw(self, following: tuple[Lane, ...]) -> Lane:
        return following[int(self._rng.integers(len(following)))]

    def _match(self, pose: Pose) -> Hit | None:
        """Return the nearest legal lane, and move along the route, or to another one."""
        if self._route is None:
            return None
        hits = self._hits(pose)
        best = min(hits, key=lambda hit: hit.distance_m)
        if best.distance_m > _OFF_ROAD_M:
            return None
        current = on_route(self._route, hits, self._at_m)
        if current is None or has_left(current[0], best):
            self._set(Route(self._map, best.lane, self._draw), best.station_m, self._road)
            self._strayed_m = best.station_m if best.lane.in_junction else -math.inf
            current = best, best.station_m
        hit, self._at_m = current
        if not hit.lane.in_junction or hit.lane is self._road:
            self._road, self._index = hit.lane, hit.index
        else:
            self._index = _AT_END
        self._route.advance(self._at_m)
        if best.distance_m <= PUT_BACK_M:
            self._last_legal = best.lane, best.station_m
            height_m = pose.z_m - best.lane.pose(best.station_m).z_m
            self._height_m = min(max(height_m, _HEIGHT_M[0]), _HEIGHT_M[1])
        return best

    def _hits(self, pose: Pose) -> list[Hit]:
        if self._road.key not in self._legal:
            self._legal[self._road.key] = legal_from(self._map, self._road)
        return hits_on(self._legal[self._road.key], self._road, self._index, pose)

    # -------------------------------------------------------------- what is seen

    def _view(self, facts: TickFacts, best: Hit, route: Route) -> LaneView:
        lane, pose = best.lane, facts.pose
        path, curvature = route.ahead(self._at_m)
        width_m = float(np.interp(best.station_m, lane.station_m, lane.width_m))
        yaw_deg = float(np.interp(best.station_m, lane.station_m, lane.yaw_deg))
        path_yaw_deg = route.yaw_deg(self._at_m + np.arange(float(len(path))))
        gap_m, ahead_mps = gap_ahead(facts.others, path, path_yaw_deg, width_m, self._car)
        turn = self._turn(route)
        is_near = turn is not None and turn.begin_m - BEFORE_TURN_M <= self._at_m
        return LaneView(
            offset_m=math.copysign(best.distance_m, best.lateral_m),
            heading_error_deg=wrap_deg(pose.yaw_deg - yaw_deg),
            width_m=width_m,
            in_junction=lane.in_junction,
            path=path,
            path_curvature=curvature,
            expert_must_steer=is_near and self._for_expert,
            turn_ahead=None if turn is None else ("left" if turn.turn_deg < 0 else "right"),
            gap_m=gap_m,
            ahead_speed_mps=ahead_mps,
            stop_in_m=self._stop_in_m(route, facts),
        )

    def _turn(self, route: Route) -> Crossing | None:
        """Return the turn that the car comes to, is in, or has just left."""
        for crossing in route.crossings:
            was_drawn = crossing.begin_m > self._strayed_m
            is_turn = was_drawn and abs(crossing.turn_deg) > TURN_DEG
            if is_turn and self._at_m <= crossing.end_m + AFTER_TURN_M:
                return crossing if crossing.begin_m - self._at_m <= DRAW_M else None
        return None

    def _stop_in_m(self, route: Route, facts: TickFacts) -> float | None:
        """Return how far the front bumper is from where a red light holds; None in a junction."""
        for crossing in route.crossings:
            if crossing.end_m < self._at_m:
                continue
            if crossing.begin_m < self._at_m or not (facts.red_light_ahead and facts.obey_lights):
                return None
            return max(0.0, crossing.begin_m - self._at_m - self._car.length_m / 2)
        return None

    # -------------------------------------------------------------- what the rules need

    def _situation(self, facts: TickFacts, best: Hit | None, lane: LaneView | None) -> Situation:
        if best is None or lane is None:
            return Situation(math.inf)
        over_m, fully_inside = self._keeping.look(facts.pose, best.lane, best.station_m)
        is_blocked = lane.gap_m is not None and lane.gap_m < _SOMEBODY_AHEAD_M
        return Situation(
            offset_m=lane.offset_m,
            over_edge_m=over_m,
            fully_inside=fully_inside,
            may_stand=is_blocked
            or (facts.red_light_ahead and facts.obey_lights)
            or len(lane.path) < DEAD_END_M,
            for_expert=lane.expert_must_steer,
        )

    def _put_back(self, facts: TickFacts, least_m: float) -> Pose | None:
        """Return the nearest free place on the lane that the car last legally was in."""
        lane_place = self._last_legal or self._map.nearest(facts.pose, math.inf)
        if lane_place is None:
            return None
        route, at_m = self._route, None
        if route is not None:
            at_m = route.station(*lane_place, self._at_m)
        if route is None or at_m is None:
            route, at_m = Route(self._map, lane_place[0], self._draw), lane_place[1]
        route.advance(at_m)
        steps = np.arange(_PUT_BACK_WITHIN_M + 1.0)
        steps = least_m + steps if least_m else np.stack([steps, -steps], axis=1).ravel()
        stations = [s for s in at_m + steps if route.begin_m <= s <= route.end_m]
        places = [(float(s), route.pose(float(s))) for s in stations or [route.end_m]]
        free = (place for place in places if is_free(place[1], self._car, facts.others))
        station_m, pose = next(free, places[0])
        self._set(route, station_m, None if self._route is None else self._road)
        self._keeping.forget()
        self._last_legal = route.lane_at(station_m)
        return replace(pose, z_m=pose.z_m + self._height_m)
