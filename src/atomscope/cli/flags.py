"""Flags: the fields of parameter classes as options, and the arguments that many commands share."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from atomscope.data import Stack
from atomscope.data.params import MEMBERS, Params, ScanFileParams, VAESpec

DATA = click.argument("file", type=click.Path(path_type=Path))
_SCAN = "atomscope.scan"  # where a command keeps what was said of the file, besides --key

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


class Sizes(click.ParamType):
    """Several whole numbers, such as ROWSxCOLS, or a word."""

    name = "ROWSxCOLS"

    def __init__(self, *words: str, least: int = 2) -> None:
        self.words, self.least = words, least

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Parse ``128x256``, ``3x128x256`` or ``1,0``."""
        if not isinstance(value, str) or value in self.words:
            return value
        parts = value.lower().replace(",", "x").split("x")
        if not all(p.strip().isdigit() for p in parts) or len(parts) < self.least:
            self.fail(f"wanted {' or '.join((self.name, *self.words))}, got {value!r}", param, ctx)
        return tuple(int(p) for p in parts) if len(parts) > 1 else int(parts[0])


_SIZES = {"scan_shape": Sizes("movie"), "frame_shape": Sizes(), "skip_frames": Sizes(least=1)}


def source_flags(show: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--key`` and what a file of bare frames does not say itself; :func:`opened` opens by them.

    Only ``--scan-shape`` stands in the help of most commands, which does not say the same eight lines everywhere.
    """

    def keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value is not None and value is not False:
            ctx.meta.setdefault(_SCAN, {})[param.name] = value

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for name, info in reversed(ScanFileParams.model_fields.items()):
            more = "" if show or name != "scan_shape" else " More for raw files: see `atomscope info -h`."
            function = click.option(
                f"--{name.replace('_', '-')}",
                type=_SIZES.get(name) or _click_type(info.annotation),
                is_flag=info.annotation is bool,
                default=None,
                hidden=not show and name != "scan_shape",
                expose_value=False,
                callback=keep,
                help=f"{info.description}{more}",
            )(function)
        return click.option("--key", help="Data set, for files that hold several (see `atomscope info`).")(function)

    return add


KEY = source_flags()

MEMBER = click.option(
    "--member",
    type=click.Choice(list(MEMBERS), case_sensitive=False),
    help="Member of the family: its parts and its defaults, which the options below change.  (default: rVAE)",
)

ENERGY = click.option(
    "--energy-kev", type=float, help="Energy of the electrons, between mrad and 1/nm; absent: what the file says."
)


def opened(file: Path, key: str | None = None) -> Stack:
    """Open a file as the flags of the command say (:func:`source_flags`)."""
    from atomscope import pipeline

    return pipeline.open(file, key=key, **said_of_source())


def said_of_source() -> dict[str, Any]:
    """Return what the flags of the command say of its file, besides ``--key``."""
    return dict(click.get_current_context().meta.get(_SCAN, {}))


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


def take_model(values: dict[str, Any], member: str | None) -> VAESpec:
    """Build a model from the options that were given, over the defaults of a member of the family."""
    given = {k: values[k] for k in VAESpec.model_fields if values.get(k) is not None}
    return MEMBERS[member or "rVAE"](**given)


def open_all(file: Path, key: str | None, layers: tuple[str, ...]) -> Any:
    """Open a file, or a list of it and the layers registered with it (``FILE`` or ``FILE::KEY``)."""
    from atomscope import pipeline

    stack = opened(file, key)
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
