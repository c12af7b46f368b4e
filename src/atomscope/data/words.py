"""Numbers with their nouns, as a person says them: one class, two classes."""

from __future__ import annotations


def counted(n: int, one: str, several: str | None = None, separator: str = ",") -> str:
    """Return a number and its noun: ``1 class``, ``2 classes``, ``1,200 sites``.

    Parameters
    ----------
    n : int
    one : str
        What one is called; a verb may follow: ``counted(n, "patch is", "patches are")``.
    several : str, optional
        What several (or none) are called; by default ``one`` with an s (``es`` after s, x, sh and tch).
    separator : str
        Between thousands; empty where a program may read the number.
    """
    number = f"{int(n):,}".replace(",", separator)
    if n == 1:
        return f"{number} {one}"
    return f"{number} {several or one + ('es' if one.endswith(('s', 'x', 'sh', 'tch')) else 's')}"
