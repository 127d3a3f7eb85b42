"""Hyper-parameters: from which numbers they come, and that what is given wins."""

import dataclasses
import re

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import barlow
from barlow import recommendation

# The authors' table: ResNet-50 on ImageNet, learning rate for 256 images by batch size.
AUTHORS = {128: 0.7, 256: 0.4, 512: 0.3, 1024: 0.25, 2048: 0.2, 4096: 0.2}
OPEN = dataclasses.asdict(barlow.Settings())
NOT_RECOMMENDED = {
    "weights", "minutes", "micro_batch_size", "ema", "dtype_policy", "jit_compile",
    "steps_per_execution", "seed",
}  # fmt: skip


def recommend(images=50_000, image_shape=(32, 32, 3), **settings):
    return barlow.recommend(images, image_shape, barlow.Settings(**settings))


@settings(deadline=None)
@given(
    images=st.integers(2, 10**6),
    size=st.sampled_from([8, 15, 16, 28, 64]),
    channels=st.sampled_from([1, 3]),
    batch_size=st.none() | st.integers(2, 4096),
)
def test_nothing_is_left_open_and_every_value_has_its_reason(images, size, channels, batch_size):
    recommended = recommend(images, (size, size, channels), batch_size=batch_size)
    for name in OPEN.keys() - NOT_RECOMMENDED:
        assert getattr(recommended, name) not in (None, "auto")
    assert set(recommended.reasons) == OPEN.keys() - NOT_RECOMMENDED
    assert all(recommended.reasons.values())
    assert 2 <= recommended.batch_size <= images
    assert 0 <= recommended.warmup_epochs < recommended.epochs
    steps = recommended.epochs * (images // recommended.batch_size)
    assert recommended.epochs == 100 or steps - recommended.epochs < 1200 <= steps


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("encoder", "vit_tiny"),
        ("views", "glyphs"),
        ("projector", (16, 8)),
        ("lambda_", 0.0),
        ("epochs", 7),
        ("batch_size", 64),
        ("micro_batch_size", 16),
        ("optimizer", "lars"),
        ("learning_rate", 0.123),
        ("warmup_epochs", 0),
        ("weight_decay", 0.0),
        ("seed", 3),
    ],
)
def test_what_is_given_by_hand_wins(name, value):
    recommended = recommend(**{name: value})
    assert getattr(recommended, name) == value
    if name not in {"micro_batch_size", "seed"}:
        assert recommended.reasons[name] == "given"


@pytest.mark.parametrize(("batch_size", "base"), AUTHORS.items())
def test_a_resnet_has_the_learning_rate_of_the_authors(batch_size, base):
    recommended = recommend(encoder="resnet18", batch_size=batch_size)
    assert recommended.optimizer == "lars"
    assert recommended.learning_rate == pytest.approx(base * batch_size / 256)
    assert recommended.projector == (2048, 2048, 2048)


@settings(deadline=None)
@given(st.integers(128, 4096))
def test_between_the_authors_batch_sizes_it_lies_between_theirs(batch_size):
    rate = recommend(optimizer="lars", batch_size=batch_size).learning_rate
    below = max(size for size in AUTHORS if size <= batch_size)
    above = min(size for size in AUTHORS if size >= batch_size)
    base = 256 * rate / batch_size
    assert AUTHORS[above] * 0.99 <= base <= AUTHORS[below] * 1.01


@pytest.mark.parametrize("batch_size", [64, 2048])
def test_a_vision_transformer_has_adamw_at_every_batch_size(batch_size):
    recommended = recommend(encoder="vit_tiny", batch_size=batch_size)
    assert (recommended.optimizer, recommended.learning_rate) == ("adamw", 5e-4)


def test_small_batches_and_encoders_of_ones_own_have_adamw(tmp_path, monkeypatch):
    assert recommend(encoder="resnet18", batch_size=64).optimizer == "adamw"
    inputs = keras.Input((32, 32, 3))
    own = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))
    monkeypatch.chdir(tmp_path)
    for name in ("own.keras", "resnet.keras", "vit.keras"):  # whatever they are called
        own.save(name)
        recommended = recommend(encoder=name, batch_size=256)
        assert (recommended.optimizer, recommended.learning_rate) == ("adamw", 2e-3)
        assert recommended.projector == (12, 12, 12)


@pytest.mark.parametrize("batch_size", [64, 256, 1024])
def test_the_small_network_has_muon_at_a_rate_by_the_root_of_the_batch(batch_size):
    recommended = recommend(encoder="conv", batch_size=batch_size)
    assert recommended.optimizer == "muon"
    assert recommended.learning_rate == pytest.approx(2e-3 * (batch_size / 256) ** 0.5)


@pytest.mark.parametrize(
    ("encoder", "batch_size"),
    [("conv", 64), ("resnet18", 64), ("resnet18", 256), ("vit_tiny", 256)],
)
def test_weights_that_have_been_learned_have_a_tenth_of_the_learning_rate_and_nothing_else(
    encoder, batch_size, tmp_path
):
    (tmp_path / "own.weights.h5").touch()
    how = {"encoder": encoder, "batch_size": batch_size}
    random = recommend(**how)
    start = recommend(**how, weights=str(tmp_path / "own.weights.h5"))
    assert start.learning_rate == pytest.approx(random.learning_rate / 10, rel=5e-3)
    assert "not compared here" in start.reasons["learning_rate"]
    same = {"weights": None, "learning_rate": random.learning_rate, "reasons": random.reasons}
    assert dataclasses.replace(start, **same) == random


def test_a_batch_is_never_more_than_all_images():
    recommended = recommend(images=40, batch_size=64)
    assert recommended.batch_size == 40
    assert "all the images" in recommended.reasons["batch_size"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adamw", keras.optimizers.AdamW),
        ("lars", barlow.optimizers.LARS),
        ("muon", barlow.optimizers.Muon),
    ],
)
@pytest.mark.once
def test_the_optimizer_has_the_rates_of_warm_up_and_cosine_and_the_decay(name, kind):
    recommended = recommend(
        images=105,
        optimizer=name,
        batch_size=10,  # ten steps an epoch, of which the last images are left out
        epochs=10,
        warmup_epochs=2,
        learning_rate=0.5,
        weight_decay=0.25,
    )
    optimizer = recommendation.optimizer(recommended, 105)
    assert isinstance(optimizer, kind)
    assert optimizer.get_config()["weight_decay"] == 0.25
    variable = keras.Variable(np.ones(3))
    rates = []
    for _ in range(100):
        rates.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
        optimizer.apply([keras.ops.zeros(3)], [variable])
    np.testing.assert_allclose(rates[:21], 0.5 * np.arange(21) / 20, atol=1e-6)
    steps = np.arange(80)
    cosine = 0.5 * (1e-3 + (1 - 1e-3) * (1 + np.cos(np.pi * steps / 80)) / 2)
    np.testing.assert_allclose(rates[20:], cosine, rtol=1e-4)


def test_a_warm_up_that_is_not_shorter_than_training_is_refused():
    with pytest.raises(ValueError, match=re.escape("Received: 5 of 5.")):
        recommend(epochs=5, warmup_epochs=5)


def test_one_image_is_too_few():
    with pytest.raises(ValueError, match=re.escape("at least 2 images, better thousands.")):
        recommend(images=1)


@pytest.mark.parametrize(("size", "width"), [(8, 512), (28, 2048)])
def test_the_small_network_has_a_projector_with_a_wide_output(size, width):
    features = barlow.models.encoder("conv", (size, size, 1)).output_shape[-1]
    assert width >= 2 * features
    assert recommend(image_shape=(size, size, 1)).projector == (512, width)
