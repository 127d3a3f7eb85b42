import keras
import numpy as np
import pytest
import small

import barlow
from barlow import losses, models
from barlow.views import ImageViews, Recipe


@pytest.fixture
def images():
    """Stripes of sixteen directions: something to learn, on 8 x 8 pixels."""
    angle = np.linspace(0, np.pi, 16, endpoint=False)[np.arange(128) % 16, None, None]
    y, x = np.mgrid[:8, :8]
    stripes = np.sin(x * np.cos(angle) + y * np.sin(angle))
    noise = np.random.default_rng(0).uniform(-20, 20, (128, 8, 8))
    return (127.5 + 100 * stripes + noise)[..., None].astype("uint8")


def make_model(seed=0, views="glyphs", projector=(32, 32), encoder=None, **arguments):
    keras.utils.set_random_seed(seed)
    model = barlow.BarlowTwins(
        encoder or small.network((8, 8, 1)),
        projector=projector,
        views=ImageViews(views, seed=seed) if views else None,
        **arguments,
    )
    model.compile(keras.optimizers.AdamW(2e-3))
    return model


def to_numpy(x):
    return keras.ops.convert_to_numpy(x)


def test_it_learns_from_images_alone_and_the_metrics_add_up(images):
    model = make_model(encoder=models.encoder("conv", (8, 8, 1)))
    history = model.fit(images, batch_size=64, epochs=15, verbose=0).history
    assert sorted(history) == ["invariance", "loss", "redundancy"]
    np.testing.assert_allclose(
        np.add(history["invariance"], history["redundancy"]), history["loss"], rtol=1e-4
    )
    start, floor = model.levels(batch_size=64)
    assert floor < history["loss"][-1] < 0.5 * history["loss"][0] < start
    assert model.encoder.predict(images, verbose=0).shape == (128, 128)


def test_evaluate_gives_the_loss_of_images_that_were_held_out(images):
    model = make_model(views=None)
    first, second = images.astype("float32"), np.flip(images, axis=2).astype("float32")
    found = model.evaluate((first, second), batch_size=128, verbose=0, return_dict=True)
    za, zb = model.predict((first, second), verbose=0)
    invariance, redundancy, *_ = losses.terms(za, zb)
    expected = {"invariance": invariance, "redundancy": redundancy, "loss": losses.Barlow()(za, zb)}
    for name, value in expected.items():
        assert found[name] == pytest.approx(float(value), rel=1e-4), name


@pytest.mark.parametrize("batched", [False, True], ids=["arrays", "dataset"])
def test_pairs_need_no_views(images, batched):
    class Pairs(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            part = images[64 * index : 64 * (index + 1)]
            return ((part, 255 - part),)

    model = make_model(views=None)
    data = Pairs() if batched else (images, 255 - images)
    history = model.fit(data, batch_size=64, epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]


def test_without_views_anything_but_a_pair_is_refused_with_both_remedies(images):
    with pytest.raises(ValueError, match=r"fit\(\(first, second\)\)[\s\S]*ImageViews"):
        make_model(views=None).fit(images, verbose=0)


def test_every_part_is_in_training_mode_when_the_model_trains_and_only_then(images):
    modes = []

    @keras.saving.register_keras_serializable("tests")
    class Mode(keras.layers.Layer):
        def call(self, inputs, training=None):
            modes.append(bool(training))
            return inputs

    class Views(Mode):
        def call(self, inputs, training=None):
            return (super().call(inputs, training),) * 2

    encoder = keras.Sequential([keras.Input((8, 8, 1)), Mode(), keras.layers.Flatten()])
    projector = keras.Sequential([keras.Input((64,)), Mode(), keras.layers.Dense(4)])
    model = barlow.BarlowTwins(encoder, projector, Views())
    model.compile("sgd")
    for train, method in ((True, model.fit), (False, model.evaluate)):
        method(images, batch_size=64, verbose=0)  # builds, in whichever mode
        model.make_train_function(force=True)
        model.make_test_function(force=True)
        modes.clear()
        method(images, batch_size=64, verbose=0)
        assert len(modes) >= 5
        assert set(modes) == {train}


def test_labels_do_not_change_the_loss(images):
    labels = np.arange(128) % 16
    with_labels, without = (
        make_model().fit(images, y, batch_size=64, epochs=2, verbose=0).history["loss"]
        for y in (labels, None)
    )
    np.testing.assert_allclose(with_labels, without, rtol=1e-5)


def test_a_sample_of_weight_zero_adds_nothing_to_the_loss(images):
    model = make_model(views=None)
    pair, weights = (images, 255 - images), np.arange(128) % 2
    found = model.evaluate(
        pair, np.zeros(128), sample_weight=weights, batch_size=128, verbose=0, return_dict=True
    )
    values = losses.Barlow(reduction="none")(*model.predict(pair, verbose=0))
    assert found["loss"] == pytest.approx((weights * to_numpy(values)).mean(), rel=1e-4)


def test_a_model_that_was_saved_and_loaded_continues_exactly(images, tmp_path):
    fit = {"batch_size": 64, "shuffle": False, "verbose": 0}
    whole = make_model().fit(images, epochs=4, **fit)
    first = make_model()
    start = first.fit(images, epochs=2, **fit)
    first.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert isinstance(loaded.objective, losses.Barlow)
    rest = loaded.fit(images, epochs=4, initial_epoch=2, **fit)
    np.testing.assert_allclose(
        start.history["loss"] + rest.history["loss"], whole.history["loss"], rtol=1e-4
    )


def test_penalties_of_weights_are_in_the_loss_and_not_in_its_terms(images):
    inputs = keras.Input((8, 8, 1))
    penalty = keras.regularizers.L2(0.1)
    outputs = keras.layers.Dense(8, kernel_regularizer=penalty)(keras.layers.Flatten()(inputs))
    model = barlow.BarlowTwins(keras.Model(inputs, outputs))
    model.compile("sgd")
    found = model.evaluate((images, 255 - images), batch_size=128, verbose=0, return_dict=True)
    added = 0.1 * np.square(model.encoder.layers[-1].get_weights()[0]).sum()
    assert added > 0.1
    terms = found["invariance"] + found["redundancy"]
    assert found["loss"] == pytest.approx(terms + added, rel=1e-4)


def test_a_weight_of_the_loss_is_no_part_of_its_terms(images):
    model, plain = make_model(views=None), make_model(views=None)
    model.compile("sgd", loss_weights=0.5)
    found, expected = (
        each.evaluate((images, 255 - images), batch_size=128, verbose=0, return_dict=True)
        for each in (model, plain)
    )
    expected["loss"] *= 0.5
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_model_that_was_never_compiled_is_loaded_as_such(images, tmp_path):
    encoder = small.network((8, 8, 1))
    model = barlow.BarlowTwins(encoder, projector=(8,))
    model((images[:4], images[4:8]))
    model.save(tmp_path / "model.keras")
    assert not keras.models.load_model(tmp_path / "model.keras").compiled


def test_the_loss_is_the_one_that_was_given_to_the_model_and_no_other(images):
    model = make_model(loss=losses.Barlow(lambda_=0.0))
    found = model.evaluate(images, verbose=0, return_dict=True)
    assert found["redundancy"] == pytest.approx(0, abs=1e-3)
    with pytest.raises(ValueError, match="already has its loss"):
        model.compile("sgd", loss="mse")


def test_an_encoder_that_returns_no_vector_is_refused():
    inputs = keras.Input((8, 8, 1))
    maps = keras.layers.Conv2D(4, 3)(inputs)
    vector = keras.layers.GlobalAveragePooling2D()(maps)
    for outputs, found in (
        (maps, r"\(None, 6, 6, 4\)"),
        ([vector, vector], r"\(None, 4\), \(None, 4\)"),
    ):
        with pytest.raises(ValueError, match=f"GlobalAveragePooling2D.*{found}"):
            barlow.BarlowTwins(keras.Model(inputs, outputs))


def test_an_encoder_of_unknown_output_is_refused_with_the_remedy():
    class Encoder(keras.Model):
        def call(self, images):
            return keras.ops.mean(images, axis=(1, 2))

    for encoder in (Encoder(), keras.Sequential([keras.layers.Flatten()])):
        with pytest.raises(ValueError, match=r"functional model.*keras\.Input"):
            barlow.BarlowTwins(encoder)


@pytest.mark.parametrize("projector", [keras.layers.Dense(4), 512, None], ids=str)
def test_a_projector_is_a_model_or_widths(projector):
    with pytest.raises(ValueError, match=r"`projector` must be a keras\.Model or the widths"):
        make_model(projector=projector)


@pytest.mark.parametrize("reduction", ["auto", "mean", "mean_with_sample_weight"])
def test_a_loss_that_averages_is_taken(reduction, images):
    model = make_model(loss=losses.Barlow(reduction=reduction))
    found = model.evaluate(images, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(found["invariance"] + found["redundancy"], rel=1e-4)


@pytest.mark.parametrize(
    ("loss", "received"),
    [
        (losses.Barlow(reduction="sum"), "'sum'"),
        (losses.Barlow(reduction="none"), "'none'"),
        (losses.Barlow(reduction=None), "None"),
        ("mse", "mse"),
        (keras.losses.MeanSquaredError(), "mean_squared_error"),
    ],
    ids=["sum", "none", "None", "name", "another"],
)
def test_a_loss_that_does_not_average_is_refused(loss, received):
    with pytest.raises(ValueError, match=f"averages over the samples.*Received: .*{received}"):
        make_model(loss=loss)


@pytest.fixture(params=["array", "with labels", "sequence", "tf.data", "DataLoader"])
def inputs(request):
    """Images in a form that ``fit`` takes."""
    images = np.random.default_rng(0).uniform(0, 255, (8, 8, 8, 1)).astype("float32")

    class Sequence(keras.utils.PyDataset):
        def __init__(self, images):
            super().__init__()
            self.images = images

        def __len__(self):
            return 1

        def __getitem__(self, index):
            return (self.images,)

    def as_tf_data(images):
        tf = pytest.importorskip("tensorflow")
        return tf.data.Dataset.from_tensor_slices(images).batch(8)

    def as_data_loader(images):
        torch = pytest.importorskip("torch")
        return torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(torch.from_numpy(images)), batch_size=8
        )

    forms = {
        "array": lambda images: (images,),
        "with labels": lambda images: (images, np.zeros(8)),
        "sequence": lambda images: (Sequence(images),),
        "tf.data": lambda images: (as_tf_data(images),),
        "DataLoader": lambda images: (as_data_loader(images),),
    }
    return images, forms[request.param]


def test_images_within_0_to_1_are_refused_before_training_and_those_to_255_are_not(inputs):
    images, form = inputs
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Rescaling(1 / 255)]
    model = barlow.BarlowTwins(
        keras.Sequential(layers), (16,), views=ImageViews(Recipe(brightness=0.5))
    )
    model.compile("adamw")
    with pytest.raises(ValueError, match=r"from 0.*from_array.*by 255"):
        model.fit(*form(images / 255), verbose=0)
    assert int(model.optimizer.iterations) == 0
    assert np.isfinite(model.fit(*form(images), verbose=0).history["loss"][0])


def test_views_see_the_values_as_they_are_in_half_precision():
    seen = []

    class Views(keras.layers.Layer):
        def call(self, inputs, training=None):
            seen.append(to_numpy(inputs))
            return inputs, inputs

    rows = 1000 + np.arange(8, dtype="float32")[:, None]  # of which bfloat16 has two
    encoder = keras.Sequential([keras.Input((1,)), keras.layers.Dense(4)])
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        barlow.BarlowTwins(encoder, (4, 4), Views(dtype="float32"))(rows)
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_array_equal(seen[-1], rows)


def test_a_cross_correlation_is_of_tensors_as_of_arrays(images):
    model = make_model()
    expected = model.cross_correlation(images[:40])
    model.views.seed_generator.state.assign(ImageViews("glyphs", seed=0).seed_generator.state)
    found = model.cross_correlation(keras.ops.convert_to_tensor(images[:40]))
    np.testing.assert_allclose(found, expected, atol=1e-5)
