"""What a taught finder promises of each class, in words."""

from __future__ import annotations

from typing import Any

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
        A line for each class, in the finder's order; none for a finder that was not taught.
    """
    if finder.taught is None:
        return []
    examples, expected = finder.meta.get("annotated", {}), finder.meta.get("expected_f1_by_class", {})
    return [_line(name, examples.get(name), expected.get(name)) for name in finder.taught.classes]


def _line(name: str, examples: int | None, f1: float | None) -> str:
    told = f"{name}: " + ("" if examples is None else f"{examples} example{'' if examples == 1 else 's'}, ")
    if f1 is None:
        return told + "too few marks to say how many will be found" + (": mark more" if examples is not None else "")
    if f1 < POOR:
        return told + f"{'none' if f1 == 0 else 'few'} will be found (F1 to be expected {f1:.2f}): mark more"
    told += f"F1 to be expected {f1:.2f}"
    return told + (", a guess from so few: mark more" if examples is not None and examples < FEW else "")
