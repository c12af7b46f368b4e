"""A recipe as a Python script that does the same."""

from __future__ import annotations

from atomscope.data.params import DelayParams, Detector, Params
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
    images = "stack"
    if layers := getattr(steps.get("open"), "layers", ()):
        images = "layers"  # registered images: a channel each
        more = (f"ats.open({one.path!r}{f', key={one.key!r}' if one.key else ''})" for one in layers)
        lines.append(f"layers = [stack, {', '.join(more)}]")
    scan = images
    if isinstance(detector := steps.get("virtual"), Detector):
        lines.append(f"stack = ats.virtual_image(scan, ats.Detector({_fields(detector)[2:]}))")
        lines[2], scan = lines[2].replace("stack = ", "scan = "), "scan"
    patterns = steps.get("patterns")
    found = any(name in steps for name in ("find", "grid", "particles"))
    if patterns is not None and not found:
        pass  # every position is a site
    elif "grid" in steps:
        lines.append(f"sites = ats.grid(stack{_fields(steps['grid'])})")
    elif "particles" in steps:
        lines.append(f"sites = ats.find_particles(stack{_fields(steps['particles'])})")
    else:
        lines.append(f"sites = ats.find_atoms(stack{_fields(steps.get('find'))})")
    if "structure" in steps:
        lines.append(f"sites = ats.structure(sites, image=stack{_fields(steps['structure'])}).sites")
    crop, delay = steps.get("crop"), steps.get("delay")
    given = ""
    if sizes := getattr(crop, "finer_px", ()):  # windows are cut while the models are trained
        sizes = (getattr(crop, "window_px", 0), *sizes)
    elif isinstance(delay, DelayParams):
        stack = delay.pairs == "stack"
        lines.append(f"patches, target = ats.delayed({images}, sites{_fields(delay, 'pairs')}{_fields(crop)})")
        lines += ["patches = ats.channels(patches, target)"] if stack else []
        given = "" if stack else ", given=ats.Given(target=target)"
    elif patterns is not None:
        which = ", sites=sites" if found else ""
        lines.append(f"patches, sites = ats.patterns({scan}{which}{_fields(patterns)})")
    elif crop is not None:
        lines.append(f"patches = ats.crop({images}, sites{_fields(crop)})")
    if "train" in steps and sizes:
        model, fit = getattr(steps["train"], "model", None), getattr(steps["train"], "fit", None)
        spec, cut = f"ats.RVAE({_fields(model)[2:]})", _fields(crop, "window_px", "finer_px")[2:]
        how = f", crop=ats.CropParams({cut})" if cut else ""
        lines.append(f"scales = ats.fit_scales({images}, sites, {sizes}, {spec}{how}{_fields(fit)})")
        lines.append(f"sites = sites.join(ats.encode_scales(scales, {images}, sites))")
    elif "train" in steps:
        model, fit = getattr(steps["train"], "model", None), getattr(steps["train"], "fit", None)
        near = ", table=sites" if getattr(model, "walls", 0) else ""  # which patches are neighbours
        lines.append(f"model = ats.fit(patches, ats.RVAE({_fields(model)[2:]}){given}{near}{_fields(fit)})")
        lines.append(f"sites = sites.join(ats.encode(model, patches{near}))")
    if "cluster" in steps:
        lines.append(f"sites = sites.join(ats.cluster(sites{_fields(steps['cluster'])}))")
    if "link" in steps:
        moved = "drift" in steps
        asked = ", sites=sites" if getattr(steps.get("drift"), "method", "") == "sites" else ""
        lines += [f"drift = ats.drift(stack{asked}{_fields(steps['drift'])})"] if moved else []
        whose = "drift.applied_to(sites)" if moved else "sites"
        lines.append(f"sites = ats.link({whose}{', drift=drift' if moved else ''}{_fields(steps['link'])})")
    lines.append("sites.table.to_parquet('sites.parquet')")
    return "\n".join(lines) + "\n"


def _fields(params: Params | None, *but: str) -> str:
    """Return ``, name=value`` for every field that is not at its default (but for some)."""
    if params is None:
        return ""
    defaults = type(params)()
    changed = [n for n in type(params).model_fields if n not in but and getattr(params, n) != getattr(defaults, n)]
    return "".join(f", {name}={getattr(params, name)!r}" for name in changed)
