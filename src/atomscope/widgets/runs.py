"""The dock widget *Runs*: save what was done, open it again, take it away as a recipe or as Python."""

from __future__ import annotations

import re
import weakref
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
)

from atomscope import pipeline
from atomscope.data import Run, Sites, Stack, counted
from atomscope.errors import AtomscopeError, InputError
from atomscope.widgets.bridge import sites_of, stack_of
from atomscope.widgets.compare_runs import CompareRuns
from atomscope.widgets.jobs import show_error
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.overlay import colour_by, is_image, is_points, points_layer
from atomscope.widgets.panel import Panel, RunBar, button, row_label
from atomscope.widgets.reader import image_tuple
from atomscope.widgets.run_table import RunTable
from atomscope.widgets.script import as_python


class RunsWidget(Panel):
    """Save, list and reopen runs.

    Parameters
    ----------
    napari_viewer : napari viewer
    """

    def __init__(self, napari_viewer: Any, parent: Any = None) -> None:
        super().__init__(napari_viewer, parent)
        self.points_box = LayerBox(self.viewer, is_points, "find atoms first")
        self.points_box.setToolTip("The Points layer whose run is saved.")
        self.name_line = QLineEdit("run")
        self.name_line.setToolTip("Name of the run; its folder gets the same name.")
        rows = self.rows()
        rows.addRow(row_label("Sites"), self.points_box)
        rows.addRow(row_label("Name"), self.name_line)
        grid = QGridLayout()
        grid.setSpacing(6)
        self.save_button = button("Save run", "Save sites, model, losses and recipe into the folder below.", self.save)
        self.recipe_button = button("Save recipe…", "Save the steps as a YAML file for the command line.", self.recipe)
        self.python_button = button("Copy as Python", "Copy the steps as a script.", self.copy_python)
        grid.addWidget(self.save_button, 0, 0, 1, 2)
        grid.addWidget(self.recipe_button, 1, 0)
        grid.addWidget(self.python_button, 1, 1)
        self.body.addLayout(grid)
        self.heading("Runs in a folder")
        line = QHBoxLayout()
        self.folder_line = QLineEdit(str(Path.cwd() / "runs"))
        self.folder_line.setToolTip("The folder that holds the runs.")
        self.folder_line.editingFinished.connect(self.refresh)
        line.addWidget(self.folder_line, 1)
        line.addWidget(button("Browse…", "Choose the folder.", self._browse))
        self.body.addLayout(line)
        self.table = RunTable()
        self.table.itemSelectionChanged.connect(self._allow)
        self.table.itemDoubleClicked.connect(self._double_clicked)
        self.body.addWidget(self.table, 1)
        self.compare_button = button("Compare", "Show the chosen runs side by side.", self.compare)
        self.body.addWidget(self.compare_button)
        self.comparison = CompareRuns()
        self.comparison.hide()
        self.body.addWidget(self.comparison)
        self.run_bar = RunBar(self.runner, "Open run", "Rebuild the layers of the chosen run.", self.load)
        self.foot.addWidget(self.run_bar)
        self.points_box.layer_changed.connect(self._points_changed)
        self.state.changed.connect(self._state_changed)
        self._points_changed()
        self.refresh()

    def _state_changed(self, layer: Any, what: str) -> None:
        self._points_changed()

    def _points_changed(self) -> None:
        points = self.points_box.layer()
        for one in (self.save_button, self.recipe_button, self.python_button):
            one.setEnabled(points is not None)
        if points is not None and self.name_line.text() in ("", "run"):
            self.name_line.setText(points.name)
        self._allow()

    def _allow(self) -> None:
        chosen = len(self.table.chosen())
        self.run_bar.allow("" if self.table.current() is not None else "Choose a run in the table first.")
        self.compare_button.setEnabled(chosen > 1)
        self.compare_button.setText(f"Compare {chosen} runs" if chosen > 1 else "Compare (choose two or more)")

    def compare(self) -> None:
        """Show the chosen runs side by side."""
        folders = self.table.chosen()

        def work(on_progress: Any, should_stop: Any) -> Any:
            runs = [pipeline.load(folder) for folder in folders]
            return [run.history for run in runs], pipeline.side_by_side(runs)

        self.runner.start("Compare runs", work, on_done=self._compared, on_error=self._complain_quietly)

    def _compared(self, value: Any, stopped: bool) -> None:
        if value is None:
            return
        self.comparison.show_runs(*value)
        self.comparison.show()
        self.run_bar.say(f"{len(value[0])} runs side by side: what differs, and what came of it.")

    def _browse(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Folder of runs", self.folder_line.text())
        if path:
            self.folder_line.setText(path)
            self.refresh()

    def refresh(self) -> None:
        """List the runs of the folder again."""
        folder = Path(self.folder_line.text()).expanduser()
        try:
            runs = pipeline.list_runs(folder) if folder.is_dir() else []
        except AtomscopeError as error:
            self.run_bar.say(str(error), bad=True)
            runs = []
        self.table.show_runs(runs, folder)
        self._allow()

    # away

    def current(self) -> tuple[Run, pipeline.Recipe]:
        """Return the run of the chosen Points layer, and its recipe.

        Raises
        ------
        InputError
            If there is no image that the points lie in.
        """
        points = self.points_box.layer()
        work = self.state.work(points)
        image = work.image_layer() or next((layer for layer in self.viewer.layers if is_image(layer)), None)
        if image is None:
            raise InputError(f"{points.name}: wanted the image that the points lie in, found none; open it first")
        recipe = pipeline.Recipe.of(**dict(work.recipe()))
        stack: Stack = work.stack or stack_of(image)
        sites: Sites = sites_of(points, image, self.viewer)
        name = self.name_line.text().strip() or points.name
        return pipeline.make_run(name, sites=sites, model=work.scales or work.model, recipe=recipe, stack=stack), recipe

    def save(self) -> None:
        """Save the run into the folder."""
        try:
            run, _ = self.current()
        except AtomscopeError as error:
            self._complain(error)
            return
        folder = Path(self.folder_line.text()).expanduser() / (re.sub(r"[^\w.+-]+", "_", run.name) or "run")

        def work(on_progress: Any, should_stop: Any) -> Any:
            return pipeline.save(run, folder)

        self.runner.start("Save run", work, on_done=self._saved, on_error=self._complain_quietly)

    def _saved(self, value: Any, stopped: bool) -> None:
        self.run_bar.say(f"Saved {value}.")
        self.refresh()

    def recipe(self) -> None:
        """Save the recipe where the user says."""
        path, _ = QFileDialog.getSaveFileName(self, "Save the recipe", "recipe.yaml", "Recipe (*.yaml)")
        if path:
            self.save_recipe(Path(path))

    def save_recipe(self, path: Path) -> None:
        """Save the recipe."""
        try:
            _, recipe = self.current()
            if not len(recipe):
                raise InputError("no steps yet: press a Run button in one of the other docks first")
            written = recipe.to_yaml(path)
        except AtomscopeError as error:
            self._complain(error)
            return
        self.run_bar.say(f"Saved {written}. Run it with: atomscope run {written.name}")

    def copy_python(self) -> None:
        """Copy the steps as a script."""
        try:
            _, recipe = self.current()
        except AtomscopeError as error:
            self._complain(error)
            return
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(as_python(recipe))
        self.run_bar.say("Copied a script to the clipboard.")

    # back

    def load(self) -> None:
        """Open the chosen run."""
        folder = self.table.current()
        if folder is not None:
            self.load_folder(folder)

    def _double_clicked(self, item: Any) -> None:
        self.load()

    def load_folder(self, folder: Path) -> None:
        """Open a run and rebuild its layers."""

        def work(on_progress: Any, should_stop: Any) -> Any:
            run = pipeline.load(folder)
            return run, pipeline.open_source(run)

        self.runner.start("Open run", work, on_done=self._loaded, on_error=self._complain_quietly)

    def _loaded(self, value: Any, stopped: bool) -> None:
        if value is None:
            return
        run, stack = value
        if run.sites is None:
            self.run_bar.say(f"{run.name} has no sites.", bad=True)
            return
        image = self._image_of(run, stack)
        base = stack or (stack_of(image) if image is not None else Stack.from_array(_blank(run.sites)))
        points = points_layer(base, run.sites, image, f"{run.name} sites")
        self.viewer.add_layer(points)
        work = self.state.work(points)
        work.stack, work.sites = base, run.sites
        work.image = weakref.ref(image) if image is not None else None
        work.model = run.model
        work.scales = pipeline.scales_of(run) if run.finer else None
        work.table = run.sites.table.set_index("site")
        work.steps = {step.name: step.params for step in pipeline.Recipe.from_list(run.recipe)}
        columns = run.sites.table.columns
        show = work.steps.get("show")
        wanted = [getattr(show, "color", None), "z1", "angle", "score"]
        colour = next((c for c in wanted if c in columns), None)
        if colour is not None:
            colour_by(points, colour)
        gone = "" if image is not None else f" Its data ({run.source or 'made in memory'}) was not found."
        self.run_bar.say(f"Opened {run.name}: {counted(len(run.sites), 'site')}.{gone}", bad=bool(gone))
        self.state.tell(points, "model" if run.model is not None else "sites")

    def _image_of(self, run: Run, stack: Stack | None) -> Any:
        for layer in self.viewer.layers:
            if is_image(layer) and run.source and stack_of(layer).source == run.source:
                return layer
        if stack is None:
            return None
        data, kwargs, _ = image_tuple(stack)
        return self.viewer.add_image(data, **kwargs)

    def _complain(self, error: BaseException) -> None:
        show_error(error)
        self._complain_quietly(error)

    def _complain_quietly(self, error: BaseException) -> None:
        self.run_bar.say(str(error), bad=True)


def _blank(sites: Sites) -> Any:
    """Return a lazy array of zeros of the shape that the sites lie in, for a run whose data are gone."""
    import dask.array as da

    shape = sites.shape or (1, int(sites.table["row"].max()) + 2, int(sites.table["col"].max()) + 2)
    return da.zeros(shape, chunks=(*(1,) * (len(shape) - 2), *shape[-2:]))
