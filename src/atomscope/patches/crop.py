"""Cut a window round each site, frame by frame, in bounded memory."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from atomscope.data import (
    Normalisation,
    OnProgress,
    Patches,
    Provenance,
    ShouldStop,
    Sites,
    Stack,
    report,
)
from atomscope.data.params import CropParams
from atomscope.data.sites import add_flags
from atomscope.errors import InputError, Stopped
from atomscope.patches import normalise as norm
from atomscope.patches.plan import Plan, plan_windows
from atomscope.patches.read import read_frames
from atomscope.patches.sample import FrameSampler, inside
from atomscope.patches.store import MemorySink, Sink, ZarrSink, collecting
from atomscope.patches.turned import TurnedSampler

log = logging.getLogger(__name__)

#: Float32 values that are cut, judged and normalised in one go, while they are in the processor's cache. With a third
#: of it the cost of the calls is felt (1.3 times the time), with more nothing is gained.
_BLOCK_VALUES = 3 << 16
#: Elements of numpy's buffer. Where each window has a number of its own (its mean, its weight), numpy copies the number
#: into the buffer, once for every pixel, unless the window fills the buffer: a small one saves a fifth of the time.
_BUFFER = 256


def crop(
    stack: Stack,
    sites: Sites,
    params: CropParams | None = None,
    *,
    out: Path | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Patches:
    """Cut a window centred on each site.

    The centre of a window of n pixels is at index ``(n - 1) / 2``. Patches come in frame order, and in the order of the
    table within a frame; they are joined to the sites by id. No site is lost silently: ``Patches.flags`` says why.

    ==============  ============================================  ==========================================
    flag            meaning                                       the window
    ==============  ============================================  ==========================================
    ``edge``        it leaves the image                           ``drop``: none; ``pad``: edge values;
                                                                  ``nan``: NaN outside
    ``nan``         it holds pixels that are not finite           ``drop``: none; ``pad``: the mean of the
                                                                  others; ``nan``: NaN there
    ``constant``    all its pixels (frame: of the frame) are      kept, scale 1
                    equal, so it could not be scaled
    ``outside``     the site is not in the image                  none
    ``no frame``    the stack has no such frame                   none
    ``no position`` row or column is not finite                   none
    ``no angle``    the window should be turned with it           none
    ==============  ============================================  ==========================================

    Parameters
    ----------
    stack : Stack
        Each frame that has sites is read once.
    sites : Sites
    params : CropParams, optional
    out : pathlib.Path, optional
        Folder of a Zarr group to write; only one shard is in memory. In memory when absent.
    on_progress : callable, optional
        Called after each frame.
    should_stop : callable, optional

    Returns
    -------
    Patches
        ``values`` of shape (n, rows, cols), float32.

    Raises
    ------
    ShapeError
        If windows are larger than the image and should be dropped.
    CalibrationError
        If the window is in nm and the image is not calibrated.
    InputError
        If there is not enough memory; ``out`` needs less.
    SaveError
        If ``out`` cannot be written; what was there before is untouched.
    Stopped
        When asked to; ``partial`` holds the patches of the frames done (None with ``out``).
    """
    params = params or CropParams()
    plan = plan_windows(stack.shape, sites, params, stack.axes)
    sink = _sink(plan, out)
    work = _Work(stack, plan, params, sink)
    frames, starts = np.unique(plan.frame, return_index=True)
    ends = np.append(starts[1:], len(plan))
    with collecting(sink, work.patches):
        for i, (_, pixels) in enumerate(read_frames(stack, frames)):
            work.frame(pixels, int(starts[i]), int(ends[i]))
            report(on_progress, i + 1, len(frames), "frames")
            if i + 1 < len(frames) and should_stop is not None and should_stop():
                raise Stopped(f"cropping stopped after {i + 1} of {len(frames)} frames")
        return sink.seal(work.patches())


def _sink(plan: Plan, out: Path | None) -> Sink:
    if out is not None:
        return ZarrSink(Path(out), len(plan), plan.window)
    try:
        return MemorySink(len(plan), plan.window)
    except MemoryError as error:
        size = len(plan) * plan.window[0] * plan.window[1] * 4 / 1e9
        raise InputError(
            f"crop: {len(plan)} windows of {plan.window[0]} x {plan.window[1]} px need {size:.1f} GB of memory, which "
            "there is not; give a folder (out=...) to write them to, or take a smaller window"
        ) from error


class _Work:
    """What is known while the frames go by."""

    def __init__(self, stack: Stack, plan: Plan, params: CropParams, sink: Sink) -> None:
        self.stack, self.plan, self.params, self.sink = stack, plan, params, sink
        beyond = bool(plan.leaves.any())
        self.sampler: FrameSampler | TurnedSampler
        if params.resampled:
            self.sampler = TurnedSampler(plan.window, params.binning, params.interpolation)
        else:
            self.sampler = FrameSampler(stack.frame_shape, plan.window, params.interpolation, beyond=beyond)
        n = len(plan)
        self.kept = np.empty(n, np.int64)  # index in the plan of each window that was committed
        self.mean = np.zeros(n)
        self.deviation = np.ones(n)
        self.count = np.full(n, plan.window[0] * plan.window[1], np.int64)
        self.flags = np.full(n, "", dtype=object)  # of the windows of the plan
        self.done = 0
        self.block = max(1, _BLOCK_VALUES // (plan.window[0] * plan.window[1]))

    def frame(self, pixels: np.ndarray, start: int, end: int) -> None:
        """Cut the windows ``start`` to ``end`` of the plan from their frame."""
        plan, done = self.plan, start
        if isinstance(self.sampler, TurnedSampler):
            angle = np.zeros(end - start) if plan.angle is None else plan.angle[start:end]
            self.sampler.load(pixels, plan.top[start:end], plan.left[start:end], angle)
        else:
            self.sampler.load(pixels, plan.top[start:end], plan.left[start:end])
        of_frame = norm.frame_moments(self.sampler.pixels) if self.params.normalise == "frame" else None
        with np.errstate():  # numpy's buffer has its old length again afterwards
            np.setbufsize(_BUFFER)
            while done < end:
                room = self.sink.reserve(min(end - done, self.block))
                self.sampler.read(slice(done - start, done - start + len(room)), room)
                this = self._judge(room, np.arange(done, done + len(room)))
                self._measure(room[: len(this)], this, of_frame)
                self.sink.commit(len(this))
                done += len(room)

    def _judge(self, room: np.ndarray, this: np.ndarray) -> np.ndarray:
        """Treat windows that leave the image or hold bad pixels; returns those kept, moved to the front."""
        if self.sampler.bad is not None or (self.params.edge == "nan" and self.plan.leaves[this].any()):
            this = self._treat(room, this)
        self.kept[self.done : self.done + len(this)] = this
        self.done += len(this)
        return this

    def _treat(self, room: np.ndarray, this: np.ndarray) -> np.ndarray:
        edge, (h, w), (rows, cols) = self.params.edge, self.plan.window, self.stack.frame_shape
        held = np.isnan(room).any(axis=(1, 2))
        self.flags[this[held]] = "nan"
        if edge == "nan":
            beyond = self.plan.leaves[this]
            for k in np.flatnonzero(beyond):
                i = this[k : k + 1]
                mask = inside(self.plan.top[i], h, rows)[0][:, None] & inside(self.plan.left[i], w, cols)[0]
                room[k][~mask] = np.nan
            for k in np.flatnonzero(beyond | held):
                self.count[this[k]] = np.isfinite(room[k]).sum()
            keep = np.ones(len(this), bool)
        elif edge == "pad":
            keep = ~held
            for k in np.flatnonzero(held):
                gaps = np.isnan(room[k])
                if not gaps.all():
                    room[k][gaps] = np.float32(room[k][~gaps].mean(dtype=np.float64))
                    keep[k] = True
        else:
            keep = ~held
        if not keep.all():
            room[: keep.sum()] = room[keep]
            this = this[keep]
        return this

    def _measure(self, room: np.ndarray, this: np.ndarray, of_frame: tuple[float, float] | None) -> None:
        """Take the statistics of the windows ``this`` and, where they are known already, normalise."""
        mode = self.params.normalise
        if mode == "none" or not len(this):
            return
        if of_frame is not None:
            mean, deviation = (np.full(len(this), value) for value in of_frame)
        else:
            mean, deviation = norm.standardise(room) if mode == "patch" else norm.moments(room)
        self.mean[this], self.deviation[this] = mean, deviation
        if mode == "frame":
            offset, scale, _ = norm.offset_and_scale(mean, deviation)
            norm.apply(room, offset, scale)

    def patches(self) -> Patches:
        """Finish: what was committed, its normalisation, and the reasons of the rest."""
        plan, mode = self.plan, self.params.normalise
        values = self.sink.finish()
        kept = self.kept[: self.done]
        mean, deviation = self.mean[kept], self.deviation[kept]
        if mode == "dataset" and len(kept):
            pooled = norm.pooled_moments(mean, deviation, self.count[kept])
            mean, deviation = (np.full(len(kept), value) for value in pooled)
        offset, scale, constant = norm.offset_and_scale(mean, deviation)
        if mode != "none":
            which = kept[constant]
            self.flags[which] = add_flags(self.flags[which], np.full(len(which), "constant", dtype=object))
        if mode == "dataset" and len(kept):
            self.sink.transform(offset, scale)
        rows, cols = self.stack.pixel_axes
        return Patches(
            values,
            plan.site[kept],
            Normalisation(mode, offset, scale),
            (rows.scale * plan.binning, cols.scale * plan.binning),
            rows.unit,
            self._all_flags(),
            self._provenance(),
        )

    def _all_flags(self) -> dict[int, str]:
        """Join the reasons of the plan with those seen in the pixels."""
        flags = dict(self.plan.flags)
        for i in np.flatnonzero(self.flags != ""):
            site = int(self.plan.site[i])
            flags[site] = ";".join(r for r in (flags.get(site, ""), self.flags[i]) if r)
        return flags

    def _provenance(self) -> Provenance:
        params: dict[str, Any] = self.params.model_dump(mode="json")
        return Provenance("crop", params, self.stack.source)
