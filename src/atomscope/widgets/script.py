"""A recipe as a Python script that does the same."""

from __future__ import annotations

from atomscope.data.params import Params
from atomscope.pipeline import Recipe


def as_python(recipe: Recipe) -> str:
    """Return a script that runs the steps of a recipe with the public verbs.

    Only what differs from the defaults is written.
    """
    steps = {step.name: step.params for step in recipe}
    source = repr(getattr(steps.get("open"), "path", "your_movie.zarr"))
    key = getattr(steps.get("open"), "key", None)
    said = "".join(f", {name}={value!r}" for name, value in getattr(steps.get("open"), "scan", {}).items())
    lines = ["import atomscope as ats", "", f"stack = ats.open({source}{f', key={key!r}' if key else ''}{said})"]
    if "grid" in steps:
        lines.append(f"sites = ats.grid(stack{_fields(steps['grid'])})")
    elif "particles" in steps:
        lines.append(f"sites = ats.find_particles(stack{_fields(steps['particles'])})")
    else:
        lines.append(f"sites = ats.find_atoms(stack{_fields(steps.get('find'))})")
    if "crop" in steps:
        lines.append(f"patches = ats.crop(stack, sites{_fields(steps['crop'])})")
    if "train" in steps:
        model, fit = getattr(steps["train"], "model", None), getattr(steps["train"], "fit", None)
        near = ", table=sites" if getattr(model, "walls", 0) else ""  # which patches are neighbours
        lines.append(f"model = ats.fit(patches, ats.RVAE({_fields(model)[2:]}){near}{_fields(fit)})")
        lines.append(f"sites = sites.join(ats.encode(model, patches{near}))")
    if "cluster" in steps:
        lines.append(f"sites = sites.join(ats.cluster(sites{_fields(steps['cluster'])}))")
    lines.append("sites.table.to_parquet('sites.parquet')")
    return "\n".join(lines) + "\n"


def _fields(params: Params | None) -> str:
    """Return ``, name=value`` for every field that is not at its default."""
    if params is None:
        return ""
    defaults = type(params)()
    changed = [n for n in type(params).model_fields if getattr(params, n) != getattr(defaults, n)]
    return "".join(f", {name}={getattr(params, name)!r}" for name in changed)
