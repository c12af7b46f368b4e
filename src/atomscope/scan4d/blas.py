"""One BLAS thread in each of our own threads: two pools that take turns on the same cores are slower than one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

_lock = threading.Lock()
_users = 0
_limit: Any = None


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
    try:
        from threadpoolctl import threadpool_limits  # comes with scikit-learn
    except ImportError:
        return None
    return threadpool_limits(1, "blas")
