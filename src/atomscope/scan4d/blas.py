"""One BLAS thread in each of our own threads: two pools that take turns on the same cores are slower than one."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_lock = threading.Lock()
_users = 0
_limit: Any = None
#: Modules that bring a BLAS of their own.
_BRINGERS = ("numpy", "scipy.linalg", "torch")


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Keep BLAS to one thread while any caller is inside.

    The setting belongs to the whole process; it comes back when the last caller has left.
    """
    global _users, _limit
    with _lock:
        _users += 1
        if _users == 1:
            _limit = _limited()
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0 and _limit is not None:
                _limit.restore_original_limits()
                _limit = None


def _limited() -> Any:
    controller = _controller(tuple(name in sys.modules for name in _BRINGERS))
    return None if controller is None else controller.limit(limits=1, user_api="blas")


@lru_cache(maxsize=1)
def _controller(_loaded: tuple[bool, ...]) -> Any:
    """Return what sets the threads of the libraries that are loaded; to look for them takes 2 ms."""
    try:
        from threadpoolctl import ThreadpoolController  # comes with scikit-learn
    except ImportError:
        return None
    return ThreadpoolController()
