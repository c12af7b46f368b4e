"""Choosing one data set of several."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from atomscope.errors import ChoiceNeededError, UnknownFormatError
from atomscope.io.readers.base import DatasetInfo


def pick(path: Path, found: Sequence[DatasetInfo], key: str | None) -> DatasetInfo:
    """Return the data set named by ``key``, or the only one.

    Raises
    ------
    UnknownFormatError
        If there is none.
    ChoiceNeededError
        If there are several and no key, or the key is not one of them.
    """
    if not found:
        raise UnknownFormatError(f"{path}: holds no array of numbers that could be an image or a stack of images")
    keys = [d.key for d in found]
    if key is None:
        if len(found) == 1:
            return found[0]
        listing = "; ".join(str(d) for d in found[:12]) + ("; ..." if len(found) > 12 else "")
        raise ChoiceNeededError(
            f"{path}: holds {len(found)} data sets, name one, for example key={keys[0]!r}: {listing}", keys
        )
    for info in found:
        if key.strip("/") == info.key.strip("/"):
            return info
    near = difflib.get_close_matches(key, keys, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ChoiceNeededError(
        f"{path}: has no data set {key!r}{hint}; there are: {', '.join(map(repr, keys[:12]))}", keys
    )
