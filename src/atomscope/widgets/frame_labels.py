"""What frames of a movie hold, said of each as a whole; kept in the layer, read from and written to a table."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from atomscope.data import counted
from atomscope.errors import InputError
from atomscope.widgets.bridge import KEY, note_of


class FrameLabels:
    """The labels of the frames of an image layer: a dict of frame to class in the layer's metadata.

    Parameters
    ----------
    layer : napari Image layer
    """

    def __init__(self, layer: Any) -> None:
        self._layer = layer

    def get(self) -> dict[int, str]:
        """Return frame: class."""
        return {int(frame): str(name) for frame, name in note_of(self._layer).get("frame_labels", {}).items()}

    def put(self, labels: dict[int, str]) -> None:
        """Replace all labels."""
        self._layer.metadata[KEY] = {**note_of(self._layer), "frame_labels": dict(sorted(labels.items()))}

    def say(self, frame: int, name: str) -> None:
        """Say what a frame holds."""
        self.put({**self.get(), frame: name})

    def count(self) -> dict[str, int]:
        """Return how many frames each class has."""
        return dict(Counter(self.get().values()))

    def read(self, path: Path, n_frames: int) -> None:
        """Take the labels of a table with the columns ``frame`` and ``label``; none is taken from a wrong one.

        Raises
        ------
        InputError
            If the file is no such table, or names frames that are not there.
        """
        try:
            table = pd.read_csv(path, comment="#", dtype={"label": str})
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read labels from {path.name}: {error}") from None
        if not {"frame", "label"} <= set(table.columns):
            raise InputError(
                f"{path.name}: wanted the columns frame and label, got {', '.join(map(str, table.columns))}"
            )
        table = table.dropna(subset=["frame", "label"])
        frames = pd.to_numeric(table["frame"], errors="coerce")
        wrong = table["frame"][~((frames >= 0) & (frames < n_frames) & (frames % 1 == 0))]
        if len(wrong):
            raise InputError(
                f"{path.name}: {counted(len(wrong), 'row is', 'rows are')} of no frame of this movie "
                f"(0 to {n_frames - 1}), such as {wrong.iloc[0]}"
            )
        self.put({**self.get(), **dict(zip(frames.astype(int), table["label"].str.strip(), strict=True))})

    def write(self, path: Path) -> Path:
        """Write the table and return its path."""
        path = path if path.suffix else path.with_suffix(".csv")
        pd.DataFrame(sorted(self.get().items()), columns=["frame", "label"]).to_csv(path, index=False)
        return path
