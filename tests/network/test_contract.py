from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from carla_saliency.core import Contract, Pose
from carla_saliency.errors import BadInputError
from carla_saliency.network.contract import (
    DEFAULT_CONTRACT,
    contract_path,
    default_contract_for,
    load_contract,
    require_fit,
    save_contract,
)

OTHER = Contract(
    name="pronton",
    camera=Pose(1.0, -0.25, 2.0, -5.5, 1.0, 0.5),
    width_px=200,
    height_px=188,
    fov_deg=40.0,
    crop=(75, 163, 0, 200),
    input_height_px=88,
    input_width_px=200,
    resize="linear",
    colour="bgr",
    scale=1 / 255,
    offset=-0.5,
    speed_kmh=(5.0, 20.0),
    max_steer_deg=60.0,
    wheelbase_m=3.0,
    blueprint="vehicle.audi.tt",
)


def test_the_contract_lies_beside_the_model() -> None:
    assert contract_path("models/dave2.keras") == Path("models/dave2.contract.json")


@pytest.mark.parametrize("contract", [DEFAULT_CONTRACT, OTHER])
def test_a_contract_comes_back_as_it_was_written(tmp_path: Path, contract: Contract) -> None:
    save_contract(contract_path(tmp_path / "net.keras"), contract)
    assert load_contract(tmp_path / "net.keras") == contract


def test_a_model_without_a_contract_has_none(tmp_path: Path) -> None:
    assert load_contract(tmp_path / "net.keras") is None


def test_what_has_a_default_may_be_left_out(tmp_path: Path) -> None:
    values = dataclasses.asdict(DEFAULT_CONTRACT)
    for key in ("scale", "offset", "colour", "resize"):
        del values[key]
    values["camera"] = {"x_m": 1.5, "z_m": 1.6, "pitch_deg": -10}
    (tmp_path / "net.contract.json").write_text(json.dumps(values))
    assert load_contract(tmp_path / "net.keras") == DEFAULT_CONTRACT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"camra": 1}, "unknown key 'camra'; known are name, camera"),
        ({"camera": {"x": 1.5}}, "unknown key 'x'"),
        ({"camera": [1, 2, 3]}, "expected an object"),
        ({"camera": {"x_m": "far"}}, "x_m must be a number, received 'far'"),
        ({"name": 5}, "name must be a text"),
        ({"width_px": 640.5}, "width_px must be a whole number, received 640.5"),
        ({"width_px": True}, "width_px must be a whole number"),
        ({"width_px": 0}, "at least 1"),
        ({"fov_deg": "wide"}, "fov_deg must be a number"),
        ({"fov_deg": 180}, r"in \(0, 180\)"),
        ({"crop": [1, 2, 3]}, "crop must be 4 whole numbers"),
        ({"crop": [140, 361, 0, 640]}, "inside a picture of 640x360"),
        ({"crop": [200, 100, 0, 640]}, "inside a picture"),
        ({"colour": "hsv"}, "colour must be rgb or bgr or yuv, received 'hsv'"),
        ({"resize": ["area"]}, "resize must be area or linear"),
        ({"scale": 0}, "other than 0"),
        ({"scale": float("nan")}, "scale must be a number"),
        ({"speed_kmh": [30, 10]}, "lowest and highest"),
        ({"max_steer_deg": 0}, "max_steer_deg must be"),
        ({"wheelbase_m": -1}, "positive"),
    ],
)
def test_a_wrong_value_is_one_clear_line(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    values = dataclasses.asdict(DEFAULT_CONTRACT) | change
    (tmp_path / "net.contract.json").write_text(json.dumps(values))
    with pytest.raises(BadInputError, match=message) as caught:
        load_contract(tmp_path / "net.keras")
    assert "\n" not in str(caught.value)
    assert "net.contract.json" in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"name": "x"}'])
def test_what_is_not_a_contract_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "net.contract.json").write_text(text)
    with pytest.raises(BadInputError, match=r"net\.contract\.json") as caught:
        load_contract(tmp_path / "net.keras")
    assert "\n" not in str(caught.value)


def test_a_contract_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="can't write"):
        save_contract(tmp_path / "missing" / "net.contract.json", DEFAULT_CONTRACT)


def test_a_network_without_a_contract_looks_at_the_lower_part_of_the_picture() -> None:
    contract = default_contract_for((88, 200, 3), "other")
    assert contract.name == "other"
    assert contract.crop == (144, 360, 0, 640)
    assert (contract.input_height_px, contract.input_width_px) == (88, 200)
    require_fit(contract, (88, 200, 3))


def test_a_network_for_grey_pictures_is_refused() -> None:
    with pytest.raises(BadInputError, match="3 channels"):
        default_contract_for((66, 200, 1))


def test_a_contract_of_another_network_is_refused() -> None:
    with pytest.raises(BadInputError, match="don't belong together"):
        require_fit(DEFAULT_CONTRACT, (88, 200, 3))
