"""A wheel in a venv of its own shows the plugin: manifest, command line, sample data."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)],
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """A fresh venv with our wheel; what it depends on is lent from the venv that runs the tests."""
    home = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    exe = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    subprocess.run([str(exe), "-m", "pip", "install", "-q", "--no-deps", str(wheel)], check=True)
    ask = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    site = subprocess.run([str(exe), "-c", ask], check=True, capture_output=True, text=True).stdout.strip()
    Path(site, "lent.pth").write_text(sysconfig.get_paths()["purelib"], encoding="utf-8")
    return exe


def test_the_wheel_holds_manifest_and_samples_once(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert names.count("atomscope/napari.yaml") == 1
    assert "atomscope/py.typed" in names
    assert any(n.startswith("atomscope/sample_data/") for n in names)
    assert not any(n.startswith(("tests/", "benchmarks/")) for n in names)
    assert sum(i.file_size for i in zipfile.ZipFile(wheel).infolist()) < 12e6


def test_the_plugin_appears_from_the_wheel(python, tmp_path):
    code = (
        "import atomscope, npe2, pathlib;"
        "assert 'site-packages' in atomscope.__file__, atomscope.__file__;"
        "m = npe2.PluginManifest.from_distribution('napari-atomscope');"
        "print(sorted(w.display_name for w in m.contributions.widgets))"
    )
    out = subprocess.run([str(python), "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    for name in ("Find atoms", "Extract patches", "Train rVAE", "Latent explorer", "Runs"):
        assert name in out.stdout


def test_the_command_line_works_from_the_wheel(python, tmp_path):
    out = subprocess.run(
        [str(python), "-m", "atomscope.cli", "--help"], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    for command in ("demo", "info", "convert", "find", "train", "encode", "run", "simulate"):
        assert command in out.stdout


def test_the_samples_open_from_the_wheel(python, tmp_path):
    code = "from atomscope import pipeline as p; print([p.open_sample(n).frame(0).size > 0 for n in p.list_samples()])"
    out = subprocess.run([str(python), "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert "True" in out.stdout and "False" not in out.stdout
