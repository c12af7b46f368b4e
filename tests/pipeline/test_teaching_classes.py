"""Teaching several classes, some of them rare: they come back by class, and what will not is said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner

import atomscope as ats
from atomscope.cli import main
from atomscope.pipeline import class_lines, save_stack
from atomscope.simulate import movie
from truth import match


def lattice_movie(lattice, seed, frames=2, size_px=160):
    """A movie with vacancies and dopants at SNR 5, and the truth of its frames."""
    stack, truth = movie(
        lattice, frames, snr=5, vacancies=0.05, substitutions=0.05, drift_nm=0.05, seed=seed, size_px=size_px
    )
    return stack, truth.table


def by_class(stack, table, finder, frame=1):
    """F1 of every class in a frame that was not shown."""
    found = ats.find_atoms(stack, model=finder, first_frame=frame, last_frame=frame).table
    truth = table[table["frame"] == frame].drop(columns="present")
    return {
        name: match(
            found[found["kind"] == name], truth[truth["kind"] == name], 2.5, shape=stack.frame_shape, margin=8
        ).f1
        for name in finder.taught.classes
    }


@pytest.fixture(scope="module")
def perovskite():
    stack, table = lattice_movie("perovskite", 0)
    return stack, table, ats.train_finder(stack, table[table["frame"] == 0], steps=24)


def test_rare_classes_come_back_on_a_frame_that_was_not_shown(perovskite):
    stack, table, finder = perovskite
    f1 = by_class(stack, table, finder)
    assert f1["atom"] > 0.97
    assert min(f1["substitution"], f1["vacancy"]) > 0.85, f1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("lattice", ["graphene", "perovskite"])
def test_vacancies_and_dopants_of_a_movie_are_found_by_class(lattice, seed):
    stack, table = lattice_movie(lattice, seed, size_px=256)
    f1 = by_class(stack, table, ats.train_finder(stack, table[table["frame"] == 0], seed=seed))
    assert min(f1["substitution"], f1["vacancy"]) > 0.9, f1
    assert f1["atom"] > 0.98


def test_every_class_has_an_f1_to_be_expected(perovskite):
    _, table, finder = perovskite
    expected = finder.meta["expected_f1_by_class"]
    assert tuple(expected) == finder.taught.classes
    assert all(0 <= f1 <= 1 for f1 in expected.values())
    assert expected["atom"] > 0.9
    lines = class_lines(finder)
    assert [line.split(":")[0] for line in lines] == list(finder.taught.classes)
    marked = table["kind"][table["frame"] == 0].value_counts()
    assert lines[0].startswith(f"atom: {marked['atom']} examples, F1 to be expected 0.9")


def test_a_class_of_two_examples_is_said_to_be_too_few(perovskite):
    stack, table, _ = perovskite
    first = table[table["frame"] == 0]
    few = first[first["kind"] == "vacancy"].index[2:]
    finder = ats.train_finder(stack, first.drop(few).replace({"kind": {"substitution": "atom"}}), steps=6)
    line = next(line for line in class_lines(finder) if line.startswith("vacancy"))
    assert "2 examples" in line
    assert line.endswith("mark more")


def test_without_marks_that_are_held_back_nothing_is_promised_of_a_class(perovskite):
    stack, table, _ = perovskite
    first = table[table["frame"] == 0]
    some = first.groupby("kind", observed=True).head(2)
    finder = ats.train_finder(stack, some, steps=3, complete=False)
    assert set(finder.meta["expected_f1_by_class"].values()) == {None}
    assert all(line.endswith("how many will be found: mark more") for line in class_lines(finder))


def test_of_finders_of_which_nothing_is_known_by_class_nothing_is_said(perovskite):
    *_, finder = perovskite
    assert class_lines(replace(finder, meta={"expected_f1": 0.9})) == []
    assert class_lines(replace(finder, taught=None, judge=None)) == []


def test_a_finder_with_classes_comes_back_from_its_file(perovskite, tmp_path):
    stack, _, finder = perovskite
    again = ats.load_finder(ats.save_finder(finder, tmp_path / "mine.safetensors"))
    assert again.taught == finder.taught
    assert class_lines(again) == class_lines(finder)
    one, two = (ats.find_atoms(stack, model=f, first_frame=1).table for f in (finder, again))
    assert one["kind"].tolist() == two["kind"].tolist()


def test_the_command_line_tells_every_class(perovskite, tmp_path):
    stack, table, _ = perovskite
    save_stack(stack, tmp_path / "movie.zarr")
    first = table[table["frame"] == 0]
    first[["frame", "row", "col", "kind"]].to_csv(tmp_path / "marks.csv", index=False)
    done = CliRunner().invoke(
        main, ["teach", str(tmp_path / "movie.zarr"), str(tmp_path / "marks.csv"), str(tmp_path / "f.safetensors"),
               "--steps", "2"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    for name in ("atom", "substitution", "vacancy"):
        assert f"  {name}: " in done.output
