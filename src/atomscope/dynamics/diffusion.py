"""How fast tracks wander: the diffusion coefficient with its interval."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.special import ndtr, stdtrit

from atomscope.data import counted
from atomscope.data.params.dynamics import DiffusionParams
from atomscope.dynamics.msd import common_movement, displacement_sums, msd_table, odd_step, step_sums
from atomscope.dynamics.tracks import Linked, frame_step
from atomscope.errors import InputError

#: Fewer tracks than this say nothing of how much tracks differ: no interval is given.
FEWEST_TRACKS = 10
#: More tracks are put together at random into so many bundles before sets of them are drawn.
_BUNDLES = 2000
_LONGEST = 20
#: How many standard deviations of chance the tracks' common movement may have before it is called a drift.
_DRIFT = 5.0
#: Steps shorter than this part of the largest coordinate are none.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Diffusion:
    """A diffusion coefficient in two dimensions, and what it was read from.

    Parameters
    ----------
    D : float
        In ``unit``; :math:`<r^2> = 4 D t`.
    ci : tuple of float
        95 % interval; NaN where there are too few tracks (``notes`` says so).
    unit : str
        ``nm^2/s``; with ``px`` or ``frame`` where the sites have no size of a pixel or time of a frame.
    sigma : float
        Standard error of a place along one axis, nm or px; 0 where places are exact, NaN where noise hides it.
    method : str
        ``covariance`` or ``fit``: which of ``estimates`` ``D`` is.
    n_tracks : int
        Tracks with at least one step.
    estimates : pandas.DataFrame
        All estimators that the tracks allow; where places are exact ``correlation_factor`` is D at long lags over that
        of single steps.
    msd : pandas.DataFrame
        A row a lag: over all pairs of all tracks, with the standard error between tracks, and from each track's first
        place only (``msd_from_start``).
    tracks : pandas.DataFrame
        A row a track: its frames, its own D (rough) and its own mean squared displacements.
    notes : tuple of str
        What a reader should know before trusting the number.
    """

    D: float
    ci: tuple[float, float]
    unit: str
    sigma: float
    method: str
    n_tracks: int
    estimates: pd.DataFrame
    msd: pd.DataFrame
    tracks: pd.DataFrame
    notes: tuple[str, ...] = ()

    def table(self) -> pd.DataFrame:
        """Return a row an estimator: D, its interval, the error of a place; units in the names."""
        return self.estimates.copy()

    def told(self) -> str:
        """Return D with its interval, and of how many tracks, as a line of text."""
        low, high = self.ci
        between = f"{low:.4g} to {high:.4g}" if np.isfinite([low, high]).all() else "no interval"
        return f"D = {self.D:.4g} {self.unit} ({between}), {counted(self.n_tracks, 'track')}"


def best_lags(noise: float, frames: float) -> int:
    """Return with how many lags a line tells D best (Michalet and Berglund 2012, eq. for the slope).

    Parameters
    ----------
    noise : float
        ``sigma^2 / (D dt)``; below 0 counts as 0.
    frames : float
        Of a track.
    """
    many = 0.8 + 0.564 * frames
    few = 2 + 1.35 * max(noise, 0.0) ** 0.6 if np.isfinite(noise) else many
    return max(2, int(few * many / (few**3 + many**3) ** (1 / 3)))


def measure_diffusion(
    linked: Linked,
    points: np.ndarray,
    params: DiffusionParams,
    frame_time: float = 1.0,
    units: tuple[str, str] = ("px", "frame"),
) -> Diffusion:
    """Return the diffusion coefficient of tracks.

    Parameters
    ----------
    linked : Linked
    points : numpy.ndarray, shape (n, 2)
        Places in units of length.
    params : DiffusionParams
    frame_time : float
    units : (str, str)
        Of length and time.

    Raises
    ------
    InputError
        If no track has two places in successive frames, or too few lags can be seen for a line.

    References
    ----------
    C. L. Vestergaard, P. C. Blainey and H. Flyvbjerg, Phys. Rev. E 89 (2014) 022726. X. Michalet, Phys. Rev. E 82
    (2010) 041914; with A. J. Berglund, Phys. Rev. E 85 (2012) 061916. T. C. Hesterberg, Am. Stat. 69 (2015) 371
    (the interval: percentiles, widened for few tracks).
    """
    lengths, notes, (length, time) = np.diff(linked.starts), [], units
    if lengths.max() < 2:
        raise InputError("diffusion: every track has a single site; link with a larger distance, or over more frames")
    if not _moving(linked, points):  # what is left is rounding
        notes.append("nothing moves: every place is the same in the next frame")
        points = np.zeros_like(points)
    points, shrunk, together = common_movement(linked, points, params.drift == "remove")
    if together > _DRIFT and params.drift == "keep":
        notes.append("tracks move together more than chance lets them: correct the drift, or use drift='remove'")
    odd = odd_step(linked, points)
    if odd is not None:
        notes.append(
            f"from frame {odd - 1} to {odd} nearly all tracks move far more than usual: the lattice changed, or frames "
            "are missing; measure what lies before and after apart"
        )
    sums = step_sums(linked, points, params.hop_distance)
    if sums[:, 4].sum() == 0:
        step = frame_step(linked.frame)
        hint = f"only one frame in {step} has tracks: number those 0, 1, 2, ... and give the time between them"
        hint = hint if step > 1 else "link with a larger distance"
        raise InputError(f"diffusion: no track has places in two successive frames; {hint}")
    reader = _Reader(params, frame_time)
    first = reader.read(sums.sum(0))
    moves = first["covariance"] * frame_time
    noise = float(first["sigma2_covariance"] / moves) if moves > 0 else np.inf
    best = best_lags(noise, float(np.median(lengths)))
    lags = params.max_lag or max(int(np.clip(np.median(lengths[lengths > 1]) // 4, 4, _LONGEST)), best)
    lags = min(max(lags, params.fit_lags[1] if params.fit_lags else 2), int(lengths.max() * 2))
    square, pairs = displacement_sums(linked, points, lags)
    sums = np.hstack([sums, square, pairs])
    sums[:, :4] /= shrunk
    sums[:, 7 : 7 + lags] /= shrunk
    reader = reader.with_line(sums.sum(0), lags, best)
    total = reader.read(sums.sum(0))
    exact = params.localisation == "none"
    method = params.method
    if method == "auto":  # a line is surer where places are off by more than they move in a frame
        method = "fit" if exact or noise > 1 else "covariance"
    if np.isnan(total[method]):
        what = "three successive frames" if method == "covariance" else "two or more of the lags of the fit"
        raise InputError(f"diffusion: no track has places at {what}; wanted longer tracks, or another method")
    moved = sums[:, 7 + lags :].sum(1) > 0
    n = int(moved.sum())
    if n < FEWEST_TRACKS:
        notes.append(f"{counted(n, 'track')}: too few for an interval, which wants {FEWEST_TRACKS} or more")
    if total[method] <= 0 and not exact and points.any():
        notes.append("D is not above 0: the error of places hides whatever movement there is")
    low, high = _interval(reader, sums[moved], params)
    rows, sigma = [], {}
    for name in ("covariance", "fit", "hops"):
        sigma2 = total.get(f"sigma2_{name}", np.nan)
        row = {"estimator": name, f"D_{length}2_per_{time}": float(total[name])}
        row |= {"ci_low": low[name], "ci_high": high[name]}
        sigma[name] = row[f"sigma_{length}"] = float(np.sqrt(sigma2)) if sigma2 >= 0 else np.nan
        row["correlation_factor"] = np.nan
        if exact and name == "fit" and total["covariance"] > 0:
            row["correlation_factor"] = total[name] / total["covariance"]
        rows.append(row)
    estimates = pd.DataFrame(rows)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = pd.DataFrame(square / shrunk / pairs, columns=[f"msd_{k}_{length}2" for k in range(1, lags + 1)])
        rough = reader.read(sums)["covariance"]
    own = pd.concat([pd.DataFrame({"track": linked.ids, "frames": lengths, estimates.columns[1]: rough}), own], axis=1)
    return Diffusion(
        D=float(total[method]),
        ci=(low[method], high[method]),
        unit=f"{length}^2/{time}",
        sigma=sigma[method],
        method=method,
        n_tracks=n,
        estimates=estimates[np.isfinite(estimates.iloc[:, 1])].reset_index(drop=True),
        msd=msd_table(linked, points, square / shrunk, pairs, frame_time, units),
        tracks=own,
        notes=tuple(notes),
    )


def _moving(linked: Linked, points: np.ndarray) -> bool:
    """Say whether any track has two places that differ by more than rounding."""
    inside = np.ones(len(points) - 1, bool)
    inside[linked.starts[1:-1] - 1] = False
    steps = np.abs(np.diff(points, axis=0)[inside])
    return bool(steps.max(initial=0.0) > _ROUNDING * np.abs(points).max())


@dataclass(frozen=True)
class _Reader:
    """From sums to coefficients.

    The last axis of sums: squared steps (row, col), products of neighbouring steps (row, col), how many of either,
    hops; then squared displacements and pairs of each lag.
    """

    params: DiffusionParams
    frame_time: float
    slope: np.ndarray = field(default_factory=lambda: np.zeros(0))
    intercept: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def read(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        """Return D of each estimator and the squared error of a place; NaN where nothing can be said."""
        dt, blur, lags = self.frame_time, self.params.exposure / 6, len(self.slope)
        with np.errstate(invalid="ignore", divide="ignore"):
            step = sums[..., :2].sum(-1) / sums[..., 4] / 2
            turn = sums[..., 2:4].sum(-1) / sums[..., 5] / 2
            out = {"covariance": (step / 2 + turn) / dt, "sigma2_covariance": blur * step + (2 * blur - 1) * turn}
            if self.params.localisation == "none":
                out = {"covariance": step / 2 / dt, "sigma2_covariance": np.zeros_like(step)}
            distance = self.params.hop_distance or np.nan
            out["hops"] = sums[..., 6] / sums[..., 4] * distance**2 / 4 / dt
            out["fit"] = out["sigma2_fit"] = np.full_like(step, np.nan)
            if lags and self.slope.any():
                used = self.slope != 0
                msd = (sums[..., 7 : 7 + lags] / sums[..., 7 + lags :])[..., used]
                out["fit"] = msd @ self.slope[used] / 4 / dt
                out["sigma2_fit"] = msd @ self.intercept[used] / 4 + 2 * blur * out["fit"] * dt
                if self.params.localisation == "none":
                    out["sigma2_fit"] = np.zeros_like(step)
        return out

    def with_line(self, total: np.ndarray, lags: int, best: int) -> _Reader:
        """Return the reader with the weighted line through the lags that are to be used."""
        lag = np.arange(1, lags + 1)
        square, pairs = total[7 : 7 + lags], total[7 + lags :]
        low, high = (lags // 3 + 1, lags) if self.params.localisation == "none" else (1, best)
        low, high = self.params.fit_lags or (low, high)
        used = (lag >= low) & (lag <= high) & (pairs > 0)
        if used.sum() < 2:
            return replace(self, slope=np.zeros(lags), intercept=np.zeros(lags))
        # Displacements over long lags overlap: of so many pairs, one in `lag` is new; each scatters as its own mean.
        msd = np.maximum(square / np.maximum(pairs, 1), 1e-300)
        weight = np.where(used, pairs / lag / np.where(used, msd / msd[used].max(), 1.0) ** 2, 0)
        design = np.stack([np.ones(lags), lag.astype(float)], 1)
        line = np.linalg.solve(design.T @ (weight[:, None] * design), design.T * weight)
        return replace(self, slope=np.where(used, line[1], 0), intercept=np.where(used, line[0], 0))


def _interval(reader: _Reader, sums: np.ndarray, params: DiffusionParams) -> tuple[dict[str, float], dict[str, float]]:
    """Return the ends of the 95 % interval of each estimator, from sets of tracks drawn with replacement."""
    names, n = ("covariance", "fit", "hops"), len(sums)
    if n < FEWEST_TRACKS:
        return dict.fromkeys(names, np.nan), dict.fromkeys(names, np.nan)
    rng = np.random.default_rng(params.seed)
    if n > _BUNDLES:
        order = rng.permutation(n)
        sums, n = np.add.reduceat(sums[order], np.arange(_BUNDLES) * n // _BUNDLES, axis=0), _BUNDLES
    drawn = reader.read(rng.multinomial(n, np.full(n, 1 / n), params.resamples).astype(np.float64) @ sums)
    tail = float(ndtr(stdtrit(n - 1, 0.025) * np.sqrt(n / (n - 1))))
    ends = {}
    for name in names:
        good = drawn[name][np.isfinite(drawn[name])]
        ends[name] = np.quantile(good, [tail, 1 - tail]) if len(good) > params.resamples // 2 else (np.nan, np.nan)
    return {k: float(v[0]) for k, v in ends.items()}, {k: float(v[1]) for k, v in ends.items()}
