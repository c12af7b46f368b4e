"""Parameters of simulating particles, of finding them, and of teaching a network to."""

from __future__ import annotations

from typing import Literal

from atomscope.data.params.base import Params, field


class ParticleMovieParams(Params):
    """Simulate a movie of particles that lose their order, with the truth of each."""

    shape: Literal["rod", "ellipse", "disk"] = field("rod", "Shape", "rod: a cylinder with round ends.")
    frames: int = field(12, "Frames", "Number of frames.", ge=1)
    size_px: int = field(384, "Size", "Side of a frame.", unit="px", ge=64)
    particles: int = field(110, "Particles", "About how many lie in the field.", ge=0)
    length_px: float = field(34.0, "Length", "Mean length.", unit="px", gt=4.0)
    width_px: float = field(10.0, "Width", "Mean width.", unit="px", gt=3.0)
    size_sd: float = field(0.08, "Size spread", "Relative standard deviation of the sizes.", ge=0.0, le=0.3)
    tilt_sd_deg: float = field(6.0, "Tilt spread", "Spread of the angles in the first frame.", unit="deg", ge=0.0)
    turn_deg: float = field(14.0, "Turning", "Spread of a particle's turn from frame to frame.", unit="deg", ge=0.0)
    move_px: float = field(5.0, "Moving", "Spread of a particle's step from frame to frame.", unit="px", ge=0.0)
    gap_px: float = field(0.5, "Gap", "Particles come as near as this; less than a pixel: they touch.", ge=0.0)
    blur_px: float = field(1.0, "Probe", "Standard deviation of the probe.", unit="px", gt=0.0)
    background: float = field(0.3, "Background", "Background as a fraction of a particle's height.", ge=0.0)
    gradient: float = field(0.2, "Gradient", "Rise of the background across the field, as a fraction.", ge=0.0)
    snr: float | None = field(6.0, "SNR", "Particle height over Gaussian noise; empty: none.", gt=0.0)
    dose: float | None = field(None, "Dose", "Electrons a pixel on a particle (Poisson); empty: none.", gt=0.0)
    pixel_size_nm: float = field(0.5, "Pixel size", "Sampling.", unit="nm", gt=0.0)
    frame_time_s: float = field(1.0, "Frame time", "Time from frame to frame.", unit="s", gt=0.0)
    seed: int = field(0, "Seed", "Makes the run reproducible.", ge=0)


class ParticleParams(Params):
    """Find particles: what stands out is cut into particles, a site each."""

    method: Literal["threshold", "network"] = field(
        "threshold", "Method", "threshold: what is brighter than its surroundings. network: one that you trained."
    )
    model: str | None = field(None, "Network", "File of a trained segmenter.")
    polarity: Literal["bright", "dark"] = field(
        "bright", "Contrast", "threshold: whether particles are bright or dark."
    )
    threshold: float | None = field(
        None,
        "Threshold",
        "threshold: brightness over the background; network: probability. Empty: found (network: .5).",
        gt=0.0,
    )
    smooth_px: float | None = field(
        None,
        "Smoothing",
        "threshold: the image is smoothed by this first; empty: as much as its noise asks for.",
        unit="px",
        advanced=True,
        ge=0.0,
    )
    split: bool = field(True, "Split", "Cut touching particles apart.")
    split_depth: float = field(
        0.25,
        "Split depth",
        "threshold: how deep the dip between two particles must be, as a fraction of the lower one.",
        advanced=True,
        gt=0.0,
        lt=1.0,
    )
    min_area_px: float | None = field(
        None, "Smallest area", "Smaller spots are left out; empty: a fifth of the median.", unit="px", ge=0.0
    )
    clear_border: bool = field(
        False,
        "Whole ones only",
        "Leave out particles that the edge of the image cuts. Otherwise each that is seen in part counts, with the "
        "flag 'edge': its place, size and angle are those of the part that is seen.",
    )
    first_frame: int = field(0, "First frame", "First frame to use.", advanced=True, ge=0)
    last_frame: int | None = field(None, "Last frame", "Last frame to use; empty: the last one.", advanced=True, ge=0)
    stride: int = field(1, "Stride", "Use every so many frames.", advanced=True, ge=1)


class SegmenterParams(Params):
    """Train a network on painted labels."""

    steps: int = field(240, "Steps", "Batches of crops to train on.", ge=1)
    crop_px: int = field(96, "Crop", "Side of a crop.", unit="px", advanced=True, ge=32)
    batch_size: int = field(8, "Batch", "Crops a step.", advanced=True, ge=1)
    rotation: bool = field(True, "Any orientation", "Turn the crops freely, so that all orientations are known.")
    zoom: float = field(1.15, "Zoom", "Crops are made larger or smaller by up to this factor.", advanced=True, ge=1.0)
    learning_rate: float = field(4e-3, "Learning rate", "Peak of the one-cycle schedule.", advanced=True, gt=0.0)
    seed: int = field(0, "Seed", "Makes the run reproducible.", ge=0)
