"""What importing the house loads, and what its front door shows."""

import subprocess
import sys

import pytest

import atomscope

HEAVY = ("torch", "qtpy", "PyQt6", "PySide6", "napari", "pyqtgraph", "magicgui")


def test_importing_loads_neither_torch_nor_qt_nor_napari():
    modules = ["atomscope", "atomscope.data.params", "atomscope.pipeline", "atomscope.cli"]
    code = f"""
import importlib, sys
for module in {modules!r}:
    importlib.import_module(module)
    print(module, [m for m in {HEAVY!r} if m in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines() == [f"{module} []" for module in modules]


@pytest.mark.parametrize("module", ["atomscope", "atomscope.cli"])
def test_the_command_line_runs_as_a_module(module):
    out = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == f"atomscope, version {atomscope.__version__}"


def test_every_public_name_can_be_had():
    for name in atomscope.__all__:
        assert getattr(atomscope, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        _ = atomscope.opne


def test_no_bare_compute_beside_napari():
    import re
    from pathlib import Path

    root = Path(atomscope.__file__).parent
    bare = [
        f"{p.relative_to(root)}:{i}"
        for p in root.rglob("*.py")
        for i, line in enumerate(p.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"\.compute\((?!callbacks)", line) and "``" not in line
    ]
    assert bare == []


def test_training_does_not_import_a_compiler():
    code = """
import sys
import numpy as np
import atomscope as ats
patches = np.random.default_rng(0).normal(size=(100, 8, 8)).astype("float32")
model = ats.fit(patches, ats.RVAE(hidden=8), epochs=1)
ats.encode(model, patches)
print([m for m in ("torch._dynamo", "sympy") if m in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
