"""Parameters of finding domain walls, of teaching a network to find them, and of simulating them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from atomscope.data.params.base import Params, field

_Side = Annotated[int, Field(ge=16)]


class WallParams(Params):
    """Find domain walls as lines, and lay sites along them."""

    method: Literal["canny", "ridge", "network"] = field(
        "canny",
        "Method",
        "canny: walls are steps between domains. ridge: walls are bright or dark lines. "
        "network: one that was trained on painted walls.",
    )
    model: str | None = field(None, "Network", "File of a trained wall network (method network).", advanced=True)
    polarity: Literal["auto", "bright", "dark"] = field(
        "auto", "Contrast", "ridge: whether walls are bright or dark lines; auto: whichever stands out more."
    )
    sigma_px: float | None = field(
        None, "Smoothing", "Gaussian smoothing before walls are sought; empty: found from the noise.", unit="px", ge=0.3
    )
    threshold: float | None = field(
        None,
        "Threshold",
        "canny, ridge: smallest contrast of a sure wall over the noise. network: smallest probability. Empty: found.",
        gt=0.0,
    )
    spacing_px: float = field(4.0, "Site spacing", "Distance between sites along a wall.", unit="px", gt=0.0)
    min_length_px: float = field(
        12.0, "Shortest wall", "Shorter walls and side branches are dropped.", unit="px", ge=0.0
    )
    bridge_px: float | None = field(
        None,
        "Bridge gaps",
        "Ends of walls are joined to a wall ahead of them within this distance; empty: 3 times the smoothing and 3 px.",
        unit="px",
        advanced=True,
        ge=0.0,
    )
    first_frame: int = field(0, "First frame", "First frame to use.", advanced=True, ge=0)
    last_frame: int | None = field(None, "Last frame", "Last frame to use; empty: the last one.", advanced=True, ge=0)
    stride: int = field(1, "Stride", "Use every so many frames.", advanced=True, ge=1)


class WallTrainParams(Params):
    """Teach a network walls that were painted."""

    steps: int = field(240, "Steps", "Training steps, each on a batch of crops of the painted frames.", ge=1)
    learning_rate: float = field(4e-3, "Learning rate", "Peak of the one-cycle schedule.", advanced=True, gt=0.0)
    crop_px: int = field(96, "Crop", "Side of a training crop in px.", advanced=True, ge=32, le=512)
    batch_size: int = field(8, "Batch", "Crops a training step.", advanced=True, ge=1)
    band_px: float = field(
        1.5, "Half-width", "Pixels so near to the painted middle line count as wall.", unit="px", advanced=True, ge=0.5
    )
    seed: int = field(0, "Seed", "Makes the run reproducible.", ge=0)


class SimulateWallsParams(Params):
    """Simulate domains and the walls between them, with their exact lines."""

    pattern: Literal["straight", "curved", "labyrinth", "mosaic"] = field(
        "curved",
        "Pattern",
        "straight, curved: walls beside each other; labyrinth: winding ones; mosaic: domains that meet at junctions.",
    )
    size_px: _Side | tuple[_Side, _Side] = field(
        256, "Size", "Size of a frame: one number, or (rows, cols).", unit="px"
    )
    pixel_size_nm: float = field(2.0, "Pixel size", "Sampling.", unit="nm", gt=0.0)
    frames: int = field(1, "Frames", "Number of frames; 1 is a single image.", ge=1)
    frame_time_s: float = field(1.0, "Frame time", "Time from one frame to the next.", unit="s", gt=0.0, advanced=True)
    domain_px: float = field(48.0, "Domain size", "Mean distance between walls.", unit="px", ge=8.0)
    angle_deg: float | None = field(
        None, "Angle", "Direction of straight and curved walls, clockwise on screen; empty: random.", unit="deg"
    )
    waviness_px: float = field(
        8.0, "Waviness", "How far curved walls and those of a mosaic swing to either side.", unit="px", ge=0.0
    )
    motion_px: float = field(0.0, "Motion", "How far all walls move from one frame to the next.", unit="px", ge=0.0)
    profile: Literal["step", "bright", "dark", "both"] = field(
        "step",
        "Profile",
        "step: domains differ in brightness; bright, dark: walls are lines; both: a step with a dark line on it.",
    )
    width_px: float = field(1.5, "Width", "Standard deviation of the wall's profile.", unit="px", gt=0.0)
    snr: float | None = field(
        None, "SNR", "Smallest step (or height of the line) over Gaussian noise; empty: no noise.", gt=0.0
    )
    background: float = field(0.0, "Background", "Slow background, in units of the wall's contrast.", ge=0.0)
    texture: float = field(
        0.0, "Texture", "Grainy texture as coarse as a wall is wide, in units of the wall's contrast.", ge=0.0
    )
    line_noise: float = field(
        0.0, "Line noise", "Standard deviation of the offset of a scan line, in units of the wall's contrast.", ge=0.0
    )
    jitter_px: float = field(0.0, "Scan jitter", "Standard deviation of the shift of a scan line.", unit="px", ge=0.0)
    scratches: int = field(
        0, "Scratches", "Straight bright and dark lines on the surface that are no walls.", ge=0, le=100
    )
    seed: int = field(0, "Seed", "Makes the run reproducible.", ge=0)
