"""The sample data: pictures that ship with the package, and 4D scans that are simulated as they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atomscope.data import Stack
from atomscope.errors import FileError

if TYPE_CHECKING:
    from atomscope.simulate import ScanTruth

#: name -> what is simulated; nothing of it is on disk.
SCANS: dict[str, dict[str, Any]] = {
    "scan_domains": {"kind": "domains", "shape": (64, 72), "dose": 1e4, "centre_row_px": 1.4, "seed": 5},
    "scan_field": {
        "kind": "field",
        "shape": (64, 72),
        "field_shape": "smooth",
        "field_shift_px": 1.5,
        "camera_rotation_deg": 23.0,
        "centre_col_px": -0.8,
        "dose": 2e4,
        "seed": 2,
    },
    "scan_vacancies": {
        "kind": "vacancies",
        "shape": (64, 72),
        "rotation_deg": 9.0,
        "vacancies": 0.04,
        "substitutions": 0.02,
        "dose": 1e4,
        "seed": 4,
    },
}


def list_samples() -> list[str]:
    """Return the names of the samples."""
    from atomscope import io

    return sorted([*io.list_samples(), *SCANS])


def open_sample(name: str) -> Stack:
    """Open a sample lazily."""
    from atomscope import io

    return sample_scan(name)[0] if name in SCANS else io.open_stack(io.sample_path(name))


def sample_scan(name: str) -> tuple[Stack, ScanTruth]:
    """Return a 4D sample with its truth.

    Raises
    ------
    FileError
        If there is none of that name.
    """
    from atomscope import simulate

    if name not in SCANS:
        raise FileError(f"no 4D sample called {name!r}; there are: {', '.join(SCANS)}")
    stack, truth = simulate.scan(**SCANS[name])
    return Stack(stack.data, stack.axes, name=name, metadata=stack.metadata), truth
