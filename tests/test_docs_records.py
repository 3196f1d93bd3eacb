"""The page on records names what is in one, and every format that one can be exported to."""

from __future__ import annotations

import re
from pathlib import Path

from carla_saliency.export import FORMATS
from carla_saliency.record.format import CHANNELS

PAGE = Path(__file__).parent.parent / "carla_saliency" / "docs" / "records.md"


def rows_under(heading: str) -> list[tuple[list[str], str]]:
    """Return the names in the first cell of each row of a section's table, and the second cell."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")
    rows = [row.split("|")[1:3] for row in section[0].splitlines() if row.startswith("| `")]
    return [(re.findall(r"`([^`]+)`", first), second.strip(" `")) for first, second in rows]


def test_every_topic_is_in_the_table_with_its_schema() -> None:
    told = {topic: schema for topics, schema in rows_under("What is in it") for topic in topics}
    assert told == {channel.topic: channel.schema.name for channel in CHANNELS}


def test_every_format_is_in_the_table() -> None:
    assert {name for names, _ in rows_under("Export") for name in names} == set(FORMATS)
