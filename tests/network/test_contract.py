from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from carla_saliency.core import Contract, Pose
from carla_saliency.errors import BadInputError
from carla_saliency.network.contract import (
    DEFAULT_CONTRACT,
    PRESETS,
    contract_from,
    contract_path,
    guess_contract,
    load_contract,
    load_preset,
    read_contract,
    require_fit,
    save_contract,
)
from carla_saliency.network.contract_words import contradictions, describe

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
    blur_px=3,
    preprocess="x/127.5-1",
    output="degrees",
    output_centre=90.0,
    output_range=-45.0,
    speed_scale=1.0,
)
NEW = (
    "blur_px",
    "preprocess",
    "output",
    "output_centre",
    "output_range",
    "speed_scale",
)  # keys that older files lack


def test_the_contract_lies_beside_the_model() -> None:
    assert contract_path("models/dave2.keras") == Path("models/dave2.contract.json")


def test_the_contract_of_a_folder_without_a_name_lies_beside_it(tmp_path, monkeypatch) -> None:
    (tmp_path / "net").mkdir()
    monkeypatch.chdir(tmp_path / "net")
    assert contract_path(".") == tmp_path / "net.contract.json"
    assert contract_path("/") == Path("/model.contract.json")


@pytest.mark.parametrize("contract", [DEFAULT_CONTRACT, OTHER])
def test_a_contract_comes_back_as_it_was_written(tmp_path: Path, contract: Contract) -> None:
    save_contract(contract_path(tmp_path / "net.keras"), contract)
    assert load_contract(tmp_path / "net.keras") == contract


def test_a_model_without_a_contract_has_none(tmp_path: Path) -> None:
    assert load_contract(tmp_path / "net.keras") is None


def test_what_has_a_default_may_be_left_out(tmp_path: Path) -> None:
    values = dataclasses.asdict(DEFAULT_CONTRACT)
    for key in ("scale", "offset", "colour", "resize", *NEW):
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
        ({"colour": "lab"}, "colour must be rgb or bgr or yuv or grey or hsv, received 'lab'"),
        ({"resize": ["area"]}, "resize must be area or linear or nearest or cubic"),
        ({"blur_px": 4}, "blur_px must be 0 or an odd size"),
        ({"blur_px": -3}, "blur_px must be 0 or an odd size"),
        ({"blur_px": 3.0}, "blur_px must be a whole number"),
        ({"preprocess": None}, "preprocess must be a text"),
        ({"output": "angle"}, "output must be steering or .* or vector:I, received 'angle'"),
        ({"output": "vector:"}, "output must be"),
        ({"output_centre": None}, "output_centre must be a number"),
        ({"output_range": 0}, "output_range must be other than 0"),
        ({"output_range": "1"}, "output_range must be a number"),
        ({"speed_scale": 0}, "speed_scale must be other than 0"),
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


def test_a_network_without_a_contract_is_given_the_whole_picture() -> None:
    contract = guess_contract((88, 200, 3), "other")
    assert contract.name == "other"
    assert contract.crop == (0, 360, 0, 640)
    assert (contract.input_height_px, contract.input_width_px) == (88, 200)
    assert (contract.colour, contract.scale, contract.offset) == ("rgb", 1.0, 0.0)
    require_fit(contract, (88, 200, 3))


def test_a_network_for_grey_pictures_is_given_them() -> None:
    contract = guess_contract((66, 200, 1))
    assert contract.colour == "grey"
    require_fit(contract, (66, 200, 1))


def test_a_network_for_other_than_camera_pictures_is_refused() -> None:
    with pytest.raises(BadInputError, match="3 channels, or 1 if grey, odd takes 4"):
        guess_contract((66, 200, 4), "odd")


def test_a_contract_of_another_network_is_refused() -> None:
    with pytest.raises(BadInputError, match="don't belong together"):
        require_fit(DEFAULT_CONTRACT, (88, 200, 3))
    with pytest.raises(BadInputError, match="say colour=grey for 1 channel"):
        require_fit(DEFAULT_CONTRACT, (66, 200, 1))


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_is_a_contract_of_its_own_name(name: str) -> None:
    contract = load_preset(name)
    assert contract.name == name
    shape = (contract.input_height_px, contract.input_width_px, 3)
    assert contract_from(name, {}, None, shape) == contract


def test_the_preset_of_the_shipped_network_is_its_contract() -> None:
    assert load_preset("dave2") == DEFAULT_CONTRACT


def test_the_presets_say_what_those_networks_publish() -> None:
    udacity, donkey, seed = map(load_preset, ("udacity", "donkey", "seed"))
    assert (udacity.width_px, udacity.height_px, udacity.crop) == (320, 160, (60, 135, 0, 320))
    assert (udacity.colour, udacity.resize, udacity.max_steer_deg) == ("yuv", "linear", 25.0)
    assert (donkey.crop, donkey.scale) == ((0, 120, 0, 160), 1 / 255)
    assert (seed.colour, seed.fov_deg, seed.camera) == ("bgr", 90.0, Pose(x_m=1.6, z_m=1.7))


def test_a_preset_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(BadInputError, match="dave2, udacity, donkey, seed") as caught:
        contract_from("udacty", {}, None, (66, 200, 3))
    assert "\n" not in str(caught.value)


def test_a_preset_is_fitted_to_the_networks_grid() -> None:
    contract = contract_from("udacity", {}, None, (64, 64, 3))
    assert (contract.input_height_px, contract.input_width_px) == (64, 64)
    assert contract.crop == (60, 135, 0, 320)


def test_a_network_that_takes_the_whole_picture_of_a_preset_is_given_it() -> None:
    contract = contract_from("udacity", {}, None, (160, 320, 3))
    assert contract.crop == (0, 160, 0, 320)


def test_a_contract_may_be_a_file(tmp_path: Path) -> None:
    save_contract(tmp_path / "camera.json", OTHER)
    assert contract_from(str(tmp_path / "camera.json"), {}, DEFAULT_CONTRACT, (88, 200, 3)) == OTHER
    with pytest.raises(BadInputError, match="don't belong together"):
        contract_from(str(tmp_path / "camera.json"), {}, None, (66, 200, 3))


@pytest.mark.parametrize("text", ["a: b: c", "- 1", "{unclosed", "name: x\n\tbad: 1"])
def test_what_is_not_a_contract_in_yaml_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "camera.yaml").write_text(text)
    with pytest.raises(BadInputError, match=r"camera\.yaml") as caught:
        read_contract(tmp_path / "camera.yaml")
    assert "\n" not in str(caught.value)


def test_a_contract_file_that_is_missing_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"can't read .*none\.yaml"):
        contract_from(str(tmp_path / "none.yaml"), {}, None, (66, 200, 3))


def test_where_nothing_is_said_the_models_own_stays_or_a_guess_is_made() -> None:
    assert contract_from(None, {}, OTHER, (88, 200, 3)) == OTHER
    assert contract_from(None, {}, None, (88, 200, 3)) == guess_contract((88, 200, 3))
    assert contract_from(None, {"fov_deg": "90"}, None, (88, 200, 1)).colour == "grey"


def test_a_preset_goes_before_what_lies_beside_the_model() -> None:
    assert contract_from("dave2", {}, OTHER, (66, 200, 3)) == DEFAULT_CONTRACT


def test_every_part_can_be_said_apart() -> None:
    contract = contract_from(
        None,
        {
            "crop": "60,135,0,320",
            "size": "320x160",
            "colour": "yuv",
            "fov-deg": "90",
            "camera": "1.5,0,1.6,-10,0,0.5",
            "scale": "1/255",
            "offset": "-0.5",
            "speed_kmh": "0,20",
            "output": "vector:1",
            "output_range": "none",
            "name": "5",
        },
        OTHER,
        (88, 200, 3),
    )
    assert (contract.width_px, contract.height_px) == (320, 160)
    assert contract.crop == (60, 135, 0, 320)
    assert contract.colour == "yuv"
    assert contract.fov_deg == 90.0
    assert contract.camera == Pose(1.5, 0.0, 1.6, -10.0, 0.0, 0.5)
    assert (contract.scale, contract.offset) == (1 / 255, -0.5)
    assert contract.speed_kmh == (0.0, 20.0)
    assert (contract.output, contract.output_range, contract.name) == ("vector:1", None, "5")
    assert contract.wheelbase_m == OTHER.wheelbase_m


def test_one_number_of_the_camera_can_be_said_apart() -> None:
    contract = contract_from("dave2", {"z_m": "2.4", "pitch-deg": "-15"}, None, (66, 200, 3))
    assert contract.camera == Pose(x_m=1.5, z_m=2.4, pitch_deg=-15.0)


def test_another_size_keeps_the_crops_share_of_the_picture() -> None:
    contract = contract_from("dave2", {"size": "320x180"}, None, (66, 200, 3))
    assert contract.crop == (70, 180, 0, 320)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"colr": "yuv"}, "unknown part 'colr'; known are name, camera"),
        ({"fov_deg": "wide"}, "fov_deg must be a number, received 'wide'"),
        ({"fov_deg": "nan"}, "fov_deg must be a number"),
        ({"scale": "1/0"}, "scale must be a number, received '1/0'"),
        ({"crop": "1,2,3"}, "crop must be 4 whole numbers"),
        ({"crop": "1,2,3,x"}, "crop must be 4 whole numbers"),
        ({"crop": "0,9999,0,640"}, "inside a picture of 640x360"),
        ({"size": "640"}, "size must be like 640x360, received '640'"),
        ({"size": "0x0"}, "width_px must be at least 1"),
        ({"camera": "1,2,3"}, "camera must be x,y,z,pitch,yaw,roll"),
        ({"camera": "1,2,3,a,5,6"}, "pitch_deg must be a number, received 'a'"),
        ({"colour": "grey"}, "say colour=grey for 1 channel"),
        ({"blur_px": "2"}, "blur_px must be 0 or an odd size"),
        ({"output": "bin"}, "output must be"),
    ],
)
def test_a_part_that_cannot_be_used_is_one_clear_line(part: dict[str, str], message: str) -> None:
    with pytest.raises(BadInputError, match=message) as caught:
        contract_from("dave2", part, None, (66, 200, 3))
    assert "\n" not in str(caught.value)


def test_a_contract_is_said_in_short_lines() -> None:
    assert describe(DEFAULT_CONTRACT) == [
        "camera: 640×360, 100° wide, at x 1.5, y 0, z 1.6 m, pitch -10, yaw 0, roll 0°",
        "crop: rows 140–360, columns 0–640",
        "resize: area to 200×66",
        "colour: RGB",
        "scale: 0 to 255 as they are",
        "car: vehicle.tesla.model3, front wheels up to 70°, wheelbase 2.87 m, 10 to 35 km/h",
    ]
    lines = describe(OTHER)
    assert "resize: Gaussian blur 3×3, then linear to 200×88" in lines
    assert "scale: -0.5 to 0.5" in lines
    assert "crop: whole picture" in describe(guess_contract((66, 200, 1)))


def live(**changes: Any) -> list[str]:
    facts: dict[str, Any] = {
        "width_px": 640,
        "height_px": 360,
        "fov_deg": 100.0,
        "pose": DEFAULT_CONTRACT.camera,
        "blueprint": "vehicle.tesla.model3",
        "max_steer_deg": 70.0,
        "wheelbase_m": 2.87,
    }
    return contradictions(DEFAULT_CONTRACT, **facts | changes)


def test_a_camera_and_a_car_as_in_the_contract_do_not_contradict_it() -> None:
    assert live() == []
    assert live(pose=Pose(x_m=1.51, z_m=1.6, pitch_deg=-10.2), wheelbase_m=2.88) == []
    assert live(pose=Pose(x_m=1.5, z_m=1.6, pitch_deg=350.0)) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"width_px": 320, "height_px": 180}, "the camera's picture is 320×180, .* 640×360"),
        ({"fov_deg": 90.0}, "field of view is 90°, the network learned with 100°"),
        ({"pose": Pose(1.5, 0.5, 1.6, -10)}, r"the camera is at x 1\.5, y 0\.5, z 1\.6 m"),
        ({"pose": Pose(1.5, 0, 1.6, -5)}, "looks along pitch -5, .* with pitch -10"),
        ({"blueprint": "vehicle.audi.tt"}, r"the car is vehicle\.audi\.tt, .*tesla"),
        ({"max_steer_deg": 35.0}, "front wheels turn up to 35°"),
        ({"wheelbase_m": 3.5}, r"wheelbase is 3\.50 m, .* 2\.87 m"),
    ],
)
def test_each_difference_is_one_line(change: dict[str, Any], line: str) -> None:
    (said,) = live(**change)
    assert re.search(line, said)
