"""Painted lines as strips that the shader widens and covers analytically."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from carla_saliency.server.nouns import MarkLine, RoadNetwork
from carla_saliency.server.scene import style
from carla_saliency.server.scene.ground import Looks, outward_of, stretches
from carla_saliency.server.scene.site import WALK_KINDS

PAINT_UP_M = 0.012
CHORD_M = 0.015
LONGEST_M = 12.0
KERB_GAP_M = 0.08

MARK_VERTEX = np.dtype(
    [
        ("position", "<f4", 3),
        ("across", "<f4", 2),  # horizontal unit vector over the line
        ("side", "<f4"),  # -1 or +1: which rim of the strip
        ("along", "<f4"),  # metres since the line's start
        ("shape", "<f4", 3),  # half width, painted length, period (0: solid)
        ("paint", "u1", 4),  # r, g, b, wear
    ]
)
Vertices = NDArray[np.void]


def _thin(line: MarkLine) -> NDArray[np.int64]:
    """Choose the points that a line needs for chords within `CHORD_M`."""
    if len(line.s) < 3:
        return np.arange(len(line.s))
    step = np.maximum(np.diff(line.s), 1e-6)
    slope = np.diff(line.points, axis=0) / step[:, None]
    bend = np.linalg.norm(np.diff(slope, axis=0), axis=1) / (0.5 * (step[1:] + step[:-1]))
    curve = np.pad(bend, 1, mode="edge")
    curve = np.maximum(curve[1:], curve[:-1])
    need = step / np.clip(np.sqrt(8 * CHORD_M / np.maximum(curve, 1e-9)), 0.1, LONGEST_M)
    total = np.concatenate([[0.0], np.cumsum(np.minimum(need, 1.0))])
    marks = np.linspace(0, total[-1], max(int(np.ceil(total[-1])), 1) + 1)
    return np.unique(np.searchsorted(total, marks - 1e-9).clip(0, len(line.s) - 1))


def _strip(line: MarkLine, shift_m: float, looks: Looks) -> Vertices:
    """Return four vertices per piece of a line, (P * 4,)."""
    pick = _thin(line)
    across = outward_of(line.points, 1)[pick]
    points = line.points[pick].copy()
    points[:, :2] += across * shift_m
    points[:, 2] += PAINT_UP_M
    s = line.s[pick]
    pieces = len(pick) - 1
    vertices = np.zeros((pieces, 4), MARK_VERTEX)
    for corner, (end, side) in enumerate(((0, -1), (0, 1), (1, 1), (1, -1))):
        mine = slice(end, pieces + end)
        vertices["position"][:, corner] = points[mine]
        vertices["across"][:, corner] = across[mine]
        vertices["side"][:, corner] = side
        vertices["along"][:, corner] = s[mine]
    vertices["shape"][..., 0] = line.width_m / 2
    number = stretches(0.5 * (s[1:] + s[:-1]))
    for stretch in np.unique(number):
        look = looks.at(line.road_id, int(stretch))
        colour, wear = style.paint_colour(line.colour, look)
        here = number == stretch
        vertices["paint"][here, :, :3] = np.array(colour) * 255
        vertices["paint"][here, :, 3] = int(wear * 255)
        if line.kind == "broken":
            vertices["shape"][here, :, 1:] = look.dash_m
    return vertices.reshape(-1)


def build_marks(
    network: RoadNetwork, looks: Looks, chunk_m: float
) -> dict[tuple[int, int], Vertices]:
    """Return the strips of all lines by the square of ground they lie on, four vertices a piece.

    A line along a kerb is moved beside it: in the map its middle is the kerb's foot.
    """
    raised = {(lane.road_id, lane.lane_id) for lane in network.lanes if lane.kind in WALK_KINDS}
    cells: dict[tuple[int, int], list[Vertices]] = defaultdict(list)
    for line in network.marks:
        if len(line.s) < 2:
            continue
        side = -1 if line.lane_id < 0 else 1
        kerb = line.lane_id != 0 and (line.road_id, line.lane_id + side) in raised
        shift = side * (line.width_m / 2 + KERB_GAP_M) if kerb else 0.0
        quads = _strip(line, shift, looks).reshape(-1, 4)
        middle = quads["position"].mean(axis=1)[:, :2]
        keys = np.floor(middle / chunk_m).astype(np.int64)
        for key in np.unique(keys, axis=0):
            mine = (keys == key).all(axis=1)
            cells[(int(key[0]), int(key[1]))].append(quads[mine].reshape(-1))
    return {key: np.concatenate(parts) for key, parts in cells.items()}
