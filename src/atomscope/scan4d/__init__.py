"""Scans of patterns: virtual detectors, centres of mass, sums, in one pass over data of any size. Numbers only."""

from atomscope.scan4d.corrections import Corrections
from atomscope.scan4d.job import Job, Outcome
from atomscope.scan4d.masks import as_weights, centre_of, detector_mask, pattern_centre, radii
from atomscope.scan4d.run import run
from atomscope.scan4d.virtual import virtual_images, weights_of

__all__ = [
    "Corrections",
    "Job",
    "Outcome",
    "as_weights",
    "centre_of",
    "detector_mask",
    "pattern_centre",
    "radii",
    "run",
    "virtual_images",
    "weights_of",
]
