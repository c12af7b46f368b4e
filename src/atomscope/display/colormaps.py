"""Colormaps by napari's names, so that colours can be computed without napari.

The tables are samples of public-domain (CC0) colormaps of the matplotlib project (viridis, magma, inferno, plasma,
twilight) and of Google's turbo (Apache-2.0), 33 colours each, interpolated; the others follow from their definition.
"""

from __future__ import annotations

import numpy as np

from atomscope.errors import InputError

_TABLES = {
    "viridis": (
        "440154470d6048186a482374472d7b4536814240863f49893b528b375a8d33638d2f6a8e2c728e297a8e26818e23898e21908c"
        "1f988b1f9f8821a68528ae8031b57b3ebc744cc26c5dc9636ece5882d34c96d83fabdc32c0df24d5e21aeae51afde725"
    ),
    "magma": (
        "0000040303110a0822130d331d114628115a36106a430f7650127c5d177f691c817621818226818f2a819c2e7fa9327db63779"
        "c33b75cf4170db486ae65163ee5c5ef5695cf9785dfb8761fd9668fea571feb47bfec387fed194fde0a2fceeb0fcfdbf"
    ),
    "inferno": (
        "0000040403120b0724150b37210c4a2e0a5a3c09654a0c6b57106d63146e70196e7d1e6d89226a962766a32b61af315cbb3755"
        "c63e4dd14644db4f3be35932eb6528f1711ef67f14f98d0afb9c06fcab0ffbba1ff9ca32f5d949f2e865f3f586fcffa4"
    ),
    "plasma": (
        "0d08872206903105963f049c4c02a15901a56600a77201a87e03a88909a69511a29f1a9ca92396b22c8ebb3587c33e80cb4778"
        "d25071d9596ae06263e66c5ceb7555f07f4ff48a48f89441fb9f3afdab33feb72dfdc328fcd025f9dd25f5eb27f0f921"
    ),
    "twilight_shifted": (
        "30143739114646145d521c785a2b905d3ea15e51ad5f64b56276bb6887be7397c182a7c395b5c7acc3ccc4cfd4d7d7dde2d9e2"
        "ded3d4d8c6bdd1b5a2cca388c78f72c27b62bb6858b25652a64450983450872750731e4f5e174a4a13423a113a2f1436"
    ),
    "turbo": (
        "30123b392a734040a14456c7466be3467ff64293ff37a7fa29bbec1dcdd818dcc31ee8b031f2994cf97e6bfd648aff4da3fd3c"
        "b8f735cced34dee037edd03af8c03afdae35fe982cfb8022f56817ec520fe04009d23105c02302ac1701950d017a0403"
    ),
}
_RAMPS = {
    "gray": ((0, 0, 0), (1, 1, 1)),
    "gray_r": ((1, 1, 1), (0, 0, 0)),
    "red": ((0, 0, 0), (1, 0, 0)),
    "green": ((0, 0, 0), (0, 1, 0)),
    "blue": ((0, 0, 0), (0, 0, 1)),
    "cyan": ((0, 0, 0), (0, 1, 1)),
    "magenta": ((0, 0, 0), (1, 0, 1)),
    "yellow": ((0, 0, 0), (1, 1, 0)),
    "hsv": ((1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1), (1, 0, 0)),
}
#: Colormaps that end as they begin.
CYCLIC = ("hsv", "twilight", "twilight_shifted")


def table(name: str) -> np.ndarray:
    """Return a colormap as 256 colours, shape (256, 4), float32.

    Raises
    ------
    InputError
        If the name is not known.
    """
    if name in _RAMPS:
        anchors = np.array(_RAMPS[name], np.float64)
    elif name in _TABLES or name == "twilight":
        packed = bytes.fromhex(_TABLES["twilight_shifted" if name == "twilight" else name])
        anchors = np.frombuffer(packed, np.uint8).reshape(-1, 3) / 255.0
        if name == "twilight":
            half = len(anchors) // 2  # the shifted one runs the other way, from the other end
            anchors = anchors[::-1]
            anchors = np.concatenate([anchors[half:], anchors[1 : half + 1]])
    else:
        raise InputError(
            f"colormap {name!r} is not known here; choose one of {sorted([*_RAMPS, *_TABLES, 'twilight'])}"
        )
    x = np.linspace(0, 1, 256)
    knots = np.linspace(0, 1, len(anchors))
    out = np.ones((256, 4), np.float32)
    for channel in range(3):
        out[:, channel] = np.interp(x, knots, anchors[:, channel])
    return out
