import functools
import multiprocessing
import pathlib
import sys

import keras
import numpy as np
import pytest

import barlow
from barlow import losses
from barlow.views import ImageViews

IMAGES = np.random.default_rng(0).uniform(0, 255, (24, 8, 8, 1)).astype("float32")
PAIR = (IMAGES, IMAGES[:, ::-1].copy())


def make_model(micro_batch_size, *, random=False, regularizer=None, activity=None, **options):
    """Model trained by plain gradients; with `random` also views, dropout, batch statistics."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((8, 8, 1)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(8, 3, activation="tanh", kernel_regularizer=regularizer),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(8, activity_regularizer=activity),
    ]
    if random:
        layers += [keras.layers.BatchNormalization(), keras.layers.Dropout(0.3, seed=1)]
    projector = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16)])
    views = ImageViews("glyphs", seed=0) if random else None
    model = barlow.BarlowTwins(
        keras.Sequential(layers), projector, views, losses.Barlow(lambda_=0.1)
    )
    sgd = keras.optimizers.SGD(0.01)
    model.compile(sgd, micro_batch_size=micro_batch_size, **options)
    return model


def trained(data, *arguments, batch_size=24, **options):
    """Metrics, weights and all other states after training."""
    model = make_model(*arguments, **options)
    history = model.fit(data, batch_size=batch_size, shuffle=False, epochs=2, verbose=0).history
    variables = [keras.ops.convert_to_numpy(variable.value) for variable in model.variables]
    return history, variables


@functools.cache
def whole():
    """The training of whole batches."""
    return trained(PAIR, None)


def assert_same(found, expected):
    for a, b in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("piece", [1, 8, 10, 24, 30])
def test_whatever_the_piece_training_is_that_of_the_whole_batch(piece):
    assert_same(trained(PAIR, piece), whole())


@pytest.mark.parametrize("how", [{"jit_compile": True}, {"run_eagerly": True}], ids=str)
def test_it_is_the_same_however_it_is_compiled(how):
    if keras.backend.backend() == "torch" and "jit_compile" in how:
        pytest.skip("Keras compiles PyTorch with a compiler of C++, which may not be there")
    assert_same(trained(PAIR, 10, **how), whole())


def test_batches_of_different_sizes_have_their_exact_gradients():
    assert_same(trained(PAIR, 6, batch_size=16), trained(PAIR, None, batch_size=16))


def test_penalties_of_weights_count_once():
    penalty = keras.regularizers.L2(0.1)
    found, expected = (trained(PAIR, piece, regularizer=penalty) for piece in (8, None))
    assert_same(found, expected)


def test_both_passes_have_the_same_random_draws_and_update_statistics_once():
    """With a single piece all must be as without pieces: views, dropout, moving averages, seeds."""
    assert_same(trained(IMAGES, 24, random=True), trained(IMAGES, None, random=True))


def test_every_piece_has_its_own_random_draws():
    model = make_model(12, random=True)
    twice = np.concatenate([IMAGES[:12], IMAGES[:12]])
    za, _ = model(twice, training=True)
    za = keras.ops.convert_to_numpy(za)
    assert np.abs(za[:12] - za[12:]).max() > 0.01


def test_evaluation_and_prediction_are_the_same():
    with_pieces, plain = make_model(8), make_model(None)
    assert_same(with_pieces.predict(PAIR, verbose=0), plain.predict(PAIR, verbose=0))
    assert_same(with_pieces.evaluate(PAIR, verbose=0), plain.evaluate(PAIR, verbose=0))


def test_a_loss_that_a_layer_adds_for_its_inputs_is_refused():
    model = make_model(8, activity=keras.regularizers.L2(0.1))
    with pytest.raises(ValueError, match="activity regularizer"):
        model.fit(PAIR, batch_size=24, verbose=0)


def test_the_size_of_a_piece_is_saved_and_must_be_valid(tmp_path):
    model = make_model(8)
    model.fit(PAIR, batch_size=24, verbose=0)
    model.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").micro_batch_size == 8
    with pytest.raises(ValueError, match="`micro_batch_size` must be at least 1"):
        model.compile("sgd", micro_batch_size=0)


def test_half_precision_is_taken(request):
    before = keras.config.dtype_policy()
    request.addfinalizer(lambda: keras.config.set_dtype_policy(before))
    keras.config.set_dtype_policy("mixed_bfloat16")
    found, expected = (trained(PAIR, piece)[0]["loss"] for piece in (8, None))
    np.testing.assert_allclose(found, expected, rtol=0.05)


def test_keras_floats_may_be_of_16_bits(request):
    request.addfinalizer(functools.partial(keras.config.set_floatx, keras.config.floatx()))
    keras.config.set_floatx("float16")
    assert np.isfinite(trained(PAIR, 7)[0]["loss"]).all()


def peak_memory(batch, piece, connection):
    """Megabytes that training adds to those of the process with model and images, at its peak."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    for _ in range(3):  # no convolutions: in a loop JAX is slow with them
        x = keras.layers.Dense(32, activation="relu")(x)
    encoder = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
    model = barlow.BarlowTwins(encoder, (64,), ImageViews("photos", seed=0))
    model.compile("sgd", micro_batch_size=piece)
    images = np.random.default_rng(0).integers(0, 256, (batch, 32, 32, 3), dtype="uint8")
    model.fit(images[:2], batch_size=2, verbose=0)  # libraries, threads
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak becomes what there is now
    before = status("VmRSS")
    model.fit(images, batch_size=batch, verbose=0)
    connection.send(status("VmHWM") - before)


def status(name):
    """Megabytes of this process."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak since a moment")
@pytest.mark.slow
def test_memory_stays_flat_while_the_batch_grows_sixteen_times():
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["barlow"])

    def peak(batch, piece):
        ours, theirs = processes.Pipe()
        process = processes.Process(target=peak_memory, args=(batch, piece, theirs))
        process.start()
        result = ours.recv()
        process.join()
        return result

    small, whole = peak(32, 32), peak(512, None)
    # One of three: what a process keeps besides differs from one to the next.
    large = 0.0
    for _ in range(3):
        large = peak(512, 32)
        # What grows is the images themselves, as bytes, in batches that are made ready.
        if large - small < 0.1 * (whole - small):
            return
    pytest.fail(f"{small:.0f} MB became {large:.0f} MB, of {whole:.0f} MB")
