"""Scans of patterns: virtual detectors, centres of mass, sums, in one pass over data of any size. Numbers only."""

from atomscope.scan4d.bands import Band, bands
from atomscope.scan4d.coarse import Coarse
from atomscope.scan4d.corrections import Corrections
from atomscope.scan4d.disk import Disk, bright_disk
from atomscope.scan4d.dragged import DetectorFirst
from atomscope.scan4d.field import Field, curl_part, divergence_and_curl, field_of, turned
from atomscope.scan4d.integrate import potential
from atomscope.scan4d.job import Job, Outcome, Part
from atomscope.scan4d.kernel import Computes, Kernel, MakeKernel
from atomscope.scan4d.masks import as_weights, centre_of, detector_mask, pattern_centre, radii
from atomscope.scan4d.moments import Moments, centre_of_mass, moment_masks
from atomscope.scan4d.patterns import pattern_of, radial_profile, sampled_mean
from atomscope.scan4d.prepare import Preparation, longest_side, prepare
from atomscope.scan4d.preview import preview_images
from atomscope.scan4d.products import Products, make_products, ring_labels
from atomscope.scan4d.run import run
from atomscope.scan4d.runs import runs
from atomscope.scan4d.site_means import near_positions, positions_read, site_means
from atomscope.scan4d.virtual import virtual_images, weights_of

__all__ = [
    "Band",
    "Coarse",
    "Computes",
    "Corrections",
    "DetectorFirst",
    "Disk",
    "Field",
    "Job",
    "Kernel",
    "MakeKernel",
    "Moments",
    "Outcome",
    "Part",
    "Preparation",
    "Products",
    "as_weights",
    "bands",
    "bright_disk",
    "centre_of",
    "centre_of_mass",
    "curl_part",
    "detector_mask",
    "divergence_and_curl",
    "field_of",
    "longest_side",
    "make_products",
    "moment_masks",
    "near_positions",
    "pattern_centre",
    "pattern_of",
    "positions_read",
    "potential",
    "prepare",
    "preview_images",
    "radial_profile",
    "radii",
    "ring_labels",
    "run",
    "runs",
    "sampled_mean",
    "site_means",
    "turned",
    "virtual_images",
    "weights_of",
]
