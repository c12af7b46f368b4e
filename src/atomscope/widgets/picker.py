"""Ask which data set of a file to open."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QHeaderView, QLabel, QTreeWidget, QTreeWidgetItem, QVBoxLayout

from atomscope import pipeline


class Picker(QDialog):
    """A list of the data sets of a file, best guess first.

    Parameters
    ----------
    path : Path
    choices : list of str
    facts : dict of str to tuple
        (shape, type) of each, where known.
    """

    def __init__(self, path: Path, choices: list[str], facts: dict[str, tuple[str, str]]) -> None:
        super().__init__()
        self.setWindowTitle(f"Open {path.name}")
        column = QVBoxLayout(self)
        column.addWidget(QLabel(f"{path.name} holds {len(choices)} data sets. Which one?"))
        self.tree = QTreeWidget()
        self.tree.setHeaderLabels(["Data set", "Shape", "Type"])
        self.tree.setRootIsDecorated(False)
        for choice in choices:
            self.tree.addTopLevelItem(QTreeWidgetItem([choice, *facts.get(choice, ("", ""))]))
        self.tree.setCurrentItem(self.tree.topLevelItem(0))
        head = self.tree.header()
        if head is not None:
            head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.tree.itemDoubleClicked.connect(lambda *_: self.accept())
        column.addWidget(self.tree)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column.addWidget(buttons)
        self.resize(520, 320)

    def key(self) -> str | None:
        """Return the chosen data set."""
        item = self.tree.currentItem()
        return None if item is None else item.text(0)


def pick(path: Path, choices: list[str]) -> str | None:
    """Ask; return the key, or None when the user would rather not."""
    facts = {d.key: (" × ".join(str(n) for n in d.shape), d.dtype) for d in pipeline.list_datasets(path)}
    dialog = Picker(path, choices, facts)
    return dialog.key() if dialog.exec() == QDialog.DialogCode.Accepted else None
