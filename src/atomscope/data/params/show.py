"""Parameters of clustering the latents and of showing them."""

from __future__ import annotations

from typing import Literal

from atomscope.data.params.base import Params, field


class ClusterParams(Params):
    """Sort sites into classes by their latents."""

    method: Literal["gmm", "kmeans", "hdbscan"] = field("gmm", "Method", "Clustering method.")
    by: Literal["z", "pc", "nmf", "ica", "umap"] = field(
        "z", "Sort by", "z: latents of a model; pc, nmf, ica: components of the patches; umap: their layout."
    )
    n_clusters: int | None = field(
        None, "Classes", "Number of classes; empty: found (gmm: least BIC, kmeans: gap statistic).", ge=1
    )
    first: int | None = field(
        None,
        "First latents only",
        "Sort by so many of them and leave the rest; empty: by all. Of a model with walls, those that have them.",
        advanced=True,
        ge=1,
    )
    use_angle: bool = field(False, "Use the angle", "Cluster on the angle too, on the circle.")
    symmetry_order: int | None = field(
        None, "Symmetry order", "Angles are taken modulo 360/n degrees; empty: as the model found.", ge=1, le=24
    )
    smooth: int = field(
        0,
        "Average neighbours",
        "Latents are averaged with those of this many nearest sites of the frame before sorting; 0: not.",
        ge=0,
        le=1000,
    )
    min_size: int | None = field(
        None, "Smallest class", "Fewest sites of a class (hdbscan); empty: 2 % of the sites.", advanced=True, ge=2
    )
    max_clusters: int = field(
        10, "Most classes", "How many classes are tried when the number is chosen.", advanced=True, ge=1, le=100
    )
    seed: int = field(0, "Seed", "Makes the run reproducible.", advanced=True, ge=0)


class ShowParams(Params):
    """Turn sites and latents into layers."""

    color: str = field("z1", "Colour by", "Column of the site table that colours the points.")
    colormap: str | None = field(None, "Colormap", "Colormap; empty: viridis, or a cyclic one for angles.")
    size_px: float | None = field(None, "Point size", "Diameter of the points; empty: from the spacing.", unit="px")
    symmetry_order: int | None = field(
        None,
        "Symmetry order",
        "Angles are shown modulo 360/n degrees; empty: as the model found.",
        advanced=True,
        ge=1,
        le=24,
    )
    vectors: bool = field(False, "Angle as vectors", "Draw the angle of each site as a short line.")
