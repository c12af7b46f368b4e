"""Displays, real and virtual, and waiting for a window to be drawn."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def has_display() -> bool:
    """Whether a window can be opened here."""
    if os.environ.get("QT_QPA_PLATFORM", "") in ("offscreen", "minimal"):
        return False
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextmanager
def virtual_display(size: str = "1600x1000") -> Iterator[dict[str, str] | None]:
    """Start Xvfb and yield the environment for processes that draw on it; None when there is no Xvfb."""
    if not sys.platform.startswith("linux") or not shutil.which("Xvfb"):
        yield None
        return
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{size}x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        os.close(write)
        with os.fdopen(read) as pipe:
            display = pipe.readline().strip()
        env = {k: v for k, v in os.environ.items() if k not in ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY")}
        yield {**env, "DISPLAY": f":{display}", "LIBGL_ALWAYS_SOFTWARE": "1"} if display else None
    finally:
        server.terminate()
        server.wait()


def settle(ready: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Let the event loop run until ``ready`` or until the time is over; return whether it was ready."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        if ready():
            return True
        time.sleep(0.01)
    return False
