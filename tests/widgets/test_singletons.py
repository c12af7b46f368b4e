from __future__ import annotations

import subprocess
import sys

import pytest

FLOOD = """
import importlib
try:
    importlib.import_module("PySide6.QtCore")
except ImportError:
    raise SystemExit(77)
import atomscope.widgets
from PySide6.QtCore import QObject, Signal
class Sender(QObject):
    done = Signal()
sender = Sender()
for i in range(100_000):
    sender.done.emit()
    sender.parent()
"""


def test_a_long_session_under_pyside6_does_not_use_up_true_and_none():
    done = subprocess.run([sys.executable, "-c", FLOOD], capture_output=True, text=True, timeout=60)
    if done.returncode == 77:
        pytest.skip("PySide6 is not installed")
    assert done.returncode == 0, done.stderr
