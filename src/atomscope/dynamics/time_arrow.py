"""Which way time runs, told by predictions: a model trained forwards and one backwards, on tracks they did not see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from atomscope.dynamics.reversal import FEWEST_TRACKS, chance, turned_round

#: What a part of the tracks has of a direction by chance, the models of the other parts learn, and judge these by: each
#: two parts say the same thing twice, which doubles the variance of the arrow (for any number of parts).
_SHARED = np.sqrt(2)


@dataclass(frozen=True)
class TimeArrow:
    """Predictions forwards and backwards, of tracks that the models did not learn from.

    Parameters
    ----------
    lag : int
        Frames.
    forward, reverse : float
        Negative log likelihood, nats a pixel: of the later window drawn from the earlier one by the model trained
        forwards, and of the earlier drawn from the later by the model trained backwards.
    difference : float
        ``reverse - forward``. Two trainings never end alike, so this differs from 0 by more than ``difference_se``, its
        standard error between tracks, even where time has no direction: read ``easier`` instead.
    difference_se : float
    easier : float
        The same by the mean of both models in either direction, so that how well each was trained cancels. Nats a
        pixel, positive where what comes is easier to tell than what was. It is 0 for whatever is steady, also where
        time has a direction: then only ``arrow`` tells.
    easier_ci : tuple of float
        95 % interval, from how much tracks differ.
    p_easier : float
        How often tracks, each turned round at random, give as large a value of either sign.
    arrow : float
        Nats a pair of windows by which the models know which of the two came first: each window drawn from the other
        by the model of the true direction and by that of the other one. 0 where time has no direction.
    arrow_ci : tuple of float
        95 % interval, from how much tracks differ.
    p : float
        How often chance gives as large an arrow (one-sided): tracks turned round at random, with the scatter that parts
        which judge each other share.
    tracks : pandas.DataFrame
        A row a track: ``track``, ``pairs``, ``forward``, ``reverse``, ``easier``, ``arrow``.
    notes : tuple of str
        What a reader should know before trusting the numbers.
    """

    lag: int
    forward: float
    reverse: float
    difference: float
    difference_se: float
    easier: float
    easier_ci: tuple[float, float]
    p_easier: float
    arrow: float
    arrow_ci: tuple[float, float]
    p: float
    tracks: pd.DataFrame
    notes: tuple[str, ...] = ()

    def table(self) -> pd.DataFrame:
        """Return a row a direction: negative log likelihood a pixel, standard error between tracks, pairs."""
        pairs = self.tracks["pairs"].to_numpy(np.float64)
        errors = [_error(self.tracks[name].to_numpy(), pairs)[1] for name in ("forward", "reverse")]
        nll = {"direction": ["forward", "reverse"], "nats_per_pixel": [self.forward, self.reverse]}
        return pd.DataFrame(nll | {"se": errors, "pairs": int(pairs.sum())})


def compare_directions(
    nats: np.ndarray, track: np.ndarray, pixels: int, lag: int, resamples: int = 1000, seed: int = 0
) -> TimeArrow:
    """Compare what two models say of pairs of windows.

    Parameters
    ----------
    nats : numpy.ndarray, shape (n, 4)
        Negative log likelihoods of a pair: later from earlier by the model trained forwards and by the one trained
        backwards, earlier from later by the one trained forwards and by the one trained backwards.
    track : numpy.ndarray, shape (n,)
    pixels : int
        Of a window, all channels.
    lag : int
    resamples, seed : int
        Of the test.
    """
    ids, of = np.unique(track, return_inverse=True)
    n, pairs = len(ids), np.bincount(of).astype(np.float64)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(of, values) / pairs

    forward, reverse = mean(nats[:, 0]) / pixels, mean(nats[:, 3]) / pixels
    ease = mean(nats[:, 2] + nats[:, 3] - nats[:, 0] - nats[:, 1]) / (2 * pixels)
    knows = mean(nats[:, 1] - nats[:, 0] + nats[:, 2] - nats[:, 3])
    difference, difference_se = _error(reverse - forward, pairs)
    odd = np.stack([ease, knows], 1) * pairs[:, None]
    turned, seen = turned_round(odd, resamples, seed), odd.sum(0)
    p_easier = float(chance(abs(seen[0]), np.abs(turned[:, 0])))
    p = float(chance(seen[1], _SHARED * turned[:, 1]))
    width = float(-stdtrit(n - 1, 0.025)) if n >= FEWEST_TRACKS else np.nan
    (easier, easier_se), (arrow, arrow_se) = _error(ease, pairs), _error(knows, pairs)
    notes = []
    if n < FEWEST_TRACKS:
        notes.append(f"{n} tracks: too few to tell a direction from chance, and for intervals")
    if p >= 0.05 and p_easier >= 0.05 and abs(difference) > 2 * difference_se:
        notes.append(
            "forward and reverse differ by no more than two trainings do: which window came first cannot be told"
        )
    columns = {"forward": forward, "reverse": reverse, "easier": ease, "arrow": knows}
    return TimeArrow(
        lag=lag,
        forward=_error(forward, pairs)[0],
        reverse=_error(reverse, pairs)[0],
        difference=difference,
        difference_se=difference_se,
        easier=easier,
        easier_ci=(easier - width * easier_se, easier + width * easier_se),
        p_easier=p_easier,
        arrow=arrow,
        arrow_ci=(arrow - width * _SHARED * arrow_se, arrow + width * _SHARED * arrow_se),
        p=p,
        tracks=pd.DataFrame({"track": ids, "pairs": pairs.astype(np.int64)} | columns),
        notes=tuple(notes),
    )


def _error(values: np.ndarray, pairs: np.ndarray) -> tuple[float, float]:
    """Return the mean of tracks weighed by their pairs, and its standard error from how tracks differ."""
    n, total = len(values), pairs.sum()
    mean = float((values * pairs).sum() / total)
    if n < 2:
        return mean, float("nan")
    return mean, float(np.sqrt(n / (n - 1) * (((values - mean) * pairs) ** 2).sum()) / total)
