"""What is said while a command runs: progress bars on standard error, numbers on standard output."""

from __future__ import annotations

import json
import sys
import weakref
from typing import Any, ClassVar

import click

from atomscope.data import Progress, counted


class Bar:
    """A progress bar a step, on standard error."""

    _all: ClassVar[weakref.WeakSet[Bar]] = weakref.WeakSet()

    def __init__(self) -> None:
        self._bar: Any = None
        self._what = ""
        Bar._all.add(self)

    def __call__(self, progress: Progress) -> None:
        """Show a report."""
        from tqdm import tqdm

        if self._bar is None or progress.what != self._what:
            self.close()
            self._what = progress.what
            self._bar = tqdm(total=progress.total, desc=progress.what, unit="", leave=True, file=sys.stderr)
        self._bar.total = progress.total
        self._bar.update(max(0, progress.done - self._bar.n))
        if isinstance(progress.payload, dict) and "loss" in progress.payload:
            self._bar.set_postfix(loss=f"{float(progress.payload['loss']):.4g}", refresh=False)

    @classmethod
    def close_all(cls) -> None:
        """Finish what is shown, so that words have a line of their own."""
        for bar in list(cls._all):
            bar.close()

    def close(self) -> None:
        """Finish the bar that is shown."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def count(n: int, one: str) -> str:
    """Return a number and its noun; the number as a program reads it."""
    return counted(n, one, separator="")


def say(numbers: dict[str, float], as_json: bool) -> None:
    """Print numbers by name."""
    if as_json:
        click.echo(json.dumps({k: None if v != v else v for k, v in numbers.items()}, indent=2))
        return
    for name, value in numbers.items():
        click.echo(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}")
