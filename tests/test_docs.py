"""The pages say nothing that is not there: links, pictures, flags, keys, steps and methods."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from carla_saliency import cli, settings
from carla_saliency.core import Contract, Pose
from carla_saliency.factory import SHIPPED_NETWORK, load_steering
from carla_saliency.network.contract import PRESETS
from carla_saliency.network.contract_values import OUTPUTS, contract_of_values
from carla_saliency.network.steps import parse_all
from carla_saliency.pictures import read_picture
from carla_saliency.saliency import METHODS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "carla_saliency" / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.glob("*.md")))
FLAGS = {
    f"--{field.name.replace('_', '-')}"
    for kind in vars(settings).values()
    if isinstance(kind, type)
    for field in fields(kind)
} | {"--help", "--config"}
OF_SCRIPTS = {"--fast"}  # scripts/test
LARGEST_BYTES = 300_000

pages = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def links(page: Path) -> list[str]:
    found = re.findall(r"\]\(([^)\s#]+)", text_of(page))
    return [link for link in found if "://" not in link]


def of_page(name: str) -> str:
    return text_of(DOCS / name)


@pages
def test_every_link_leads_to_a_file(page: Path) -> None:
    assert links(page)
    for link in links(page):
        assert (page.parent / link).exists(), link


def test_every_picture_is_shown_small_and_webp() -> None:
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page)}
    pictures = [path for path in DOCS.iterdir() if path.suffix != ".md"]
    assert pictures
    for picture in pictures:
        assert picture.suffix == ".webp"
        assert picture.stat().st_size <= LARGEST_BYTES, picture.name
        assert read_picture(picture).size, picture.name
        assert picture.resolve() in shown, f"no page shows {picture.name}"


@pages
def test_every_flag_exists(page: Path) -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9]*(?:-[a-z0-9]+)*", text_of(page)))
    assert named
    assert not named - FLAGS - OF_SCRIPTS


@pages
def test_every_method_that_a_command_names_exists(page: Path) -> None:
    named = re.findall(r"--method ([\w+-]+)", text_of(page))
    assert named or page.name == "finding-out-why.md"  # it stays with the default
    assert not set(named) - set(METHODS)


def test_every_method_is_defined_and_in_the_table() -> None:
    page = of_page("methods.md")
    table = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`([^`]+)`", " ".join(table))) == sorted(METHODS)
    for method in METHODS:
        assert f"**`{method}`**" in page, method


@pytest.mark.parametrize("name", sorted(METHODS))
def test_units_and_signs_in_the_table_are_those_of_the_maps(name: str) -> None:
    steering = load_steering()
    meaning = METHODS[name](steering.network, steering.feed).meaning
    row = next(r for r in of_page("methods.md").splitlines() if re.match(rf"\| .*`{name}`", r))
    _, unit, sign = (cell.strip() for cell in row.split("|")[1:4])
    assert unit.startswith(meaning.unit)
    assert (sign == "yes") == meaning.signed


def test_the_cells_that_the_page_places_are_there() -> None:
    layers = {layer.name: layer for layer in load_steering().network.layers}
    assert layers["elu4"].shape[:2] == (3, 20)
    assert layers["elu4"].place == (18.5, 42.5, 18.5, 178.5)
    assert "rows 18.5 to 42.5 and columns 18.5 to 178.5" in " ".join(of_page("methods.md").split())


def test_every_way_to_say_the_output_and_every_preset_is_named() -> None:
    page = of_page("networks.md")
    for word in (*OUTPUTS, "vector:I", *PRESETS):
        assert f"`{word}`" in page, word


def test_every_chain_of_steps_can_be_read() -> None:
    page = of_page("networks.md")
    chains = re.findall(r'--preprocess "([^"]+)"', page)
    table = page.partition("| step | |")[2].partition("\n\n")[0]
    chains += re.findall(r"`([^`]+)`", " ".join(row.split("|")[1] for row in table.split("\n")[2:]))
    assert len(chains) > 8
    for chain in chains:
        assert parse_all(chain), chain


def test_the_contract_that_is_written_by_hand_can_be_read() -> None:
    block = of_page("networks.md").partition("```yaml\n")[2].partition("```")[0]
    contract = contract_of_values("networks.md", yaml.safe_load(block))
    assert isinstance(contract, Contract)
    assert contract.camera == Pose(x_m=1.2, z_m=1.4, pitch_deg=-8.0)


def test_what_doctor_says_there_is_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", str(DOCS / "bend.webp")]) == 0
    said = capsys.readouterr().out.splitlines()
    block = of_page("networks.md").partition("$ carla-saliency doctor ")[2].partition("```")[0]
    depends = ("file ", "runtime", "gradient", "frame ", "steering   ")  # on folder and machine
    shown = [row for row in block.splitlines()[1:] if row != "..." and not row.startswith(depends)]
    assert len(shown) > 10
    for row in shown:
        assert row in said, row
    assert SHIPPED_NETWORK.name in block
