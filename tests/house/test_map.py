"""The map of the house names what is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "atomscope"
MAP = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w/.-]+(?:\.py|/))`", MAP)))


@pytest.mark.parametrize("name", NAMED)
def test_every_module_and_folder_of_the_map_exists(name):
    places = [SOURCE / name, ROOT / name]
    assert any(p.exists() for p in places) or any(SOURCE.rglob(name.rstrip("/"))), name


@pytest.mark.parametrize("room", [p.name for p in SOURCE.iterdir() if (p / "__init__.py").exists()])
def test_every_room_is_on_the_map(room):
    assert f"{room}/" in NAMED
