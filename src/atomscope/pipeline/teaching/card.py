"""What a taught finder promises of each class, in words."""

from __future__ import annotations

from typing import Any

from atomscope.data import counted

#: Fewer examples than this say little, and a class with less F1 than this to be expected is mostly missed.
FEW, POOR = 6, 0.5


def class_lines(finder: Any) -> list[str]:
    """Say of each class how well it will be found, and what to do where that is not well.

    Parameters
    ----------
    finder : Finder
        As :func:`~atomscope.pipeline.train_finder` or :func:`~atomscope.pipeline.load_finder` return it.

    Returns
    -------
    list of str
        A line for each class, in the finder's order; none for a finder that was not taught, or of which nothing is
        known by class.
    """
    examples, expected = finder.meta.get("annotated", {}), finder.meta.get("expected_f1_by_class")
    if finder.taught is None or not expected:
        return []
    return [_line(name, int(examples.get(name, 0)), expected.get(name)) for name in finder.taught.classes]


def _line(name: str, examples: int, f1: float | None) -> str:
    told = f"{name}: {counted(examples, 'example')}, "
    if f1 is None:
        return told + "too few marks to say how many will be found: mark more"
    if f1 < POOR:
        return told + f"{'none' if f1 == 0 else 'few'} will be found (F1 to be expected {f1:.2f}): mark more"
    told += f"F1 to be expected {f1:.2f}"
    return told + (", a guess from so few: mark more" if examples < FEW else "")
