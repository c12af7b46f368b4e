"""Which scan a number of frames may be: ranked guesses, from the number itself and from names."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Longer files beside the data are not read for clues.
_SIDECAR_BYTES = 64 * 1024
_SIDECARS = (".hdr", ".xml", ".json", ".txt", ".ini", ".yaml", ".yml")
#: Frames that a scan may leave over, at most: a first one taken before the trigger, a few after the end.
_LEFT_OVER = 2
#: Fly-back columns that are looked for.
_FLYBACK = 4
#: Sides of scans that stopped early, if they did.
_USUAL = (32, 50, 64, 100, 128, 200, 256, 300, 400, 500, 512, 1000, 1024)


@dataclass(frozen=True)
class ScanGuess:
    """One way to lay frames out as a scan.

    Attributes
    ----------
    rows, cols : int
        Scan positions that are kept.
    flyback : int
        Frames after each row that are left out.
    skip : tuple of int
        Frames left out (before, after).
    cost : float
        Smaller is more likely; 0 is a square scan that uses every frame.
    why : str
        Words for a person who has to choose.
    """

    rows: int
    cols: int
    flyback: int = 0
    skip: tuple[int, int] = (0, 0)
    cost: float = 0.0
    why: str = ""

    @property
    def options(self) -> dict[str, Any]:
        """The keywords of ``atomscope.open`` that make it."""
        said: dict[str, Any] = {"scan_shape": (self.rows, self.cols)}
        if self.flyback:
            said["flyback"] = self.flyback
        if any(self.skip):
            said["skip_frames"] = self.skip
        return said

    def __str__(self) -> str:
        text = f"{self.rows} x {self.cols}"
        if self.flyback:
            text += f" and {self.flyback} fly-back"
        before, after = self.skip
        if before:
            text += f", first {before} left out"
        if after:
            text += f", last {after} left out"
        return f"{text} ({self.why})" if self.why else text


def guess_scan_shapes(n_frames: int, clues: str = "", limit: int = 12) -> list[ScanGuess]:
    """Return the likely scan shapes of a number of frames, the likeliest first.

    Parameters
    ----------
    n_frames : int
    clues : str
        Text in which a shape may stand: the file's name, what lies beside it (:func:`clues_of`).
    limit : int

    Returns
    -------
    list of ScanGuess
        Squares and near squares, powers of two, rows with a few fly-back frames, scans with a frame or two too many
        or without their last row; what a name says comes first, if it fits. Empty when nothing is left but one row.
    """
    best: dict[tuple[Any, ...], ScanGuess] = {}
    for guess in (
        *_named(n_frames, clues),
        *_products(n_frames),
        *_flybacks(n_frames),
        *_left_over(n_frames),
        *_unfinished(n_frames),
    ):
        key = (guess.rows, guess.cols, guess.flyback, guess.skip)
        if key not in best or guess.cost < best[key].cost:
            best[key] = guess
    return sorted(best.values(), key=lambda g: (g.cost, abs(g.rows - g.cols), g.rows, g.flyback))[:limit]


def clues_of(path: Path) -> str:
    """Return the words in which a scan's shape may stand: the file's name and small text files beside it."""
    words = [path.stem]
    for ending in _SIDECARS:
        beside = path.with_suffix(ending)
        try:
            if beside != path and beside.is_file() and beside.stat().st_size <= _SIDECAR_BYTES:
                words.append(beside.read_text("utf-8", "replace"))
        except OSError:
            continue
    return "\n".join(words)


def pairs_in(clues: str) -> list[tuple[int, int]]:
    """Return the (rows, cols) that a text speaks of.

    ``scan_x128_y64`` and ``ScanX: 128 ... ScanY: 64`` say cols first; ``64x128`` says rows first.
    """
    found = [(int(y), int(x)) for x, y in re.findall(r"(?i)x[_=]?(\d{1,5})_y[_=]?(\d{1,5})", clues)]
    letters = [re.search(rf'(?i)scan[ _]?{a}"?\s*[:=\t]\s*(\d{{1,5}})', clues) for a in "yx"]
    if all(letters):
        found.append(tuple(int(m[1]) for m in letters if m))  # type: ignore[arg-type]
    rows_cols = re.search(r'(?i)scan[ _]?shape"?\s*[:=]\s*[\[(]?\s*(\d{1,5})\s*[,x ]\s*(\d{1,5})', clues)
    if rows_cols:
        found.append((int(rows_cols[1]), int(rows_cols[2])))
    for run in re.findall(r"(\d{1,5}(?:\s?[xX×]\s?\d{1,5})+)", clues):
        numbers = [int(n) for n in re.split(r"\s?[xX×]\s?", run)]
        found += list(itertools.pairwise(numbers))
    return [pair for pair in dict.fromkeys(found) if min(pair) >= 1]


def _named(n: int, clues: str) -> Iterator[ScanGuess]:
    for place, (rows, cols) in enumerate(pairs_in(clues)):
        if rows == cols == 1:
            continue
        cost = -10.0 + 0.1 * place
        if rows * cols == n:
            yield ScanGuess(rows, cols, cost=cost, why="the name says so")
        elif n > rows * cols and n % rows == 0 and n // rows - cols <= max(_FLYBACK, cols // 4):
            yield ScanGuess(rows, cols, n // rows - cols, cost=cost + 1, why="the name says so")
        elif 0 < n - rows * cols <= max(_LEFT_OVER, cols):
            yield ScanGuess(rows, cols, skip=(0, n - rows * cols), cost=cost + 2, why="the name says so")


def _products(n: int) -> Iterator[ScanGuess]:
    for side in range(1, math.isqrt(n) + 1):
        if n % side == 0 and side > 1:
            other = n // side
            for rows, cols in {(side, other), (other, side)}:
                why = "square" if rows == cols else ""
                yield ScanGuess(rows, cols, cost=_shape_cost(rows, cols), why=why)


def _flybacks(n: int) -> Iterator[ScanGuess]:
    """Rows with frames taken while the beam went back, for squares and for usual sizes near one."""
    for flyback in range(1, _FLYBACK + 1):
        if n < (4 * flyback) ** 2:
            break
        middle = math.isqrt(n + flyback * flyback // 4) - flyback // 2
        for rows in range(max(2, middle // 2), middle * 2 + 2):
            if n % rows == 0 and n // rows > flyback + 1:
                cols = n // rows - flyback
                if rows == cols:
                    yield ScanGuess(rows, cols, flyback, (0, 0), _shape_cost(rows, cols) + 0.2 * flyback, "square")
                elif max(_odd(rows), _odd(cols)) < 1:
                    yield ScanGuess(rows, cols, flyback, (0, 0), _shape_cost(rows, cols) + 0.8 + 0.2 * flyback)


def _left_over(n: int) -> Iterator[ScanGuess]:
    """Square scans of a usual size with a frame or two too many."""
    side = math.isqrt(n)
    extra = n - side * side
    if 0 < extra <= _LEFT_OVER and side > 4:
        cost = _shape_cost(side, side) + 0.8 + 0.2 * extra
        yield ScanGuess(side, side, skip=(extra, 0), cost=cost)
        yield ScanGuess(side, side, skip=(0, extra), cost=cost + 0.05)


def _unfinished(n: int) -> Iterator[ScanGuess]:
    """Guess scans of a usual size that stopped before their last row was done."""
    for cols in _USUAL:
        rows, rest = divmod(n, cols)
        if rest and 0.6 * cols <= rows < cols:
            yield ScanGuess(rows, cols, skip=(0, rest), cost=2.2 + 2 * (1 - rows / cols), why="last row not finished")


def _shape_cost(rows: int, cols: int) -> float:
    """How unlikely a scan of this shape is: squares of usual sizes cost nothing."""
    return 1.2 * abs(math.log2(rows / cols)) + 0.4 * (_odd(rows) + _odd(cols)) - (rows < cols) * 0.01


def _odd(n: int) -> float:
    """0 for a power of two, 0.5 for a round number, 1 for any other."""
    if n & (n - 1) == 0:
        return 0.0
    return 0.5 if n % 10 == 0 or n % 16 == 0 else 1.0
