"""Runs that version 0.1.0 wrote: they load, resume and are evaluated."""

import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

import barlow
from barlow import data, evaluation, report, runs

HERE = pathlib.Path(__file__).parents[1] / "runs_0_1_0"


@pytest.fixture
def digits():
    images = data.digits()
    return images[:96]


def test_a_complete_run_is_loaded_embedded_and_evaluated(digits, tmp_path):
    run = shutil.copytree(HERE / "complete", tmp_path / "run")
    assert runs.is_complete(run)
    assert runs.summary(run).epochs == 3
    embeddings = barlow.embed(run, digits)
    expected = keras.models.load_model(HERE / "half-jax.expected.keras")(digits.pixels)
    np.testing.assert_allclose(
        embeddings.vectors, keras.ops.convert_to_numpy(expected), rtol=1e-4, atol=1e-5
    )
    parts = evaluation.split(data.digits()[:300])
    rows = evaluation.evaluate(runs.load_encoder(run), *parts, regularization=(1.0,))
    assert {row.features for row in rows} == {"pixels", "random", "learned"}
    assert report.draw_training(run).is_file()
    model = keras.models.load_model(run / runs.MODEL)
    model.jit_compile = False  # torch.compile takes a minute
    model.fit(digits.pixels, batch_size=32, verbose=0)


@pytest.mark.once
def test_a_saved_model_loads_after_import_barlow_alone():
    program = "import barlow, keras, sys; keras.models.load_model(sys.argv[1])"
    command = [sys.executable, "-c", program, HERE / "complete" / runs.MODEL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_resumed_run_keeps_its_views_whatever_is_recommended_now(digits, tmp_path, monkeypatch):
    shutil.copy(HERE / "tiny.keras", tmp_path)
    run = shutil.copytree(HERE / f"half-{keras.backend.backend()}", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    config = runs.read_config(run)
    config["views_recipe"] |= {"noise": 0.1, "erase": [0.5, 0.25]}
    runs.write_json(run / runs.CONFIG, config)
    settings = barlow.Settings(
        encoder="tiny.keras", projector=(8, 8), optimizer="muon", epochs=3, batch_size=32
    )
    barlow.pretrain(digits.pixels, run, settings, resume=True)
    recipe = runs.load_views(run).recipe
    assert (recipe.noise, recipe.erase, recipe.scale) == (0.1, (0.5, 0.25), (0.64, 1.44))


def test_an_interrupted_run_is_resumed_and_ends_as_it_would_have(digits, tmp_path, monkeypatch):
    backend = keras.backend.backend()
    shutil.copy(HERE / "tiny.keras", tmp_path)
    run = shutil.copytree(HERE / f"half-{backend}", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    settings = barlow.Settings(
        encoder="tiny.keras", projector=(8, 8), optimizer="muon", epochs=3, batch_size=32
    )
    assert not runs.is_complete(run)
    barlow.pretrain(digits.pixels, run, settings, resume=True)
    assert runs.is_complete(run)
    assert [row["epoch"] for row in runs.read_metrics(run)] == [1, 2, 3]
    ended, expected = (
        model.get_weights()
        for model in (
            runs.load_encoder(run),
            keras.models.load_model(HERE / f"half-{backend}.expected.keras"),
        )
    )
    for one, other in zip(ended, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
