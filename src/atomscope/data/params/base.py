"""The base of every parameter class: frozen, documented, unknown names are errors."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from atomscope.errors import ParameterError


class Params(BaseModel):
    """Parameters of one step. The form, the command line and the recipe are made from it.

    Raises
    ------
    ParameterError
        If a name is unknown or a value is out of bounds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ParameterError(explain(type(self), error)) from None

    def replace(self, **changes: Any) -> Any:
        """Return a copy with some fields changed, validated again."""
        return type(self)(**{**self.model_dump(), **changes})


def field(
    default: Any,
    title: str,
    description: str,
    *,
    unit: str = "",
    advanced: bool = False,
    **bounds: Any,
) -> Any:
    """Declare a parameter: its default, the words that a person reads, its unit and bounds.

    ``advanced`` fields are folded away in the form; ``bounds`` are pydantic's (``ge``, ``gt``, ``le``, ``lt``).
    """
    return Field(
        default,
        title=title,
        description=description,
        json_schema_extra={"unit": unit, "advanced": advanced},
        **bounds,
    )


def explain(cls: type[BaseModel], error: ValidationError) -> str:
    """Say in plain words what is wrong with the values given to a parameter class."""
    lines = []
    for item in error.errors():
        name = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(item["loc"][-1]), list(cls.model_fields), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(cls.model_fields)}"
            lines.append(f"unknown parameter {name!r}; {hint}")
        else:
            text = item["msg"].removeprefix("Value error, ")
            lines.append(f"{name}: {text}, got {item.get('input')!r}" if name else text)
    return f"{cls.__name__}: " + "; ".join(lines)
