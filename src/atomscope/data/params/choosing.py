"""Choosing a member of the family in a form that has every part: what the choice sets, and what it leaves alone."""

from __future__ import annotations

from typing import Any

from atomscope.data.params.members import MEMBERS
from atomscope.data.params.model import VAESpec

#: What a member is by; the rest are its defaults.
SHAPE = ("rotation", "translation", "scaling", "classes", "circles", "orientation", "walls")
#: Defaults of a member that a user may have changed: kept where they were, and where the member has such a thing.
OWN = ("latent_dim", "max_shift", "classes", "circles", "walls")
#: The member that draws another time; whether one does follows from the patches.
DELAY = "DelayVAE"


def member_of(spec: VAESpec) -> str | None:
    """Return the name of the member that a model is; None: a choice of parts that has no name.

    One that turns and does not shift has the name of the one that does both.
    """
    if spec.rotation and not spec.scaling:
        spec = spec.replace(translation=True)
    fits = [
        name
        for name, make in MEMBERS.items()
        if all(bool(getattr(make(), part)) == bool(getattr(spec, part)) for part in SHAPE)
    ]
    named = [name for name in fits if (name == DELAY) == spec.predicts] or fits
    return named[0] if named else None


def as_member(name: str, now: VAESpec) -> VAESpec:
    """Return a member of the family; what it says nothing of stays as it is in a model.

    Parameters
    ----------
    name : str
        One of :data:`~atomscope.data.params.MEMBERS`.
    now : VAESpec
        A latent dimension, a largest shift or a number of classes that is not the default of the member that this one
        is, is the user's own, and kept where the new member has such a thing. ``predicts`` stays.

    Raises
    ------
    ParameterError
        If the parts that stay do not fit the member.
    """
    make = MEMBERS[name]
    plain, usual = make(), MEMBERS[member_of(now) or "rVAE"]()
    bare = VAESpec()
    told = {field for one in MEMBERS.values() for field, value in one() if value != getattr(bare, field)}
    fields: dict[str, Any] = {field: value for field, value in now if field not in {*told, "kind"}}
    if now.decoder != "cloud" and plain.decoder != "cloud":
        fields["decoder"] = now.decoder
    for field in OWN:
        value = getattr(now, field)
        if value and getattr(plain, field) and value != getattr(usual, field):
            fields[field] = value
    return make(**{**fields, "predicts": now.predicts})


def for_patterns(spec: VAESpec, name: str | None = None) -> VAESpec:
    """Return a model as patterns of a scan want it: they are centred, and few of them differ by more than a turn.

    No shift, unless the member of this name is about shifts. One that turns looks twice: grains that are turned are
    else taken for different things, one run in five.
    """
    return spec.replace(translation=spec.translation and name in ("tVAE", "rtsVAE"), glance=spec.rotation)
