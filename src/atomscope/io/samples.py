"""The sample data that comes with atomscope, in a wheel and in a checkout."""

from __future__ import annotations

from pathlib import Path

from atomscope.errors import FileError

_PACKAGE = Path(__file__).resolve().parents[1]


def sample_folder() -> Path:
    """Return the folder of the samples: inside the package in a wheel, at the root of a checkout.

    Raises
    ------
    FileError
        If the installation has none.
    """
    for folder in (_PACKAGE / "sample_data", _PACKAGE.parents[1] / "sample_data"):
        if folder.is_dir():
            return folder
    raise FileError(f"{_PACKAGE / 'sample_data'}: the sample data is missing; install napari-atomscope again")


def list_samples() -> list[str]:
    """Return the names of the samples: files and Zarr folders, without scripts, notes and hidden files."""
    return sorted(
        p.name
        for p in sample_folder().iterdir()
        if not p.name.startswith((".", "_"))
        and p.suffix.lower() not in (".py", ".md", ".json", ".csv", ".parquet")
        and (p.is_file() or p.suffix == ".zarr")
    )


def sample_path(name: str) -> Path:
    """Return the path of a sample by its name, with or without ending.

    Raises
    ------
    FileError
        If there is none; the message lists those that are there.
    """
    folder = sample_folder()
    if name and Path(name).name == name:
        if (folder / name).exists() and not name.startswith("."):
            return folder / name
        for listed in list_samples():
            if listed.split(".")[0] == name:
                return folder / listed
    raise FileError(f"no sample called {name!r}; there are: {', '.join(list_samples()) or 'none'}")
