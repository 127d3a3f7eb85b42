"""One declaration of a setting: what the command line, the checks and the docs have of it."""

import dataclasses
import decimal
import fractions
import importlib
import inspect
import json
import math
import pathlib
import re
import subprocess
import sys
import typing
import warnings

import numpy as np
import pytest
from typer.testing import CliRunner

import barlow
from barlow import recommendation, settings, views
from barlow.cli import app
from barlow.errors import InvalidInput

NAMES = list(settings.declarations())


@pytest.fixture(scope="module")
def help_text():
    result = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, ["pretrain", "--help"])
    return " ".join(re.sub("[│╭╮╰╯─]", " ", result.output).split())


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_an_option_an_argument_and_a_key_of_the_run(name, help_text):
    declaration = settings.declarations()[name]
    assert f"--{name.rstrip('_').replace('_', '-')}" in help_text
    assert declaration.help in help_text
    assert declaration.help in str(inspect.getdoc(barlow.Settings))
    recommended = dataclasses.asdict(barlow.recommend(100, (8, 8, 1)))
    assert name in recommended


def test_what_is_shown_of_settings_is_what_was_set():
    given = barlow.Settings(epochs=20, projector=(8, 8), views="grey")
    assert repr(given) == "Settings(views='grey', projector=(8, 8), epochs=20)"
    assert repr(barlow.Settings()) == "Settings()"


@pytest.mark.parametrize("name", NAMES)
def test_a_value_just_out_of_bounds_is_refused_and_one_within_is_not(name):
    declaration = settings.declarations()[name]
    outside = {
        "at_least": lambda bound: (bound, bound - 1),
        "at_most": lambda bound: (bound, bound + 1),
        "above": lambda bound: (bound + 0.5, bound),
        "below": lambda bound: (bound - 0.5, bound),
    }
    for kind, values in outside.items():
        bound = getattr(declaration, kind)
        if bound is not None:
            good, bad = values(bound)
            barlow.Settings(**{name: good})
            with pytest.raises(ValueError, match=re.escape(f"`{name}` must be ")):
                barlow.Settings(**{name: bad})
    if declaration.choices:
        for choice in declaration.choices:
            barlow.Settings(**{name: choice})
        with pytest.raises(ValueError, match=f"`{name}` must be one of"):
            barlow.Settings(**{name: "something else"})


@pytest.mark.parametrize("name", NAMES)
def test_a_value_of_another_type_is_refused_when_it_is_set(name):
    type_ = typing.get_type_hints(barlow.Settings)[name]
    kind, *_ = typing.get_args(type_) or (type_,)
    wrong = {
        int: (2.5, "3", math.inf, True),
        float: ("0.5", math.inf, -math.inf, math.nan, True),
        str: (3,),
        tuple[int, ...]: (8, (8.5, 8), (True, 8), "8,8"),
        bool: ("no", "", 2, 0.5),
    }
    for value in wrong[kind]:
        with pytest.raises(InvalidInput, match=re.escape(f"`{name}` must be ")):
            barlow.Settings(**{name: value})


def test_paths_and_numbers_of_numpy_are_settings_as_text_and_numbers_are(tmp_path):
    barlow.models.encoder("conv", (8, 8, 1)).save(tmp_path / "own.keras")
    given = barlow.Settings(
        encoder="conv",
        weights=tmp_path / "own.keras",
        epochs=np.int64(3),
        learning_rate=np.float32(0.5),
        lambda_=fractions.Fraction(1, 4),
        weight_decay=decimal.Decimal("0.125"),
        jit_compile=np.bool_(False),
        projector=[np.int64(8), 8],
    )
    plain = barlow.Settings(
        encoder="conv",
        weights=str(tmp_path / "own.keras"),
        epochs=3,
        learning_rate=0.5,
        lambda_=0.25,
        weight_decay=0.125,
        jit_compile=False,
        projector=(8, 8),
    )
    assert given == plain
    json.dumps(dataclasses.asdict(given))  # as a run keeps them
    assert barlow.Settings(encoder=tmp_path / "own.keras").encoder == str(tmp_path / "own.keras")


@pytest.mark.parametrize(
    ("name", "typed", "meant"),
    [
        ("optimizer", "moun", "muon"),
        ("views", "glyph", "glyphs"),
        ("encoder", "resnet81", "resnet18"),
    ],
)
def test_a_near_name_is_suggested(name, typed, meant):
    with pytest.raises(ValueError, match=f"Did you mean '{meant}'"):
        barlow.Settings(**{name: typed})


def test_a_recommendation_is_settings_with_nothing_open():
    recommended = barlow.recommend(1000, (32, 32, 3))
    assert isinstance(recommended, barlow.Settings)
    again = barlow.recommend(1000, (32, 32, 3), recommended)
    without = {name: value for name, value in vars(again).items() if name != "reasons"}
    assert without == {name: vars(recommended)[name] for name in without}
    assert set(again.reasons.values()) == {"given"}


def test_an_encoder_that_is_built_is_not_built_again(monkeypatch):
    encoder = barlow.models.encoder("conv", (32, 32, 3))
    expected = barlow.recommend(1000, (32, 32, 3))
    monkeypatch.setattr(barlow.models, "encoder", None)
    assert barlow.recommend(1000, (32, 32, 3), None, encoder) == expected


def test_names_of_choices_are_those_of_their_owners():
    assert settings.declarations()["views"].choices[1:] == tuple(views.RECIPES)
    for name in settings.OPTIMIZERS:
        recommended = dataclasses.replace(barlow.recommend(100, (8, 8, 1)), optimizer=name)
        assert recommendation.optimizer(recommended, 100).learning_rate is not None


@pytest.mark.once
def test_the_documentation_has_the_table_of_all_settings():
    script = pathlib.Path(__file__).parents[1] / "docs" / "make_tables.py"
    done = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_former_module_of_recommendations_still_works_and_says_where_it_is_now():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        recipes = importlib.import_module("barlow.recipes")
    with pytest.warns(DeprecationWarning, match=r"barlow\.recommend"):
        importlib.reload(recipes)
    assert recipes.recommend is recommendation.recommend
    assert recipes.Settings is barlow.Settings
