from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from napari._app_model.constants import MenuId
from npe2 import PluginManifest

ROOT = Path(__file__).parents[2]
MANIFEST = PluginManifest.from_file(ROOT / "src" / "atomscope" / "napari.yaml")


def test_the_installed_manifest_is_that_of_the_repository():
    installed = PluginManifest.from_distribution("napari-atomscope")
    assert installed.contributions == MANIFEST.contributions
    link = ROOT / "napari.yaml"
    if link.read_text(encoding="utf-8").strip() != "src/atomscope/napari.yaml":  # as git writes a link on Windows
        assert PluginManifest.from_file(link).contributions == MANIFEST.contributions


@pytest.mark.parametrize("command", MANIFEST.contributions.commands, ids=lambda c: c.id)
def test_every_command_can_be_imported(command):
    module, name = command.python_name.split(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_every_menu_is_one_that_napari_shows():
    menus = set(MANIFEST.contributions.menus)
    assert menus <= {str(m.value) for m in MenuId.contributables()}
    assert menus >= {"napari/layers/segment", "napari/layers/classify", "napari/layers/visualize"}


def test_the_docks_are_there():
    assert [w.display_name for w in MANIFEST.contributions.widgets] == [
        "Find atoms",
        "Teach a finder",
        "Extract patches",
        "Train rVAE",
        "Latent explorer",
        "Defects and structure",
        "Defects without labels",
        "Particles",
        "Walls",
        "Drift and tracks",
        "4D-STEM",
        "Extract patterns",
        "Quality",
        "Runs",
    ]


@pytest.mark.parametrize("name", ["a.emd", "b.dm3", "c.dm4", "d.mib", "e.ser", "f.hspy", "g.h5", "h.tif", "i.ome.zarr"])
def test_the_formats_of_the_field_are_claimed(name):
    patterns = MANIFEST.contributions.readers[0].filename_patterns
    assert any(Path(name).match(pattern) for pattern in patterns)


def test_neither_torch_nor_qt_is_loaded_by_importing_the_plugin():
    code = (
        "import sys, atomscope, atomscope.widgets, atomscope.widgets.reader, atomscope.widgets.writer, "
        "atomscope.widgets.samples\n"
        "bad = [m for m in ('torch', 'qtpy', 'PyQt6', 'PySide6', 'napari') if m in sys.modules]\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_docks_do_not_load_torch():
    code = (
        "import sys\n"
        "from atomscope.widgets import candidates, extract_patches, find_atoms, latent_explorer, particles, quality\n"
        "from atomscope.widgets import extract_patterns\n"
        "from atomscope.widgets import runs, scan_navigator, structure, teach, train_rvae, walls\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
