"""The arithmetic of a pass on a GPU: the same sums as on the processor, in float64, exact below 2**53."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

import numpy as np

from atomscope import scan4d
from atomscope.errors import InputError

#: Pixels that are on the device at a time: 64 MB of float64, and as much again for what is made of them.
_TILE = 2**23


def kernel_on(device: str) -> scan4d.MakeKernel:
    """Return what makes the kernels of a pass for a device, before anything is read.

    Raises
    ------
    InputError
        If it is none that scans are computed on, or this machine has none.
    """
    if device == "cpu":
        return scan4d.Kernel
    if device.split(":")[0] != "cuda":
        raise InputError(f"device: scans are computed on 'cpu' or 'cuda', got {device!r}")
    import torch

    if not torch.cuda.is_available():
        raise InputError(f"device: this machine has no usable {device!r}; use device='cpu'")
    return partial(DeviceKernel, device=device)


class DeviceKernel:
    """A job for one window of the patterns, done by torch.

    Parameters
    ----------
    job : Job
    window : tuple of slice
        Rows and columns of the pattern that blocks hold.
    device : str
        As torch names it.
    """

    def __init__(self, job: scan4d.Job, window: tuple[slice, slice], device: str) -> None:
        self.job, self.window, self.device = job, window, device
        self.shape = tuple(s.stop - s.start for s in window)

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return DeviceKernel, (self.job, self.window, self.device)

    def run(self, block: np.ndarray, over: np.ndarray | None = None) -> scan4d.Part:
        """Return what a block adds; see :meth:`atomscope.scan4d.kernel.Kernel.run`."""
        n = int(np.prod(block.shape[:-2], dtype=np.int64))
        part = scan4d.Part(np.zeros((len(self.job.weights), n)), np.zeros((self.job.n_rings, n)))
        for name in self.job.patterns:
            part.patterns[name] = np.full(self.shape, -np.inf) if name == "max" else np.zeros(self.shape)
        weights = None if over is None else np.asarray(over, np.float64).reshape(-1)
        first, step = 0, max(1, _TILE // max(1, self.shape[0] * self.shape[1]))
        for run in scan4d.runs(block):
            for start in range(0, len(run), step):
                frames = run[start : start + step]
                at = slice(first + start, first + start + len(frames))
                chosen = None if weights is None else weights[at]
                if chosen is not None and not chosen.all():
                    frames, chosen = frames[chosen != 0], chosen[chosen != 0]
                if len(frames):
                    self._tile(part, frames, at, chosen)
            first += len(run)
        return part

    def _tile(self, part: scan4d.Part, frames: np.ndarray, at: slice, over: np.ndarray | None) -> None:
        import torch

        tile, bad = self._put(frames), None
        if frames.dtype.kind == "f":
            bad = ~torch.isfinite(tile)
            count = int(bad.sum())
            part.excluded += count
            bad = bad if count else None
            tile = tile if bad is None else tile.masked_fill(bad, 0.0)
        if len(part.images):
            part.images[:, at] += (self._weights @ tile.T).cpu().numpy()
        if len(part.rings):
            order, lengths = self._rings
            sums = torch.segment_reduce(tile.T[order].contiguous(), "sum", lengths=lengths, axis=0, initial=0.0)
            part.rings[:, at] += sums.cpu().numpy()
        if part.patterns:
            self._patterns(part, tile, bad, None if over is None else torch.from_numpy(over).to(self.device))

    def _patterns(self, part: scan4d.Part, tile: Any, bad: Any, over: Any) -> None:
        made = {}
        if "sum" in part.patterns:
            made["sum"] = tile.sum(0) if over is None else over @ tile
        if "square" in part.patterns:
            away = tile if self._reference is None else tile - self._reference
            made["square"] = (away if bad is None else away.masked_fill(bad, 0.0)).square().sum(0)
        for name, values in made.items():
            part.patterns[name] += values.cpu().numpy().reshape(self.shape)
        if "max" in part.patterns:
            largest = (tile if bad is None else tile.masked_fill(bad, -np.inf)).amax(0).cpu().numpy()
            np.maximum(part.patterns["max"], largest.reshape(self.shape), out=part.patterns["max"])
        if bad is not None:
            if part.missing is None:
                part.missing = np.zeros(self.shape)
            missing = bad.double().sum(0) if over is None else over @ bad.double()
            part.missing += missing.cpu().numpy().reshape(self.shape)

    def _put(self, frames: np.ndarray) -> Any:
        """Return frames on the device, float64 of shape (n, pixels); the numbers travel as they are stored."""
        import torch

        flat = np.ascontiguousarray(frames).reshape(len(frames), -1)
        flat = flat.astype(flat.dtype.newbyteorder("="), copy=False)
        if flat.dtype == np.uint64:
            flat = flat.astype(np.float64)
        signed = {np.dtype(np.uint16): np.int16, np.dtype(np.uint32): np.int32}.get(flat.dtype)
        if not flat.flags.writeable:  # torch takes none that is only to be read
            flat = flat.copy()
        if signed is None:
            return torch.from_numpy(flat).to(self.device).double()
        top = 2.0 ** (8 * flat.dtype.itemsize)
        tile = torch.from_numpy(flat.view(signed)).to(self.device).double()
        return torch.where(tile < 0, tile + top, tile)

    @cached_property
    def _weights(self) -> Any:
        import torch

        flat = [np.ascontiguousarray(w[self.window], np.float64).reshape(-1) for w in self.job.weights]
        return torch.from_numpy(np.stack(flat)).to(self.device)

    @cached_property
    def _rings(self) -> tuple[Any, Any]:
        """The pixels in the order of their rings, and how many each ring has."""
        import torch

        assert self.job.rings is not None
        labels = self.job.rings[self.window].reshape(-1)
        order = np.argsort(labels, kind="stable")[np.count_nonzero(labels < 0) :]
        lengths = np.bincount(labels[order], minlength=self.job.n_rings)
        return torch.from_numpy(order).to(self.device), torch.from_numpy(lengths).to(self.device)

    @cached_property
    def _reference(self) -> Any:
        import torch

        if self.job.reference is None:
            return None
        return torch.from_numpy(self.job.reference[self.window].astype(np.float64).reshape(-1)).to(self.device)
