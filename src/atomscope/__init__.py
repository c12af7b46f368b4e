"""napari-atomscope: from a lazy movie to latent-coloured atoms.

The public verbs are loaded when first used: importing atomscope loads neither torch nor Qt nor napari.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

#: public name -> module that holds it
_PUBLIC = {
    "FindParams": "atomscope.data.params",
    "CropParams": "atomscope.data.params",
    "DelayParams": "atomscope.data.params",
    "FitParams": "atomscope.data.params",
    "PatternParams": "atomscope.data.params",
    "GridParams": "atomscope.data.params",
    "ClusterParams": "atomscope.data.params",
    "ShowParams": "atomscope.data.params",
    "ParticleParams": "atomscope.data.params",
    "SegmenterParams": "atomscope.data.params",
    "SimulateParams": "atomscope.data.params",
    "TeachParams": "atomscope.data.params",
    "StructureParams": "atomscope.data.params",
    "SimulateWallsParams": "atomscope.data.params",
    "WallParams": "atomscope.data.params",
    "WallTrainParams": "atomscope.data.params",
    "ComponentParams": "atomscope.data.params",
    "EmbedParams": "atomscope.data.params",
    "MergeParams": "atomscope.data.params",
    "CompareParams": "atomscope.data.params",
    "QualityParams": "atomscope.data.params",
    **dict.fromkeys(
        [
            "VAE",
            "RVAE",
            "TVAE",
            "SVAE",
            "RTSVAE",
            "JVAE",
            "JRVAE",
            "DelayVAE",
            "PhyVAE",
            "TorusVAE",
            "SO3VAE",
            "VAESpec",
        ],
        "atomscope.data.params",
    ),
    "Detector": "atomscope.data.params",
    "DPCParams": "atomscope.data.params",
    "ProductParams": "atomscope.data.params",
    "preset": "atomscope.data.params",
    "Given": "atomscope.data",
    "Axis": "atomscope.data",
    "Patches": "atomscope.data",
    "Run": "atomscope.data",
    "Sites": "atomscope.data",
    "Stack": "atomscope.data",
    "Structure": "atomscope.data",
    "open": "atomscope.pipeline",
    "find_atoms": "atomscope.pipeline",
    "find_walls": "atomscope.pipeline",
    "train_walls": "atomscope.pipeline",
    "domains": "atomscope.pipeline",
    "wall_lengths": "atomscope.pipeline",
    "activation_map": "atomscope.pipeline",
    "defect_candidates": "atomscope.pipeline",
    "difference_image": "atomscope.pipeline",
    "difference_map": "atomscope.pipeline",
    "disk_labels": "atomscope.pipeline",
    "locate": "atomscope.pipeline",
    "train_classifier": "atomscope.pipeline",
    "find_particles": "atomscope.pipeline",
    **dict.fromkeys(["virtual_image", "pattern", "patterns", "radial_profile", "bright_disk"], "atomscope.pipeline"),
    **dict.fromkeys(["center_of_mass", "dpc", "icom", "in_mrad", "scan_products"], "atomscope.pipeline"),
    **dict.fromkeys(
        ["drift", "registered_mean", "occupancy", "lattice_places", "link", "diffusion", "transitions"],
        "atomscope.pipeline",
    ),
    **dict.fromkeys(["dwell_times", "order_over_time", "pair_correlation"], "atomscope.pipeline"),
    **dict.fromkeys(["wall_motion", "wall_steps", "pinning", "pinning_map"], "atomscope.pipeline"),
    **dict.fromkeys(["latent_paths", "irreversibility", "circulation", "time_arrow"], "atomscope.pipeline"),
    **dict.fromkeys(["WallMotionParams", "PinningParams"], "atomscope.data.params"),
    **dict.fromkeys(["IrreversibilityParams", "CirculationParams", "LatentPathParams"], "atomscope.data.params"),
    **dict.fromkeys(["DriftParams", "LinkParams", "DiffusionParams", "TransitionParams"], "atomscope.data.params"),
    "order_parameter": "atomscope.pipeline",
    "particle_labels": "atomscope.pipeline",
    "train_particles": "atomscope.pipeline",
    "grid": "atomscope.pipeline",
    "crop": "atomscope.pipeline",
    "delayed": "atomscope.pipeline",
    "channels": "atomscope.pipeline",
    "fit": "atomscope.pipeline",
    "encode": "atomscope.pipeline",
    **dict.fromkeys(["fit_scales", "encode_scales", "load_scales", "implied_timescales"], "atomscope.pipeline"),
    "cluster": "atomscope.pipeline",
    "neighbour_edges": "atomscope.pipeline",
    "phase_walls": "atomscope.pipeline",
    "components": "atomscope.pipeline",
    "embed": "atomscope.pipeline",
    "export_onnx": "atomscope.pipeline",
    "latent_maps": "atomscope.pipeline",
    "manifold_layers": "atomscope.pipeline",
    "merge_classes": "atomscope.pipeline",
    "rarity": "atomscope.pipeline",
    "traversals": "atomscope.pipeline",
    "save_pictures": "atomscope.pipeline",
    "structure": "atomscope.pipeline",
    "uncertainty": "atomscope.pipeline",
    "uncertainty_map": "atomscope.pipeline",
    "compare": "atomscope.pipeline",
    "reliability": "atomscope.pipeline",
    "quality": "atomscope.pipeline",
    "layers": "atomscope.pipeline",
    "save": "atomscope.pipeline",
    "load": "atomscope.pipeline",
    "train_finder": "atomscope.pipeline",
    "save_finder": "atomscope.pipeline",
    "load_finder": "atomscope.pipeline",
}

__all__ = ["__version__", "simulate", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name == "simulate":  # the room itself: ats.simulate.movie(...)
        return importlib.import_module("atomscope.simulate")
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'atomscope' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
