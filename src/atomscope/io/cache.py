"""Where results that can be made again are kept: a folder of the user, or one beside the data."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atomscope.data import Stack
from atomscope.io.plain import to_json


def cache_folder() -> Path:
    """Return the user's folder for cached results; ``ATOMSCOPE_CACHE`` names another one."""
    told = os.environ.get("ATOMSCOPE_CACHE")
    if told:
        return Path(told).expanduser()
    try:
        from platformdirs import user_cache_path  # comes with napari
    except ImportError:
        return Path("~/.cache/atomscope").expanduser()
    return Path(user_cache_path("atomscope", appauthor=False))


def source_key(stack: Stack, about: Mapping[str, Any]) -> str | None:
    """Return a key of what a stack was read from and of parameters; None when it cannot be known again.

    Another file, a file that was changed, another data set of it or another way to open it gives another key.
    """
    path = Path(stack.source) if stack.source else None
    if stack.derived or path is None or not path.exists():
        return None
    files = [path, *sorted(path.iterdir())] if path.is_dir() else [path]
    stamp = [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files[:1000]]
    told = {k: stack.metadata.get(k) for k in ("dataset", "opened", "key", "format", "part")}
    whole = [str(path.resolve()), stamp, stack.shape, str(stack.data.dtype), told, dict(about)]
    return hashlib.sha256(to_json(whole, "key").encode()).hexdigest()[:24]
