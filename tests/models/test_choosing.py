"""Choosing a member in a form: it becomes that member, and what the user chose beside it stays."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

import atomscope as ats
from atomscope.cli import main
from atomscope.data.params import MEMBERS, VAESpec, as_member, member_of
from atomscope.errors import InputError


@pytest.mark.parametrize("was", MEMBERS)
@pytest.mark.parametrize("name", MEMBERS)
def test_from_any_member_to_any_other_all_its_parts_and_defaults_are_there(was, name):
    now = MEMBERS[was]()
    wanted = MEMBERS[name](predicts=now.predicts)  # whether another time is drawn follows from the patches
    assert as_member(name, now) == wanted


@pytest.mark.parametrize("name", [name for name in MEMBERS if name != "DelayVAE"])
def test_a_member_is_known_by_its_parts(name):
    assert member_of(MEMBERS[name]()) == name
    assert member_of(MEMBERS[name](hidden=32)) == name


def test_other_choices_of_parts_have_no_name_and_pairs_make_it_a_delay():
    assert member_of(VAESpec(scaling=True, translation=False)) is None
    assert member_of(ats.DelayVAE()) == "DelayVAE"
    assert member_of(ats.JRVAE(4)) == "jrVAE"


def test_what_the_user_chose_stays():
    mine = ats.RVAE(latent_dim=3, hidden=64, likelihood="poisson", max_shift=0.1)
    one = as_member("jrVAE", mine)
    assert (one.latent_dim, one.hidden, one.likelihood, one.max_shift, one.classes) == (3, 64, "poisson", 0.1, 3)
    assert as_member("jVAE", ats.JRVAE(5)).classes == 5
    assert as_member("rVAE", ats.JRVAE(5)).classes == 0
    assert as_member("torus", mine).latent_dim == 0 and as_member("rVAE", ats.TorusVAE(3)).latent_dim == 2
    assert as_member("rtsVAE", ats.RVAE(decoder="coordinate")) == ats.RTSVAE(decoder="coordinate")
    assert as_member("rtsVAE", ats.RVAE(likelihood="poisson")) == ats.RTSVAE(likelihood="poisson")
    assert as_member("SO(3)", ats.RVAE(decoder="coordinate")).decoder == "cloud"
    assert as_member("rVAE", ats.PhyVAE()) == ats.RVAE()


@pytest.mark.parametrize(("command", "more"), [("train", {}), ("learn4d", {"glance": True})])
def test_on_the_command_line_a_member_brings_its_defaults_and_options_change_them(command, more, monkeypatch, tmp_path):
    seen = []

    def run(recipe, *args, **kwargs):
        seen.append(recipe.first("train").model)
        raise InputError("seen")

    monkeypatch.setattr("atomscope.pipeline.run_recipe", run)
    file = tmp_path / "scan.npy"
    np.save(file, np.random.default_rng(0).poisson(5, (4, 5, 16, 16)).astype(np.uint16))
    for words, wanted in (
        (["--member", "rtsVAE", "--hidden", "16"], ats.RTSVAE(hidden=16)),
        (["--member", "jrvae", "--classes", "5", "--translation"], ats.JRVAE(5)),
        (["--member", "torus", "--circles", "3"], ats.TorusVAE(3)),
        (["--translation"], ats.RVAE(**more)),
    ):
        said = CliRunner().invoke(main, [command, str(file), "-o", str(tmp_path / "run"), *words])
        assert "seen" in said.output, said.output
        assert seen[-1] == wanted
