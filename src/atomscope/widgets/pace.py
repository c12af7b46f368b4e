"""How long work will still take, told only when it can be known."""

from __future__ import annotations

from collections import deque

#: Reports and seconds that are needed before anything is said: the first steps are slow and tell nothing.
_LEAST_REPORTS, _LEAST_SECONDS = 4, 3.0
#: The speed is that of so many last seconds, and never of fewer than the last reports.
_WINDOW = 30.0
#: How much of a new estimate is believed; the rest is the old one.
_BELIEF = 0.3


class Pace:
    """Estimates the seconds that are left from reports of what is done.

    Notes
    -----
    The speed is that between the oldest and the newest report of the last half minute, without the time before the
    first report: loading a network and the first step of a training take much longer than the next ones. Estimates
    are smoothed, and between them the time passes.
    """

    def __init__(self) -> None:
        self._reports: deque[tuple[float, int]] = deque()
        self._of: tuple[int, str] = (0, "")
        self._end: float | None = None

    def forget(self) -> None:
        """Begin anew."""
        self._reports.clear()
        self._end = None

    def report(self, now: float, done: int, total: int, what: str = "") -> float | None:
        """Take a report and return the seconds left; None as long as nobody knows.

        Parameters
        ----------
        now : float
            Seconds of a clock that never goes back.
        done, total : int
        what : str
            Name of the units: with other units, or another total, begins another estimate.
        """
        if (total, what) != self._of or (self._reports and done < self._reports[-1][1]):
            self.forget()
            self._of = (total, what)
        if not self._reports or done > self._reports[-1][1]:
            self._reports.append((now, done))
        while len(self._reports) > _LEAST_REPORTS and now - self._reports[1][0] > _WINDOW:
            self._reports.popleft()
        (t0, n0), (t1, n1) = self._reports[0], self._reports[-1]
        if not 0 < done < total or len(self._reports) < _LEAST_REPORTS or t1 - t0 < _LEAST_SECONDS:
            return None
        end = t1 + (t1 - t0) / (n1 - n0) * (total - n1)
        self._end = end if self._end is None else self._end + _BELIEF * (end - self._end)
        return max(self._end - now, 0.0)


def in_words(seconds: float) -> str:
    """Say a time as precisely as it is known: 25 s, 4 min, 1 h 20 min."""
    if seconds < 55:
        return f"{max(5, 5 * round(seconds / 5))} s"
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {5 * (minutes % 60 // 5):02d} min"
