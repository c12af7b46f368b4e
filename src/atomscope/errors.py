"""Every deliberate error of atomscope, in one tree.

::

    AtomscopeError
    ├── InputError            (ValueError)   an argument or a piece of data cannot be used
    │   ├── ParameterError                   a parameter has an unknown name or a value out of bounds
    │   ├── ShapeError                       an array has the wrong number of axes or the wrong size
    │   └── CalibrationError                 a scale or a unit cannot be used for what was asked
    ├── FileError             (OSError)      a file cannot be read or written
    │   ├── UnknownFormatError               no reader takes this file
    │   ├── DamagedFileError                 the file is truncated, empty or contradicts itself
    │   ├── ChoiceNeededError                the file can be read in several ways: one must be named
    │   └── SaveError                        writing failed; what was there before is untouched
    ├── MissingExtraError     (ImportError)  an optional package is needed
    ├── TrainingError         (RuntimeError) training cannot start or cannot go on
    └── Stopped                              the caller's ``should_stop`` said so; carries what was finished

A message says what was wanted, what came, which item, and what to do next.
``CalibrationWarning`` (UserWarning) tells that a file's calibration was refused and pixels are used.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AtomscopeError",
    "CalibrationError",
    "CalibrationWarning",
    "ChoiceNeededError",
    "DamagedFileError",
    "FileError",
    "InputError",
    "MissingExtraError",
    "ParameterError",
    "SaveError",
    "ShapeError",
    "Stopped",
    "TrainingError",
    "UnknownFormatError",
]


class AtomscopeError(Exception):
    """Base of every error that atomscope raises on purpose."""


class InputError(AtomscopeError, ValueError):
    """An argument or a piece of data cannot be used."""


class ParameterError(InputError):
    """A parameter has an unknown name or a value out of bounds."""


class ShapeError(InputError):
    """An array has the wrong number of axes or the wrong size."""


class CalibrationError(InputError):
    """A scale or a unit cannot be used for what was asked."""


class FileError(AtomscopeError, OSError):
    """A file cannot be read or written."""


class UnknownFormatError(FileError):
    """No reader takes this file."""


class DamagedFileError(FileError):
    """The file is truncated, empty or contradicts itself."""


class ChoiceNeededError(FileError):
    """The file holds several data sets, or does not say how its bytes make a scan: one must be named.

    Attributes
    ----------
    choices : list of str
        What can be named, best guess first.
    options : list of dict
        For each choice, the keywords with which ``atomscope.open`` makes it.
    """

    def __init__(self, message: str, choices: list[str], options: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.choices = choices
        self.options = options if options is not None else [{"key": choice} for choice in choices]


class SaveError(FileError):
    """Writing failed; what was there before is untouched."""


class MissingExtraError(AtomscopeError, ImportError):
    """An optional package is needed; the message names the ``pip install`` line."""


class TrainingError(AtomscopeError, RuntimeError):
    """Training cannot start or cannot go on; the last good checkpoint is kept."""


class Stopped(AtomscopeError):  # noqa: N818 - it is a signal, not a failure
    """The caller's ``should_stop`` said so.

    Attributes
    ----------
    partial : object or None
        What had been finished (for example the Sites of the frames done).
    """

    def __init__(self, message: str = "stopped on request", partial: Any = None) -> None:
        super().__init__(message)
        self.partial = partial


class CalibrationWarning(UserWarning):
    """A file's calibration makes no sense and was not used; the axis is in pixels."""
