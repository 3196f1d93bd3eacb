from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.attention import Attention
from carla_saliency.core import GROUPS, ClassEffects, ClassShares, Findings


def of(values: dict[str, float], rest: float = 0.0) -> np.ndarray:
    return np.array([values.get(name, rest) for name in GROUPS], np.float32)


def found(frame_id: int, lines: float, change: float | None = None) -> Findings:
    shares = ClassShares(
        frame_id, of({"lines": lines, "road": 1 - lines}), of({"lines": 0.1, "road": 0.9})
    )
    effects = None
    if change is not None:
        effects = ClassEffects(frame_id, of({"lines": change}, np.nan), of({"lines": 0.01}, np.nan))
    return Findings(shares=shares, effects=effects)


def test_shares_and_effects_are_means_over_the_maps() -> None:
    attention = Attention(lock_deg=70.0)
    attention.add(found(1, 0.2, change=0.1))
    attention.add(found(2, 0.4, change=-0.3))
    table = attention.as_json()
    assert table is not None
    assert list(table) == ["lines", "road"]
    assert table["lines"]["share"] == pytest.approx(0.3, abs=1e-4)
    assert table["lines"]["lift"] == pytest.approx(3.0, abs=1e-3)
    assert table["lines"]["change_deg"] == pytest.approx(14.0, abs=1e-3)
    assert table["lines"]["floor_deg"] == pytest.approx(0.7, abs=1e-3)
    assert "change_deg" not in table["road"]


def test_what_was_found_for_an_earlier_step_counts_once() -> None:
    attention, once = Attention(), found(1, 0.2)
    for _ in range(5):
        attention.add(once)
    attention.add(found(2, 0.6))
    table = attention.as_json()
    assert table is not None
    assert table["lines"]["share"] == pytest.approx(0.4, abs=1e-4)


def test_a_drive_without_a_semantic_camera_has_none() -> None:
    attention = Attention(70.0)
    attention.add(Findings())
    assert attention.as_json() is None
