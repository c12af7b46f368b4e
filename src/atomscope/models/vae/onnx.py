"""The two networks of a model as ONNX graphs, for programs that know neither torch nor atomscope.

The graphs take and give patches in their own units: the normalisation of the training data is inside. What is random
is not: the encoder says means and standard deviations, in the columns of ``encode``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from atomscope.data.columns import describe_unit
from atomscope.data.params import VAESpec
from atomscope.errors import InputError, MissingExtraError
from atomscope.models.vae.codes import code_of, nearest
from atomscope.models.vae.encode import column_names, columns_of
from atomscope.models.vae.model import Model
from atomscope.models.vae.network import VAE
from atomscope.models.vae.pose import Pose

#: Sampling on a grid came with 16; what turns a graph of torch into ONNX writes 18.
OPSET = 18


class EncoderGraph(nn.Module):
    """Patches (n, channels, rows, cols) and what is known of them (n, k) in; the columns of ``encode`` out."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.net = model.net

    def forward(self, patches: Tensor, known: Tensor | None = None) -> Tensor:
        """Return (n, columns)."""
        condition = self.net.standardise_known(known)
        return columns_of(self.net.encode(self.net.standardise(patches), condition, fine=True))


class DecoderGraph(nn.Module):
    """Latents and a pose in, the patches that are expected of them out, in the units of the data."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.net, self.names = model.net, [name for name, _ in decoder_inputs(model)]

    def forward(self, *parts: Tensor) -> Tensor:
        """Return (n, channels, rows, cols)."""
        part = dict(zip(self.names, parts, strict=True))
        scale = part.get("scale")
        pose = Pose(
            None if "angle" not in part else part["angle"][:, 0],
            part.get("shift"),
            None if scale is None else torch.log(scale[:, 0]),
        )
        z = part["z"] if "z" in part else next(iter(part.values())).new_zeros(parts[0].shape[0], 0)
        code = code_of(
            z,
            part.get("theta"),
            part.get("orientation"),
            part.get("class_probability"),
            self.net.standardise_known(part.get("known")),
        )  # (n, code)
        return self.net.restore(self.net.decode(code, pose))


def decoder_inputs(model: Model) -> list[tuple[str, int]]:
    """Return the names of the decoder's inputs and how many numbers a patch each has, in order."""
    spec, layout = model.spec, model.net.layout
    every = (
        ("z", spec.latent_dim),
        ("angle", int(spec.rotation)),
        ("shift", 2 * spec.translation),
        ("scale", int(spec.scaling)),
        ("theta", layout.circles),
        ("orientation", 4 * layout.orientation),
        ("class_probability", layout.classes),
        ("known", layout.conditions),
    )
    return [(name, size) for name, size in every if size]


def export(model: Model, encoder: Path, decoder: Path) -> dict[str, Any]:
    """Write both graphs; return what a program needs to know to use them (JSON-able).

    Raises
    ------
    MissingExtraError
        If the packages that write ONNX are not installed.
    InputError
        If a part of the model has no ONNX form.
    """
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"writing ONNX needs {' and '.join(missing)}, not installed: pip install 'napari-atomscope[onnx]'"
        )
    net = model.net
    patches = torch.randn(3, model.channels, *model.window)  # (n, channels, rows, cols)
    facts = net.layout.conditions
    known = (torch.zeros(3, facts),) if facts else ()
    inputs = decoder_inputs(model)
    with _plain(net), torch.no_grad():
        _write(
            EncoderGraph(model).eval(),
            (patches, *known),
            ["patches", *["known"] * bool(facts)],
            "columns",
            encoder,
            model.spec,
        )
        parts = tuple(torch.ones(3, size) for _, size in inputs)
        _write(DecoderGraph(model).eval(), parts, [name for name, _ in inputs], "patches", decoder, model.spec)
    told = {"shape": ["n", model.channels, *model.window], "dtype": "float32", "unit": "that of the training patches"}
    facts_told = {"shape": ["n", facts], "dtype": "float32", "names": list(model.spec.conditions)}
    names = column_names(model, errors=False)
    return {
        "format": "atomscope-onnx",
        "version": 1,
        "opset": OPSET,
        "window": list(model.window),
        "channels": model.channels,
        "encoder": {
            "file": encoder.name,
            "inputs": {"patches": told} | ({"known": facts_told} if facts else {}),
            "outputs": {"columns": {"shape": ["n", len(names)], "dtype": "float32"}},
            "columns": [{"name": name, "unit": describe_unit(name)} for name in names],
            "angle_order": net.order,
        },
        "decoder": {
            "file": decoder.name,
            "inputs": {
                name: {"shape": ["n", size], "dtype": "float32", "meaning": _MEANINGS[name]} for name, size in inputs
            },
            "outputs": {"patches": told},
        },
        "normalisation": {
            "inside": True,
            "offset": net.offset.tolist(),
            "scale": net.scale.tolist(),
        },
        "conventions": "(row, col) order; angle in rad, 0 along +col, positive towards +row (clockwise on screen); "
        "shifts in px in the laboratory frame; the origin is the centre of the window",
    }


_MEANINGS = {
    "z": "latents",
    "angle": "rad",
    "shift": "(row, col), px",
    "scale": "magnification",
    "theta": "periodic latents, rad",
    "orientation": "unit quaternion (w, x, y, z)",
    "class_probability": "1 for the class to draw, 0 for the others",
    "known": "the conditions, in their own units",
}


def _write(
    graph: nn.Module, inputs: tuple[Tensor, ...], names: list[str], output: str, path: Path, spec: VAESpec
) -> None:
    some = torch.export.Dim("n", min=1)
    shapes: Any = tuple({0: some} for _ in inputs)
    if isinstance(graph, DecoderGraph):
        shapes = (shapes,)  # of *parts
    quiet = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in quiet]
    try:
        for logger in quiet:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                graph,
                inputs,
                input_names=names,
                output_names=[output],
                dynamic_shapes=shapes,
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
                external_data=False,
            )
            assert program is not None
            program.save(str(path), external_data=False)
    except Exception as error:
        first = str(error).strip().splitlines()
        raise InputError(
            f"onnx: the {path.stem} of this model cannot be written ({type(error).__name__}: "
            f"{first[0][:200] if first else ''}); its specification is {spec!r}"
        ) from error
    finally:
        for logger, level in zip(quiet, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _plain(net: VAE) -> Iterator[None]:
    """Decide what a graph cannot: whether the drawings are turned at all."""
    turns, drifts = bool(net.turn.any()), bool(net.drift.any())

    def own_turn(code: Tensor, h: Tensor) -> Tensor | None:
        jumps = net.turn[nearest(code, net.turn_at)] if turns else None  # (n,)
        smooth = h @ net.drift[:-1] + net.drift[-1] if drifts else None  # (n,)
        return smooth if jumps is None else jumps if smooth is None else jumps + smooth

    try:
        net.own_turn = own_turn  # type: ignore[method-assign]
        yield
    finally:
        del net.own_turn
