"""The nouns: what flows through atomscope. Frozen records and parameter classes, no algorithms."""

from atomscope.data.attention import attention
from atomscope.data.axes import Axis, axis_names, default_axes
from atomscope.data.edges import Edges
from atomscope.data.given import Given
from atomscope.data.lazy import compute
from atomscope.data.model import History, ModelState
from atomscope.data.patches import Normalisation, Patches
from atomscope.data.progress import OnProgress, Progress, ShouldStop, check_stop, report
from atomscope.data.provenance import Provenance
from atomscope.data.run import Run
from atomscope.data.sites import Sites
from atomscope.data.stack import Stack
from atomscope.data.structure import Structure
from atomscope.data.words import counted

__all__ = [
    "Axis",
    "Edges",
    "Given",
    "History",
    "ModelState",
    "Normalisation",
    "OnProgress",
    "Patches",
    "Progress",
    "Provenance",
    "Run",
    "ShouldStop",
    "Sites",
    "Stack",
    "Structure",
    "attention",
    "axis_names",
    "check_stop",
    "compute",
    "counted",
    "default_axes",
    "report",
]
