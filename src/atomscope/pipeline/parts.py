"""Several passes over the data, reported as one."""

from __future__ import annotations

from dataclasses import replace

from atomscope.data import OnProgress, Progress


def part_of(on_progress: OnProgress | None, i: int, n: int) -> OnProgress | None:
    """Return what the i-th of n equal passes reports to, so that they are seen as one."""
    if on_progress is None:
        return None

    def part(progress: Progress) -> None:
        on_progress(replace(progress, done=progress.done + i * progress.total, total=n * progress.total))

    return part
