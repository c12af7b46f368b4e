"""Flags: the fields of parameter classes as options, and the arguments that many commands share."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from atomscope.data.params import Params

DATA = click.argument("file", type=click.Path(path_type=Path))
KEY = click.option("--key", help="Data set, for files that hold several (see `atomscope info`).")

LAYERS = click.option(
    "--layer",
    "layers",
    multiple=True,
    help="Image registered with FILE, one more channel of each window; repeat for more. FILE::KEY names a data set.",
)


class Window(click.ParamType):
    """A window size: one number, or ROWSxCOLS."""

    name = "N or ROWSxCOLS"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Parse ``32`` or ``24x48``."""
        if not isinstance(value, str):
            return value
        try:
            parts = [float(v) if "." in v else int(v) for v in value.lower().split("x")]
        except ValueError:
            self.fail(f"wanted a number or ROWSxCOLS, got {value!r}", param, ctx)
        return parts[0] if len(parts) == 1 else tuple(parts)


def flags(*classes: type[Params]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the fields of parameter classes as options; those left out stay out of the call."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for cls in reversed(classes):
            for name, info in reversed(cls.model_fields.items()):
                if name == "kind":
                    continue
                extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
                unit = f" [{extra['unit']}]" if extra.get("unit") else ""
                default = "" if info.default is None else f"  (default: {info.default})"
                option = f"--{name.replace('_', '-')}"
                kind = _click_type(info.annotation)
                decl = f"{option}/--no-{name.replace('_', '-')}" if kind is bool else option
                function = click.option(
                    decl,
                    name,
                    type=None if kind is bool else kind,
                    default=None,
                    help=f"{info.description}{unit}{default}",
                )(function)
        return function

    return add


def take(cls: type[Params], values: dict[str, Any]) -> Any:
    """Build a parameter class from the options that were given."""
    return cls(**{k: values[k] for k in cls.model_fields if values.get(k) is not None})


def open_all(file: Path, key: str | None, layers: tuple[str, ...]) -> Any:
    """Open a file, or a list of it and the layers registered with it (``FILE`` or ``FILE::KEY``)."""
    from atomscope import pipeline

    stack = pipeline.open(file, key=key)
    more = [pipeline.open(path, key=which or None) for path, _, which in (one.partition("::") for one in layers)]
    return [stack, *more] if more else stack


def _click_type(annotation: Any) -> Any:
    """Return the click type of a field's annotation."""
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return click.Choice([str(v) for v in typing.get_args(annotation)])
    if origin in (typing.Union, types.UnionType):
        args = [a for a in typing.get_args(annotation) if a is not type(None)]
        return Window() if len(args) > 1 else _click_type(args[0])
    return annotation if annotation in (int, float, bool) else str
