"""Saving a Points layer from napari's own menu: the site table with units."""

from __future__ import annotations

from typing import Any

import numpy as np


def write_points(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a Points layer as Parquet or CSV, by the extension.

    Parameters
    ----------
    path : str
    data : array, shape (n, axes), px
    meta : dict
        Layer attributes; its features become columns.

    Returns
    -------
    list of str
        What was written.
    """
    from napari.layers import Points

    from atomscope import pipeline
    from atomscope.data import Sites
    from atomscope.widgets.bridge import axes_of, site_table

    data = np.asarray(data, float)
    names = ("features", "scale", "translate", "units", "axis_labels", "name")
    layer = Points(data, **{k: meta[k] for k in names if meta.get(k) is not None})
    table = site_table(layer.features, len(data))
    leading = np.rint(data[:, :-2]).astype(np.int64)
    shape = tuple(int(n) for n in leading.max(axis=0) + 1) if len(data) else (1,) * (data.shape[1] - 2)
    frames = np.ravel_multi_index(tuple(leading.T), shape) if shape and len(data) else np.zeros(len(data), np.int64)
    table["frame"], table["row"], table["col"] = frames, data[:, -2], data[:, -1]
    return [str(pipeline.save_table(Sites(table, axes_of(layer)), path))]
