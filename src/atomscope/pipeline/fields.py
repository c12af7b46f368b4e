"""Parameters of a verb: a parameter class, or its fields by keyword."""

from __future__ import annotations

from typing import Any, TypeVar

from atomscope.data.params import Params

P = TypeVar("P", bound=Params)


def with_fields(cls: type[P], params: P | None, fields: dict[str, Any]) -> P:
    """Return ``params`` (or the defaults) with single fields replaced.

    Raises
    ------
    ParameterError
        If a field is unknown or out of bounds.
    """
    if params is None:
        return cls(**fields)
    return params.replace(**fields) if fields else params
