from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from carla_saliency.errors import BadInputError
from carla_saliency.network.contract import PRESETS
from carla_saliency.settings import (
    CollectSettings,
    DriveSettings,
    ExplainSettings,
    ServeSettings,
    TrainSettings,
)

CONFIGS = sorted(
    path
    for path in (Path(__file__).parent.parent / "configs").rglob("*.yaml")
    if path.stem not in PRESETS  # contracts, not settings
)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_each_config_loads_and_states_only_what_differs(path: Path) -> None:
    values = yaml.safe_load(path.read_text())
    DriveSettings(**values).check()
    defaults = DriveSettings()
    for name, value in values.items():
        assert getattr(defaults, name) != value, f"{name} is the default: leave it out"


@pytest.mark.parametrize("kind", [DriveSettings, ServeSettings, CollectSettings, TrainSettings])
def test_the_defaults_are_valid_and_every_flag_has_a_help_text(kind, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    kind().check()
    assert all(each.metadata["help"] for each in fields(kind))


@pytest.mark.parametrize(
    "values",
    [
        {"ticks": 0},
        {"ticks": -3},
        {"fps": 0.0},
        {"fps": float("nan")},
        {"res": "0x0"},
        {"res": "abc"},
        {"res": "1281x720"},
        {"camera": "640"},
        {"port": 70000},
        {"seconds": 0.0},
        {"speed": 0.0},
        {"pace": -1.0},
        {"timeout": 0.0},
        {"record": "no/such/folder/drive.mp4"},
        {"record": "drive.avi"},
        {"summary": "drive.txt"},
        {"embedded": "always", "port": 2000},
    ],
    ids=str,
)
def test_what_can_not_work_is_refused_in_one_line_that_names_the_flag(values) -> None:
    with pytest.raises(BadInputError) as caught:
        DriveSettings(**values).check()
    text = str(caught.value)
    assert "\n" not in text
    assert f"--{next(iter(values))}" in text


def test_pictures_to_be_explained_need_a_picture_and_a_folder(tmp_path) -> None:
    assert all(each.metadata["help"] for each in fields(ExplainSettings))
    ExplainSettings(images=("a.png",), out=str(tmp_path)).check()
    with pytest.raises(BadInputError, match="at least one picture"):
        ExplainSettings(images=(), out=str(tmp_path)).check()
    (tmp_path / "file").touch()
    with pytest.raises(BadInputError, match="--out"):
        ExplainSettings(images=("a.png",), out=str(tmp_path / "file")).check()


def test_a_check_of_an_output_leaves_nothing_behind(tmp_path) -> None:
    DriveSettings(record=str(tmp_path / "d.mp4"), summary=str(tmp_path / "s.json")).check()
    assert list(tmp_path.iterdir()) == []
