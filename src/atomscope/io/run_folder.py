"""Run folders: everything that one pass made, in files that other programs open too.

::

    run.json            name, time, source, remarks, what else is there
    recipe.yaml         the steps
    sites.parquet       the site table with every learnt column
    model.safetensors   weights and specification (model.json: a readable copy)
    level_2.safetensors and so on, where a run has models of several window sizes: those of the smaller windows
    history.csv         losses, a row an epoch
"""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from typing import Any

import pandas as pd

from atomscope.data import Run
from atomscope.errors import AtomscopeError, DamagedFileError, FileError, SaveError, UnknownFormatError
from atomscope.io.atomic import recover, writing_folder
from atomscope.io.model_file import read_model, write_model
from atomscope.io.plain import to_json
from atomscope.io.recipe import read_recipe, write_recipe
from atomscope.io.tables import column_from_text, read_table, write_table

_FORMAT = "atomscope-run"
_VERSION = 1
_RUN, _RECIPE, _SITES, _MODEL, _HISTORY = "run.json", "recipe.yaml", "sites.parquet", "model.safetensors", "history.csv"
_FINER = tuple(f"level_{i}.safetensors" for i in range(2, 17))
_COPIES = frozenset({"model.json", *(f"level_{i}.json" for i in range(2, 17))})
_OURS = frozenset({_RUN, _RECIPE, _SITES, _MODEL, _HISTORY, *_FINER}) | _COPIES


def write_run(run: Run, folder: str | os.PathLike[str], *, overwrite: bool = True) -> Path:
    """Write a run folder; an older run there is replaced when the new one is complete.

    Parameters
    ----------
    run : Run
    folder : str or Path
        A new folder, an empty one, or one that holds a run. Files of yours beside the run's are kept.
    overwrite : bool
        Whether an older run may be replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    SaveError
        If the folder holds other things than a run, may not be replaced, or writing failed (no permission,
        disk full); what was there before is untouched.
    """
    where = Path(folder).expanduser()
    where = where if where.name else where.resolve()
    recover(where)
    if where.is_dir() and any(where.iterdir()):
        if not (where / _RUN).is_file():
            raise SaveError(f"{where}: the folder holds other files and no run; choose a new or empty folder")
        if not overwrite:
            raise SaveError(f"{where}: already holds a run; choose another folder or allow overwriting")
    elif where.exists() and not where.is_dir():
        raise SaveError(f"{where}: wanted a folder, but there is a file of that name")
    created = run.created or datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with writing_folder(where, keep=_OURS) as beside:
        contents = []
        if run.sites is not None:
            write_table(run.sites, beside / _SITES)
            contents.append(_SITES)
        if run.model is not None:
            write_model(run.model, beside / _MODEL)
            contents.append(_MODEL)
        for name, state in zip(_FINER, run.finer, strict=False):
            write_model(state, beside / name)
            contents.append(name)
        if len(run.history.columns):
            run.history.to_csv(beside / _HISTORY, index=False, lineterminator="\n")
            contents.append(_HISTORY)
        write_recipe(run.recipe, beside / _RECIPE)
        contents.append(_RECIPE)
        head = {
            "format": _FORMAT,
            "version": _VERSION,
            "name": run.name,
            "created": created,
            "source": run.source,
            "meta": run.meta,
            "contents": contents,
            "summary": _summary(run),
            "history_dtypes": {str(c): str(run.history[c].dtype) for c in run.history.columns},
        }
        (beside / _RUN).write_text(to_json(head, "run", indent=1) + "\n", encoding="utf-8")
    return where


def read_run(folder: str | os.PathLike[str]) -> Run:
    """Read a run folder with everything in it.

    Raises
    ------
    FileError
        If there is no such folder.
    UnknownFormatError
        If it is not a run folder.
    DamagedFileError
        If something that the run says it holds is missing or damaged.
    """
    where = _run_folder(folder)
    head = _head(where)
    contents = head["contents"]
    for name in contents:
        if not (where / name).is_file():
            raise DamagedFileError(f"{where / name}: missing, though the run says that it holds it")
    return Run(
        name=str(head["name"]),
        sites=read_table(where / _SITES) if _SITES in contents else None,
        model=read_model(where / _MODEL) if _MODEL in contents else None,
        finer=tuple(read_model(where / name) for name in _FINER if name in contents),
        history=_history(where / _HISTORY, head.get("history_dtypes", {})) if _HISTORY in contents else pd.DataFrame(),
        recipe=read_recipe(where / _RECIPE) if _RECIPE in contents else [],
        source=str(head.get("source", "")),
        created=str(head.get("created", "")),
        meta=head.get("meta", {}),
    )


def list_runs(folder: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return what the runs inside a folder say about themselves, newest first, reading no tables or weights.

    Returns
    -------
    list of dict
        ``name, path, created, source, sites, epochs, loss`` and so on; a damaged run has ``error`` instead of these.
    """
    where = Path(folder).expanduser()
    if not where.is_dir():
        raise FileError(f"{where}: no such folder")
    folders = [where] if (where / _RUN).is_file() else []
    folders += sorted(p.parent for p in where.glob(f"*/{_RUN}") if not p.parent.name.startswith("."))
    runs = []
    for one in folders:
        try:
            head = _head(one)
        except AtomscopeError as error:
            runs.append({"name": one.name, "path": str(one), "created": "", "error": str(error)})
            continue
        about = {k: head.get(k, "") for k in ("name", "created", "source")}
        runs.append({**about, "path": str(one), **head.get("summary", {}), "contents": head["contents"]})
    return sorted(runs, key=lambda r: (str(r["created"]), str(r["path"])), reverse=True)


def _summary(run: Run) -> dict[str, Any]:
    said: dict[str, Any] = {"sites": 0, "frames": 0, "epochs": 0, "loss": None, "val_loss": None, "model": ""}
    if run.sites is not None:
        said["sites"] = len(run.sites)
        said["frames"] = int(run.sites.table["frame"].nunique())
    if len(run.history):
        said["epochs"] = len(run.history)
        for name in ("loss", "val_loss"):
            if name in run.history and pd.notna(run.history[name].iloc[-1]):
                said[name] = float(run.history[name].iloc[-1])
    if run.model is not None:
        said["model"] = str(run.model.spec.get("kind", ""))
    return said


def _run_folder(folder: str | os.PathLike[str]) -> Path:
    where = Path(folder).expanduser()
    if where.name == _RUN:
        where = where.parent
    recover(where)
    if not where.is_dir():
        raise FileError(f"{where}: no such run folder")
    if not (where / _RUN).is_file():
        raise UnknownFormatError(f"{where}: not a run folder, it has no {_RUN}")
    return where


def _head(where: Path) -> dict[str, Any]:
    file = where / _RUN
    try:
        head = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(head, dict) or head.get("format") != _FORMAT:
            raise UnknownFormatError(f"{file}: not the description of a run of atomscope")
        if int(head["version"]) > _VERSION:
            raise UnknownFormatError(
                f"{file}: written by a newer atomscope (format {head['version']}); update atomscope"
            )
        names = head["contents"]
        if not isinstance(names, list) or not set(names) <= _OURS or "name" not in head:
            raise ValueError("contents or name")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedFileError(f"{file}: damaged ({type(error).__name__}: {error})") from error
    return head


def _history(file: Path, dtypes: dict[str, str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
        return pd.DataFrame({c: column_from_text(table[c], dtypes.get(str(c), "float64")) for c in table})
    except (ValueError, TypeError, pd.errors.ParserError) as error:
        raise DamagedFileError(f"{file}: damaged ({error})") from error
