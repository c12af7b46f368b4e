"""Parameter classes: one frozen class a step, from which form, flags and recipe are made."""

from atomscope.data.params.base import Params, field
from atomscope.data.params.choosing import as_member, for_patterns, member_of
from atomscope.data.params.crop import CropParams
from atomscope.data.params.defects import CandidateParams, ClassifierParams
from atomscope.data.params.delay import DelayParams
from atomscope.data.params.drift import DriftParams
from atomscope.data.params.dynamics import DiffusionParams, TransitionParams
from atomscope.data.params.find import FindParams, GridParams
from atomscope.data.params.fit import FitParams
from atomscope.data.params.latent import ComponentParams, EmbedParams, MergeParams
from atomscope.data.params.latent_path import (
    CirculationParams,
    IrreversibilityParams,
    LatentPathParams,
    TimeArrowParams,
)
from atomscope.data.params.link import LinkParams
from atomscope.data.params.members import (
    JRVAE,
    JVAE,
    MEMBERS,
    RTSVAE,
    RVAE,
    SO3VAE,
    SVAE,
    TVAE,
    VAE,
    DelayVAE,
    PhyVAE,
    TorusVAE,
)
from atomscope.data.params.model import VAESpec
from atomscope.data.params.particles import ParticleMovieParams, ParticleParams, SegmenterParams
from atomscope.data.params.patterns import PatternParams
from atomscope.data.params.pinning import PinningParams, SimulatePinsParams, WallMotionParams
from atomscope.data.params.scan import Detector, DPCParams, ProductParams, preset
from atomscope.data.params.scan_file import ScanFileParams
from atomscope.data.params.show import ClusterParams, ShowParams
from atomscope.data.params.simulate import SimulateParams, SimulateScanParams
from atomscope.data.params.structure import StructureParams
from atomscope.data.params.teach import TeachParams
from atomscope.data.params.trust import CompareParams, QualityParams
from atomscope.data.params.walls import SimulateWallsParams, WallParams, WallTrainParams

__all__ = [
    "JRVAE",
    "JVAE",
    "MEMBERS",
    "RTSVAE",
    "RVAE",
    "SO3VAE",
    "SVAE",
    "TVAE",
    "VAE",
    "CandidateParams",
    "CirculationParams",
    "ClassifierParams",
    "ClusterParams",
    "CompareParams",
    "ComponentParams",
    "CropParams",
    "DPCParams",
    "DelayParams",
    "DelayVAE",
    "Detector",
    "DiffusionParams",
    "DriftParams",
    "EmbedParams",
    "FindParams",
    "FitParams",
    "GridParams",
    "IrreversibilityParams",
    "LatentPathParams",
    "LinkParams",
    "MergeParams",
    "Params",
    "ParticleMovieParams",
    "ParticleParams",
    "PatternParams",
    "PhyVAE",
    "PinningParams",
    "ProductParams",
    "QualityParams",
    "ScanFileParams",
    "SegmenterParams",
    "ShowParams",
    "SimulateParams",
    "SimulatePinsParams",
    "SimulateScanParams",
    "SimulateWallsParams",
    "StructureParams",
    "TeachParams",
    "TimeArrowParams",
    "TorusVAE",
    "TransitionParams",
    "VAESpec",
    "WallMotionParams",
    "WallParams",
    "WallTrainParams",
    "as_member",
    "field",
    "for_patterns",
    "member_of",
    "preset",
]
