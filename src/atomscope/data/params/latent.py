"""Parameters of what is done with latents beside sorting them: baselines, layouts, copies of classes."""

from __future__ import annotations

from typing import Literal

from atomscope.data.params.base import Params, field


class ComponentParams(Params):
    """Split patches into linear components."""

    method: Literal["pca", "nmf", "ica"] = field(
        "pca",
        "Method",
        "pca: directions of most variance. nmf: non-negative parts. ica: independent sources.",
    )
    n_components: int = field(4, "Components", "How many components.", ge=1, le=256)
    seed: int = field(0, "Seed", "Makes the run reproducible.", advanced=True, ge=0)


class EmbedParams(Params):
    """Lay sites out by UMAP."""

    dimensions: int = field(2, "Dimensions", "Number of coordinates.", ge=1, le=10)
    neighbours: int = field(
        15, "Neighbours", "How many neighbours stay neighbours: few show detail, many the whole.", ge=2, le=1000
    )
    least_distance: float = field(
        0.1, "Least distance", "How closely like sites are packed.", advanced=True, ge=0.0, le=1.0
    )
    seed: int = field(0, "Seed", "Makes the run reproducible.", advanced=True, ge=0)


class MergeParams(Params):
    """Merge classes that are turned copies of each other."""

    symmetry_order: int | None = field(
        None,
        "Symmetry order",
        "Copies are turned by multiples of 360/n degrees; empty: as the mean of all patches says.",
        ge=1,
        le=24,
    )
    mirrors: bool = field(False, "Mirror images", "Whether a mirror image is a copy too.")
    tolerance: float = field(
        0.1,
        "Tolerance",
        "Largest local difference of copies, as a part of the strongest local structure.",
        advanced=True,
        gt=0.0,
        le=1.0,
    )
