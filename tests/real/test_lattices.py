"""Real microscope images, with one recipe for all of them.

They are not part of the project: the folder is named by the environment variable ``ATOMSCOPE_REAL_DATA``.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

import atomscope as ats
from atomscope import pipeline
from atomscope.data.params import RVAE, ClusterParams, CropParams, FindParams, FitParams

REAL = os.environ.get("ATOMSCOPE_REAL_DATA", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not REAL, reason="ATOMSCOPE_REAL_DATA names no folder of real images"),
]

#: The same for every image; two-fold symmetry is that of a projected lattice.
RECIPE = pipeline.Recipe.of(
    find=FindParams(),
    crop=CropParams(window_px=32),
    train=pipeline.TrainParams(model=RVAE(), fit=FitParams()),
    cluster=ClusterParams(n_clusters=2, use_angle=True, symmetry_order=2),
)


@pytest.fixture(scope="module")
def lattice():
    def run(name, seed=0):
        steps = [
            pipeline.Step(s.name, s.params.replace(fit=FitParams(seed=seed))) if s.name == "train" else s
            for s in RECIPE
        ]
        stack = ats.open(Path(REAL, "lattices", name))
        return stack, pipeline.run_recipe(pipeline.Recipe(tuple(steps)), stack).sites.table

    return run


def fourier_split(frame, positions, half=48):
    """Split sites in two by the local Fourier transform round each: an answer that knows nothing of our latents."""
    window = np.hanning(2 * half + 1)
    padded = np.pad(frame - ndimage.gaussian_filter(frame, 15), half)
    spectra = []
    for r, c in np.clip(np.round(positions), 0, np.array(frame.shape) - 1).astype(int):
        piece = padded[r : r + 2 * half + 1, c : c + 2 * half + 1]
        spectra.append(np.abs(np.fft.rfft2(piece * window[:, None] * window))[:, :25].ravel())
    spectra = np.array(spectra)
    spectra /= np.linalg.norm(spectra, axis=1, keepdims=True)
    return KMeans(2, n_init=10, random_state=0).fit_predict(PCA(8, random_state=0).fit_transform(spectra))


def distance_to_other(positions, labels):
    trees = [cKDTree(positions[labels == k]) for k in (0, 1)]
    return np.where(labels == 0, trees[1].query(positions)[0], trees[0].query(positions)[0])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_gold_twin_splits_as_local_fourier_transforms_say(lattice, seed):
    stack, table = lattice("Grain_boundry_gold_512px.png", seed)
    positions = table[["row", "col"]].to_numpy()
    truth = fourier_split(stack.frame(0).astype(float), positions)
    spacing = np.median(cKDTree(positions).query(positions, 2)[0][:, 1])
    ours = table["cluster"].astype("float").to_numpy()
    far = (distance_to_other(positions, truth) > 3 * spacing) & np.isfinite(ours) & (ours >= 0)
    assert far.sum() > 400
    agree = np.mean(ours[far] == truth[far])
    print(f"gold twin, seed {seed}: {max(agree, 1 - agree):.4f} of {far.sum()} sites agree; {len(table)} sites")
    assert max(agree, 1 - agree) >= 0.95
    assert min(np.bincount(truth)) > 150, "atoms are found on both sides"


def test_dysprosium_and_scandium_columns_separate(lattice):
    _, table = lattice("10_dso_8nm_none_none.png")
    inner = table[table["flag"] == ""]
    heights = np.log(inner["amplitude"].clip(lower=1e-3)).to_numpy()[:, None]
    one, two = (GaussianMixture(k, random_state=0, n_init=3).fit(heights) for k in (1, 2))
    assert two.bic(heights) < one.bic(heights) - 100
    means = np.exp(np.sort(two.means_.ravel()))
    bright = two.predict(heights) == np.argmax(two.means_.ravel())
    print(f"DyScO3: {bright.sum()} bright and {(~bright).sum()} faint columns, heights {means}")
    assert means[1] / means[0] > 1.5
    nearest = cKDTree(inner[["row", "col"]].to_numpy()).query(inner[["row", "col"]].to_numpy(), 2)[0][:, 1]
    assert (nearest < 0.5 * np.median(nearest)).mean() <= 0.01, "no column is found twice"


@pytest.mark.parametrize("name", ["Si110_5nmX25us_03_none_none.png", "03_afterimage_8nm_crp.png"])
def test_the_same_recipe_runs_on_dumbbells(lattice, name):
    _, table = lattice(name)
    assert len(table) > 150
    assert np.isfinite(table.loc[table["flag"] == "", "z1"]).all()
