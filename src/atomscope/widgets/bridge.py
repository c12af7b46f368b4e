"""napari layers to records and back: axes, scale, units, site ids."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atomscope import pipeline
from atomscope.data import Axis, Sites, Stack, axis_names
from atomscope.data.axes import PIXEL
from atomscope.data.columns import CORE, is_folded
from atomscope.errors import InputError

if TYPE_CHECKING:
    from napari.layers import Image, Layer, Points

#: The key of ``layer.metadata`` that is ours.
KEY = "napari-atomscope"
_UNITS = {"px": PIXEL, "": PIXEL, "dimensionless": PIXEL, "µm": "um", "μm": "um", "Å": "angstrom"}


def axes_of(layer: Layer) -> tuple[Axis, ...]:
    """Return the calibrated axes of a layer: scale, unit, name."""
    ndim = layer.ndim
    plain = axis_names(max(ndim, 2))[-ndim:]
    axes = []
    for i in range(ndim):
        label = str(layer.axis_labels[i])
        unit, factor = _unit(f"{layer.units[i]:~}")
        axes.append(
            Axis(
                plain[i] if label.startswith(("axis ", "-")) else label,
                abs(float(layer.scale[i])) * factor,
                unit,
                float(layer.translate[i]) * factor,
                "signal" if i >= ndim - 2 else "navigation",
            )
        )
    return tuple(axes)


def _unit(word: str) -> tuple[str, float]:
    """Return a unit of a layer as the house spells it, and the factor to it; lengths and times stay the layer's own."""
    known = pipeline.normalise_unit(word)
    if known is not None and known[0] in ("1/nm", "mrad"):
        return known
    return _UNITS.get(word, word), 1.0


def stack_of(layer: Image) -> Stack:
    """Return the Stack of an Image layer: an image, a movie, or more axes before the last two.

    Raises
    ------
    InputError
        If the layer is a colour picture.
    """
    if getattr(layer, "rgb", False):
        raise InputError(
            f"layer {layer.name!r} is a colour (RGB) picture; split it first "
            "(right-click the layer, Split RGB) and use one channel"
        )
    data = layer.data[0] if layer.multiscale else layer.data
    note = note_of(layer)
    source = note.get("source")
    path = source.get("path") if isinstance(source, dict) else None
    return Stack.from_array(
        data,
        axes_of(layer),
        name=layer.name,
        source=str(path or layer.source.path or ""),
        metadata={"key": note.get("key"), "opened": note.get("opened")},
    )


#: Images over the positions of a scan, and the scan.
_scans: weakref.WeakKeyDictionary[Any, Stack] = weakref.WeakKeyDictionary()


def hold_scan(layer: Image, stack: Stack) -> None:
    """Remember the scan that an image over its positions was made from."""
    _scans[layer] = stack


def scan_of(layer: Layer) -> Stack | None:
    """Return the scan of patterns behind a layer: of an Image layer of 4 or 5 axes, or of an image made from one."""
    layer = getattr(layer, "__wrapped__", layer)
    if type(layer).__name__ == "Image" and not layer.rgb and layer.ndim in (4, 5):
        return stack_of(layer)
    return _scans.get(layer)


def note_of(layer: Layer) -> dict[str, Any]:
    """Return what we noted in the metadata of a layer: what it is and what it was made from."""
    note = layer.metadata.get(KEY, {}) if isinstance(layer.metadata, dict) else {}
    return note if isinstance(note, dict) else {}


def placement(layer: Layer) -> dict[str, Any]:
    """Return the keywords that put another layer of as many axes exactly on this one."""
    return {
        "scale": layer.scale,
        "translate": layer.translate,
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": layer.affine,
        "units": layer.units,
        "axis_labels": layer.axis_labels,
    }


def current_index(viewer: Any, layer: Image) -> tuple[int, ...]:
    """Return the navigation indices of the frame that is shown, for a layer of the viewer."""
    ndim = layer.ndim
    point = np.asarray(viewer.dims.point, float)[-ndim:]
    where = np.rint(np.asarray(layer.world_to_data(point), float)).astype(int)[: ndim - 2]
    shape = (layer.data[0] if layer.multiscale else layer.data).shape[: ndim - 2]
    return tuple(int(np.clip(i, 0, n - 1)) for i, n in zip(where, shape, strict=True))


def current_frame(viewer: Any, layer: Image) -> int:
    """Return the flat number of the frame that is shown."""
    shape = (layer.data[0] if layer.multiscale else layer.data).shape[:-2]
    return int(np.ravel_multi_index(current_index(viewer, layer), shape)) if shape else 0


def coordinates(sites: Sites, ndim: int) -> np.ndarray:
    """Return the data of a Points layer of ``ndim`` axes, shape (n, ndim), in pixels of the stack."""
    nav = sites.navigation_shape
    frames = sites.table["frame"].to_numpy(np.int64)
    leading = np.stack(np.unravel_index(frames, nav), axis=1) if nav else np.zeros((len(frames), max(ndim - 2, 0)))
    return np.concatenate([leading[:, : ndim - 2].astype(float), sites.positions], axis=1)


def sites_of(points: Points, image: Image, viewer: Any) -> Sites:
    """Return the Sites of any Points layer over an Image layer, rows in the layer's order.

    The layer's positions count, whatever its features say: points may have been moved, added or deleted by hand.
    Points without a site id, or with one that another point has (a copy), get a new id and no columns.
    Points with fewer axes than the image lie in the frame that is shown.
    """
    stack = stack_of(image)
    data = _in_pixels_of(points, image)
    n, nav = len(data), stack.navigation_shape
    missing = len(nav) - (data.shape[1] - 2)
    leading = np.rint(data[:, : data.shape[1] - 2]).astype(np.int64)
    if missing > 0:
        here = np.asarray(current_index(viewer, image)[:missing], np.int64)
        leading = np.concatenate([np.broadcast_to(here, (n, missing)), leading], axis=1)
    leading = leading[:, leading.shape[1] - len(nav) :]
    inside = np.ones(n, bool)
    frames = np.zeros(n, np.int64)
    if nav:
        clipped = np.clip(leading, 0, np.asarray(nav) - 1)
        inside = (clipped == leading).all(axis=1)
        frames = np.ravel_multi_index(tuple(clipped.T), nav).astype(np.int64)
    table = site_table(points.features, n)
    table["frame"], table["row"], table["col"] = frames, data[:, -2], data[:, -1]
    outside = ~inside & ~table["flag"].str.contains("outside")
    table.loc[outside, "flag"] = (table.loc[outside, "flag"] + ";outside the stack").str.strip(";")
    return Sites(table, stack.axes, stack.shape)


def site_table(features: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return the features with the core columns made good."""
    table = features.reset_index(drop=True)
    table = table.drop(columns=[c for c in table.columns if is_folded(str(c))]).copy()
    known = pd.to_numeric(table["site"], errors="coerce") if "site" in table else pd.Series(np.full(n, np.nan))
    fresh = (known.isna() | known.duplicated()).to_numpy()
    ids = known.fillna(-1).to_numpy().astype(np.int64)
    ids[fresh] = np.arange(fresh.sum()) + (ids[~fresh].max() + 1 if (~fresh).any() else 0)
    table["site"] = ids
    for name in table.columns:
        if name not in CORE and fresh.any() and not fresh.all():
            table[name] = table[name].mask(fresh)
    score = table["score"].astype(float) if "score" in table else pd.Series(np.ones(n))
    table["score"] = score.mask(fresh, 1.0)
    kind = table["kind"].astype(object) if "kind" in table else pd.Series(np.full(n, "atom", object))
    table["kind"] = kind.mask(kind.isna(), "atom").astype("category")
    flag = table["flag"].astype(object) if "flag" in table else pd.Series(np.full(n, "", object))
    table["flag"] = flag.mask(fresh | flag.isna(), "").astype(object)
    return table[[*[c for c in CORE if c in table], *[c for c in table if c not in CORE]]].assign(
        **{c: 0.0 for c in ("row", "col") if c not in table}, **({} if "frame" in table else {"frame": 0})
    )


def _in_pixels_of(points: Points, image: Image) -> np.ndarray:
    """Return point coordinates in the pixels of the image, shape (n, axes of the points)."""
    data = np.asarray(points.data, float)
    ndim = min(points.ndim, image.ndim)
    same = all(
        np.allclose(np.asarray(getattr(points, name))[-ndim:], np.asarray(getattr(image, name))[-ndim:])
        for name in ("scale", "translate")
    )
    if same and np.allclose(_turn(points, 2), _turn(image, 2)):
        return data
    if not np.allclose(_turn(points, 2), np.eye(2)) or not np.allclose(_turn(image, 2), np.eye(2)):
        raise InputError(
            f"layers {points.name!r} and {image.name!r} are turned or sheared differently; "
            "give the points the same transform as the image"
        )
    out = data.copy()
    world = data[:, -ndim:] * np.asarray(points.scale)[-ndim:] + np.asarray(points.translate)[-ndim:]
    out[:, -ndim:] = (world - np.asarray(image.translate)[-ndim:]) / np.asarray(image.scale)[-ndim:]
    return out


def _turn(layer: Layer, n: int) -> np.ndarray:
    """Return the linear part of a layer's transform without its scale, last n axes."""
    rotate = np.asarray(layer.rotate)[-n:, -n:]
    affine = np.asarray(layer.affine.linear_matrix)[-n:, -n:]
    shear = np.asarray(layer.shear)
    lean = np.eye(n)
    if shear.size:
        lean[0, -1] = shear.ravel()[-1]
    return affine @ rotate @ lean


def write_columns(points: Points, columns: pd.DataFrame) -> None:
    """Add or replace feature columns by site id; points unknown to ``columns`` get NaN.

    Parameters
    ----------
    points : Points
    columns : pandas.DataFrame
        Indexed by site id.
    """
    features = points.features.copy()
    ids = pd.to_numeric(features["site"], errors="coerce")
    ids = ids.mask(ids.duplicated()).to_numpy()
    for name in columns.columns:
        if name in ("site", "frame", "row", "col"):
            continue
        features[name] = columns[name].reindex(ids).array
    points.features = features
