"""Recipes say what they hold, and refuse what they do not know."""

import pytest

from atomscope.data.params import CropParams, FindParams
from atomscope.errors import InputError, ParameterError
from atomscope.pipeline import Recipe, TrainParams, run_recipe


def test_a_recipe_survives_being_plain_data():
    recipe = Recipe.of(find=FindParams(threshold=5), crop=CropParams(window_px=(24, 32)), train=TrainParams())
    assert Recipe.from_list(recipe.to_list()) == recipe


def test_a_misspelled_field_names_the_step_and_the_near_name():
    with pytest.raises(ParameterError, match=r"step 2 \(crop\).*'windw_px'.*did you mean 'window_px'"):
        Recipe.from_list([{"step": "find"}, {"step": "crop", "windw_px": 3}])


def test_an_unknown_step_lists_the_known_ones():
    with pytest.raises(ParameterError, match=r"unknown step 'fnd'.*find"):
        Recipe.from_list([{"step": "fnd"}])


def test_a_step_without_what_it_needs_says_what_to_add():
    with pytest.raises(InputError, match="needs a step 'open' before it"):
        run_recipe(Recipe.of(find=FindParams()))
