from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_steps import explanation_of, findings_of, frame_of, step_of

from carla_saliency.core import Blob, CausalCheck, Control, Decision
from carla_saliency.errors import BadInputError
from carla_saliency.output.snapshots import save_frame, save_screenshot


def rgb_of(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def test_a_screenshot_is_the_very_picture_and_overwrites_nothing(tmp_path: Path) -> None:
    first, second = frame_of(1).image, frame_of(2).image
    assert save_screenshot(first, tmp_path, "carla-saliency-000826").name == (
        "carla-saliency-000826.png"
    )
    assert save_screenshot(second, tmp_path, "carla-saliency-000826").name == (
        "carla-saliency-000826-2.png"
    )
    assert np.array_equal(rgb_of(tmp_path / "carla-saliency-000826.png"), first)
    assert np.array_equal(rgb_of(tmp_path / "carla-saliency-000826-2.png"), second)


def test_a_frame_is_saved_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    causal = CausalCheck(826, (Blob((1, 2, 3, 4.5), -0.25, True),), 0.125, 200)
    step = step_of(826)
    step = replace(step, findings=replace(findings_of(826), causal=causal))
    rgb = frame_of(5, (20, 10)).image
    path = save_frame(tmp_path, step, rgb, {"features": np.arange(3)})
    assert path.name == "carla-saliency-frame-000826.png"
    assert np.array_equal(rgb_of(path), step.observation.frame.image)

    with np.load(path.with_suffix(".npz")) as arrays:
        assert step.decision.explanation is not None
        assert np.array_equal(arrays["attribution"], step.decision.explanation.attribution)
        assert np.array_equal(arrays["tags"], step.observation.frame.tags)
        assert np.array_equal(arrays["rgb"], rgb)
        assert np.array_equal(arrays["features"], [0, 1, 2])
        assert arrays["share"].sum() == 1
        assert arrays["shadow_attribution"].shape == (6, 8)

    facts = json.loads(path.with_suffix(".json").read_text())
    assert facts["frame"] == 826
    assert facts["steering"] == 0.125
    assert facts["without_road"] == -0.25
    assert facts["map"]["meaning"]["title"] == "contrast"
    assert facts["map"]["shape"] == [6, 8]
    assert facts["causal_check"]["blobs"] == [
        {"place": [1, 2, 3, 4.5], "change": -0.25, "moves": True}
    ]
    assert "left negative" in facts["units"]["steering"]


def test_the_picture_is_the_one_that_the_map_is_of(tmp_path: Path) -> None:
    usual = step_of(9)
    masked = frame_of(33)
    decision = replace(
        usual.decision, explanation=explanation_of(6), explained=frame_of(6), masked=masked
    )
    path = save_frame(tmp_path, replace(usual, decision=decision))
    assert path.name == "carla-saliency-frame-000006.png"
    assert np.array_equal(rgb_of(path), frame_of(6).image)
    with np.load(path.with_suffix(".npz")) as arrays:
        assert np.array_equal(arrays["tags"], frame_of(6).tags)
        assert np.array_equal(arrays["masked"], masked.image)


def test_a_frame_without_a_network_is_saved_too(tmp_path: Path) -> None:
    step = step_of(9, tags=False, decision=Decision(Control(), "manual", None))
    path = save_frame(tmp_path, step)
    with np.load(path.with_suffix(".npz")) as arrays:
        assert not arrays.files
    assert "map" not in json.loads(path.with_suffix(".json").read_text())


def test_the_three_files_of_a_frame_share_one_free_name(tmp_path: Path) -> None:
    (tmp_path / "carla-saliency-frame-000009.json").touch()
    paths = [save_frame(tmp_path, step_of(9)) for _ in range(2)]
    assert [path.stem for path in paths] == [
        "carla-saliency-frame-000009-2",
        "carla-saliency-frame-000009-3",
    ]
    assert len(list(tmp_path.iterdir())) == 7


def test_a_folder_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    for save in (
        lambda: save_screenshot(frame_of(1).image, tmp_path / "no", "a"),
        lambda: save_frame(tmp_path / "no", step_of(1)),
    ):
        with pytest.raises(BadInputError, match="can't be written: No such file") as caught:
            save()
        assert "\n" not in str(caught.value)
