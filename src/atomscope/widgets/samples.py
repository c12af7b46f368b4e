"""File > Open Sample: the shipped images, lazily, with their calibration."""

from __future__ import annotations

from typing import Any


def _open(name: str) -> list[tuple[Any, dict[str, Any], str]]:
    from atomscope import pipeline
    from atomscope.widgets.reader import image_tuple

    return [image_tuple(pipeline.open_sample(name))]
