from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich_steps import FACTS

from carla_saliency.errors import BadInputError
from carla_saliency.record import facts
from carla_saliency.record.facts import Facts, bytes_per_tick, digest_of, space_line, versions


def test_facts_come_back_from_json() -> None:
    both = replace(FACTS, shadow=replace(FACTS.network, title="other"))
    assert Facts.from_json(both.to_json()) == both


def test_paths_and_tuples_in_settings_become_plain_values() -> None:
    odd = replace(FACTS, settings={"model": Path("a/b"), "res": (640, 360)})
    assert Facts.from_json(odd.to_json()).settings == {"model": "a/b", "res": [640, 360]}


def test_a_record_of_a_later_program_is_refused() -> None:
    values = json.loads(FACTS.to_json())
    values["format"] += 1
    with pytest.raises(BadInputError, match="use a newer carla-saliency"):
        Facts.from_json(json.dumps(values))


def test_versions_name_python_and_what_is_installed() -> None:
    found = versions()
    assert found["python"].startswith("3.")
    assert found["mcap"][0].isdigit()
    assert {"carla-saliency", "carla", "numpy", "onnxruntime", "tensorflow"} <= set(found)


def test_the_digest_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "model.npz").write_bytes(b"weights")
    assert digest_of(tmp_path / "model.npz") == hashlib.sha256(b"weights").hexdigest()


def test_the_digest_of_a_folder_changes_with_names_and_contents(tmp_path: Path) -> None:
    folder = tmp_path / "saved_model"
    (folder / "variables").mkdir(parents=True)
    (folder / "variables" / "a").write_bytes(b"1")
    first = digest_of(folder)
    assert digest_of(folder) == first
    (folder / "variables" / "a").rename(folder / "variables" / "b")
    renamed = digest_of(folder)
    (folder / "variables" / "b").write_bytes(b"2")
    assert len({first, renamed, digest_of(folder)}) == 3


@pytest.fixture
def ten_gigabytes_free(monkeypatch: pytest.MonkeyPatch) -> None:
    def usage(path: Any) -> Any:
        return type("Usage", (), {"free": 10_000_000_000})

    monkeypatch.setattr(facts.shutil, "disk_usage", usage)


@pytest.mark.usefixtures("ten_gigabytes_free")
def test_the_space_of_a_drive_of_known_length_is_told(tmp_path: Path) -> None:
    line = space_line(tmp_path / "not" / "there", (640, 360), 20, 600, "camera")
    assert line == f"record: about 8.0 MB/s, 4.8 GB in all, of 10.0 GB free at {tmp_path}"


@pytest.mark.usefixtures("ten_gigabytes_free")
def test_how_long_the_space_lasts_is_told_where_the_length_is_not_known(tmp_path: Path) -> None:
    line = space_line(tmp_path, (640, 360), 20, None, "camera")
    assert line == f"record: about 8.0 MB/s; the 10.0 GB free at {tmp_path} last for 21 min"


@pytest.mark.usefixtures("ten_gigabytes_free")
def test_a_drive_that_will_not_fit_is_warned_of(tmp_path: Path) -> None:
    line = space_line(tmp_path, (640, 360), 20, 3600, "camera")
    assert "IT WILL NOT FIT, the disk is full after 21 min" in line


def test_network_frames_take_far_less() -> None:
    small = bytes_per_tick((200, 66), "network")
    assert small < bytes_per_tick((640, 360), "camera") / 5
