"""Write beside and rename: a file or a folder is there whole, or it is as it was before."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from atomscope.errors import AtomscopeError, SaveError

#: Leftovers of a process that was killed are removed by the next write of the same name when they are this old (s).
_STALE = 24 * 3600.0


@contextlib.contextmanager
def writing_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``, and rename it to ``path`` when the block ends well.

    Raises
    ------
    SaveError
        If writing failed; what was at ``path`` is untouched and the temporary file is gone.
    """
    path = Path(path)
    with _as_save_error(path):
        if path.is_dir():
            raise SaveError(f"{path}: wanted a file to write, but there is a folder of that name")
        _make_parent(path)
        _sweep(path)
        beside = _beside(path, "tmp")
        try:
            yield beside
            _flush(beside)
            os.replace(beside, path)  # noqa: PTH105 - atomic on every system
            _flush(path.parent)
        except BaseException:
            _remove(beside)
            raise


@contextlib.contextmanager
def writing_folder(path: Path, keep: frozenset[str] | None = None) -> Iterator[Path]:
    """Give a temporary folder beside ``path``, and put it in place of ``path`` when the block ends well.

    Parameters
    ----------
    path : Path
    keep : frozenset of str, optional
        Names that belong to what is written. Other entries of the folder that is replaced are a person's own:
        they are moved into the new one. None: the old folder is removed whole.

    Raises
    ------
    SaveError
        If writing failed; what was at ``path`` is untouched and the temporary folder is gone.
    """
    path = Path(path)
    with _as_save_error(path):
        _make_parent(path)
        recover(path)
        _sweep(path)
        beside, old = _beside(path, "tmp"), _beside(path, "old")
        try:
            beside.mkdir()
            yield beside
            for file in beside.rglob("*"):
                if file.is_file():
                    _flush(file)
            if path.exists():
                path.rename(old)  # a kill between these two lines is mended by recover()
            beside.rename(path)
            _flush(path.parent)
        except BaseException as error:
            if old.exists() and not path.exists():
                old.rename(path)
            _remove(beside)
            if isinstance(error, SaveError):  # of a file inside: name it as the caller knows it
                raise SaveError(str(error).replace(str(beside), str(path))) from error.__cause__
            raise
        if old.exists():
            for entry in list(old.iterdir()) if keep is not None and old.is_dir() else ():
                if entry.name not in (keep or ()) and not (path / entry.name).exists():
                    entry.rename(path / entry.name)
            _remove(old)


def recover(path: Path) -> None:
    """Bring back the old folder when a kill came between the two renames of :func:`writing_folder`."""
    path = Path(path)
    if path.exists() or not path.parent.is_dir():
        return
    left = sorted(path.parent.glob(f".{_escape(path.name)}.old-*"), key=lambda p: p.stat().st_mtime)
    if left:
        left[-1].rename(path)


def _escape(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _beside(path: Path, kind: str) -> Path:
    return path.parent / f".{path.name}.{kind}-{uuid.uuid4().hex[:8]}"


def _make_parent(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)


def _sweep(path: Path) -> None:
    for kind in ("tmp", "old"):
        for left in path.parent.glob(f".{_escape(path.name)}.{kind}-*"):
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > _STALE:
                    _remove(left)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Make the system write it to the disk, so that a full disk is noticed before the rename."""
    if path.is_dir():
        if os.name != "posix":  # Windows cannot open a folder
            return
        handle = os.open(path, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # some network file systems refuse this for folders
                os.fsync(handle)
        finally:
            os.close(handle)
        return
    with path.open("r+b") as file:
        os.fsync(file.fileno())


@contextlib.contextmanager
def _as_save_error(path: Path) -> Iterator[None]:
    try:
        yield
    except AtomscopeError:
        raise
    except OSError as error:
        raise SaveError(f"{path}: {_why(path, error)}; what was there before is untouched") from error


def _why(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or "no space" in str(error).lower():
        return "the disk is full; free some space or save elsewhere"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        held = " (or another program has it open: close it there)" if os.name == "nt" else ""
        return f"no permission to write in {path.parent}{held}; choose another folder"
    return f"writing failed ({type(error).__name__}: {error})"
