"""Walls, guard rails, hedges and fences along a road."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from carla_saliency.server.nouns import Tag
from carla_saliency.server.scene import style
from carla_saliency.server.scene.ground import Edge
from carla_saliency.server.scene.mesh import QUAD, Floats
from carla_saliency.server.scene.site import Site

if TYPE_CHECKING:
    from carla_saliency.server.scene.dressing import Dressing

STEP_M = 3.0
SHORTEST_M = 12.0
POST_GAP_M = 4.0


@dataclass(frozen=True, slots=True)
class BarrierPlan:
    """How one barrier is built.

    Attributes:
        kind: What it is.
        away_m: From the road's edge to its near face.
        low_m: Foot of its face (a guard rail's beam hangs on posts).
        high_m: Top.
        thick_m: Across.
        layer: Texture.
        tint: Factor on the texture.
        tag: Semantic tag.
    """

    kind: style.Barrier
    away_m: float
    low_m: float
    high_m: float
    thick_m: float
    layer: int
    tint: tuple[float, float, float]
    tag: int

    @staticmethod
    def draw(side: style.SideLook, rng: np.random.Generator) -> BarrierPlan | None:
        """Draw the sizes of the barrier that a side asks for; None if it asks for none."""
        if side.barrier == "none":
            return None
        shade = float(rng.uniform(0.8, 1.12))
        grey = (shade, shade, shade)
        u = float(rng.random())
        away = side.barrier_m
        stone = style.CONCRETE if u < 0.5 else style.STONE
        if side.barrier == "wall":
            return BarrierPlan("wall", away, -0.3, 0.8 + 1.4 * u, 0.25, stone, grey, Tag.WALLS)
        if side.barrier == "brick":
            return BarrierPlan(
                "brick", away, -0.3, 1.0 + 1.3 * u, 0.24, style.BRICK, grey, Tag.WALLS
            )
        if side.barrier == "hedge":
            return BarrierPlan("hedge", away, -0.3, 0.9 + u, 0.8, style.HEDGE, grey, Tag.VEGETATION)
        if side.barrier == "fence":
            return BarrierPlan(
                "fence", away, -0.2, 1.0 + 0.7 * u, 0.06, style.PLANKS, grey, Tag.FENCES
            )
        if side.barrier == "jersey":
            return BarrierPlan("jersey", away, -0.2, 0.81, 0.35, style.CONCRETE, grey, Tag.WALLS)
        steel = (0.62 * shade, 0.64 * shade, 0.66 * shade)
        return BarrierPlan("rail", away, 0.42, 0.75, 0.08, style.PLAIN, steel, Tag.GUARD_RAIL)


def add_barrier(made: Dressing, plan: BarrierPlan, edge: Edge, site: Site) -> None:
    """Build a barrier along an edge wherever there is room for it."""
    points, outward = _resample(edge)
    near = points[:, :2] + outward * plan.away_m
    far = near + outward * plan.thick_m
    # On the inside of a bend, or by another road, the offset line comes too close: leave it out.
    free = np.minimum(site.distance(near), site.distance(far)) > plan.away_m - 0.3 - 2 * site.cell_m
    pieces = np.flatnonzero(free[:-1] & free[1:])
    quads = {int(i): np.array([near[i], near[i + 1], far[i + 1], far[i]]) for i in pieces}
    for run in _runs([i for i, quad in quads.items() if site.is_free(quad, gap_m=0.3)]):
        if len(run) * STEP_M < SHORTEST_M:
            continue
        for piece in run:
            site.claim(quads[piece])
        index = np.append(run, run[-1] + 1)
        _build(made, plan, near[index], far[index], points[index, 2])


def _resample(edge: Edge) -> tuple[Floats, Floats]:
    length = np.concatenate(
        [[0.0], np.cumsum(np.linalg.norm(np.diff(edge.points[:, :2], axis=0), axis=1))]
    )
    at = np.linspace(0, length[-1], max(int(length[-1] / STEP_M), 1) + 1)
    points = np.column_stack([np.interp(at, length, edge.points[:, k]) for k in range(3)])
    outward = np.column_stack([np.interp(at, length, edge.outward[:, k]) for k in range(2)])
    return points, outward / np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)


def _runs(pieces: list[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for piece in pieces:
        if runs and runs[-1][-1] == piece - 1:
            runs[-1].append(piece)
        else:
            runs.append([piece])
    return runs


def _build(made: Dressing, plan: BarrierPlan, near: Floats, far: Floats, z: Floats) -> None:
    across = far - near
    across = across / np.linalg.norm(across, axis=1, keepdims=True)
    face = np.column_stack([across, np.zeros(len(across))])
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(near, axis=0), axis=1))])
    scale = 2.0 if plan.layer != style.BRICK else 1.9
    u, v = length / scale, (plan.high_m - max(plan.low_m, 0)) / scale
    low, high = z + plan.low_m, z + plan.high_m

    def strip(
        a: Floats, za: Floats, b: Floats, zb: Floats, normals: Floats, v0: float, v1: float
    ) -> None:
        made.solid.add_strip(
            np.column_stack([a, za]),
            np.column_stack([b, zb]),
            uv_left=np.column_stack([u, np.full(len(u), v0)]),
            uv_right=np.column_stack([u, np.full(len(u), v1)]),
            normals=normals,
            tag=plan.tag,
            layer=plan.layer,
            tint=plan.tint,
        )

    strip(near, low, near, high, -face, 0.0, v)
    strip(far, low, far, high, face, 0.0, v)
    strip(near, high, far, high, np.array([0.0, 0.0, 1.0]), 0.4, 0.4 + plan.thick_m / scale)
    if plan.kind == "rail":
        _add_posts(made, plan, 0.5 * (near + far), z, length)
    for i in range(len(near) - 1):
        _end_piece(made, plan, near[i : i + 2], far[i : i + 2])


def _end_piece(made: Dressing, plan: BarrierPlan, near: Floats, far: Floats) -> None:
    """Add obstacle and shadow of one piece."""
    middle = 0.25 * (near.sum(axis=0) + far.sum(axis=0))
    along = near[1] - near[0]
    yaw = float(np.degrees(np.arctan2(along[1], along[0])))
    half = float(np.hypot(*along)) / 2
    made.add_obstacle((float(middle[0]), float(middle[1]), yaw, half, plan.thick_m / 2), plan.tag)
    made.add_box_shadow(np.concatenate([near, far[::-1]]), plan.high_m)


def _add_posts(made: Dressing, plan: BarrierPlan, line: Floats, z: Floats, length: Floats) -> None:
    """Add posts behind the beam: two crossed plates each, seen from both sides."""
    at = np.arange(0, length[-1], POST_GAP_M)
    feet = np.column_stack([np.interp(at, length, c) for c in (line[:, 0], line[:, 1], z)])
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        half = np.array([-dy, dx, 0]) * 0.06
        corners = [feet - half, feet + half, feet + half, feet - half]
        quads = np.stack(corners, axis=1)
        quads[:, :2, 2] -= 0.2
        quads[:, 2:, 2] += 0.68
        first = 4 * np.arange(len(feet))[:, None]
        made.near.add(
            quads.reshape(-1, 3),
            (first[:, None] + QUAD).reshape(-1, 3),
            uv=np.zeros((4 * len(feet), 2)),
            normals=(dx, dy, 0),
            tag=plan.tag,
            layer=plan.layer,
            tint=np.array(plan.tint) * 0.8,
        )
