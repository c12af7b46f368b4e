"""The sample data that ships with the package, as Stacks with their truth."""

from __future__ import annotations

from atomscope.data import Stack


def list_samples() -> list[str]:
    """Return the names of the shipped samples."""
    from atomscope import io

    return list(io.list_samples())


def open_sample(name: str) -> Stack:
    """Open a shipped sample lazily."""
    from atomscope import io

    return io.open_stack(io.sample_path(name))
