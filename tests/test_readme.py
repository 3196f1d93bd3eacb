import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_picture_and_file_that_it_links_to_is_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", README) if "://" not in link]
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_pictures_are_small_webp() -> None:
    pictures = [path for path in (ROOT / "carla_saliency/docs").iterdir() if path.suffix != ".md"]
    assert pictures
    for picture in pictures:
        assert picture.suffix == ".webp"
        assert picture.stat().st_size <= 300_000


def test_nothing_is_left_to_be_filled_in() -> None:
    assert "@@" not in README


def test_the_scripts_that_it_names_exist_and_run() -> None:
    for name in set(re.findall(r"scripts/(\w+)", README)):
        assert (ROOT / "scripts" / name).stat().st_mode & 0o111, name
