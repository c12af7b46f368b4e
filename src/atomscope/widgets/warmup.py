"""Load what training needs before it is asked for."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import os
import sys
from pathlib import Path

from qtpy.QtCore import QRunnable, QThreadPool

from atomscope.widgets.pauses import short_pauses

_NEEDED = ("atomscope.models", "atomscope.latent")


class _Warmup(QRunnable):
    def run(self) -> None:
        """Import; what goes wrong is told when the work itself imports it."""
        short_pauses.begin()
        try:
            _load_library()
            for name in _NEEDED:
                importlib.import_module(name)
        except Exception:
            return
        finally:
            short_pauses.end()


def warm_up() -> None:
    """Import torch and its friends in the background: a second or two, in which the window goes on."""
    pool = QThreadPool.globalInstance()
    if pool is not None and any(name not in sys.modules for name in _NEEDED):
        pool.start(_Warmup())


def _load_library() -> None:
    """Map torch's library without holding the interpreter.

    ``import`` holds it while the system maps and relocates 400 MB: 0.2 s at best, seconds from a cold disk.
    """
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None or sys.platform == "win32":
        return
    for name in ("libtorch_cpu.so", "libtorch_cpu.dylib"):
        path = Path(spec.origin).parent / "lib" / name
        if path.exists():
            with contextlib.suppress(AttributeError, OSError):  # a call through ctypes lets other threads run
                ctypes.CDLL(None).dlopen(ctypes.c_char_p(os.fsencode(path)), ctypes.c_int(os.RTLD_LAZY))
