"""Parameter classes: one frozen class a step, from which form, flags and recipe are made."""

from atomscope.data.params.base import Params, field
from atomscope.data.params.crop import CropParams
from atomscope.data.params.find import FindParams, GridParams
from atomscope.data.params.fit import FitParams
from atomscope.data.params.model import RVAE
from atomscope.data.params.show import ClusterParams, ShowParams
from atomscope.data.params.simulate import SimulateParams
from atomscope.data.params.teach import TeachParams

__all__ = [
    "RVAE",
    "ClusterParams",
    "CropParams",
    "FindParams",
    "FitParams",
    "GridParams",
    "Params",
    "ShowParams",
    "SimulateParams",
    "TeachParams",
    "field",
]
