"""A line of Python that makes the image of a detector again."""

from __future__ import annotations

from atomscope import pipeline
from atomscope.data import Stack
from atomscope.data.params import Detector


def source_line(stack: Stack, name: str, scan: int | None) -> str:
    """Return Python that opens a scan.

    Parameters
    ----------
    stack : Stack
    name : str
        Of the layer it came from.
    scan : int, optional
        Which one of a series.
    """
    if stack.source:
        said = {"key": stack.metadata.get("key"), **(stack.metadata.get("opened") or {})}
        given = "".join(f", {k}={v!r}" for k, v in said.items() if v is not None)
        line = f"ats.open({stack.source!r}{given})"
    elif name in pipeline.list_samples():
        line = f"pipeline.open_sample({name!r})"
    else:
        line = "your_array"
    return line if scan is None else f"{line}.part({scan})"


def detector_line(detector: Detector) -> str:
    """Return Python that makes a detector; only what differs from the defaults is written."""
    plain = Detector()
    fields = [n for n in Detector.model_fields if getattr(detector, n) != getattr(plain, n) or n == "shape"]
    return f"ats.Detector({', '.join(f'{n}={getattr(detector, n)!r}' for n in fields)})"


def image_line(stack: Stack, name: str, detector: Detector, scan: int | None = None) -> str:
    """Return Python that makes the image of a detector again."""
    return f"ats.virtual_image({source_line(stack, name, scan)}, {detector_line(detector)})"


def script(line: str) -> str:
    """Return a line with the imports that it needs."""
    imports = ["import atomscope as ats", *(["from atomscope import pipeline"] if "pipeline." in line else [])]
    return "\n".join([*imports, "", f"image = {line}"]) + "\n"
