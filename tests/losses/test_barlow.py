import functools
import json

import keras
import numpy as np
import pytest
from keras import ops
from keras.src.backend import set_keras_mask  # Keras exports none

import barlow
from barlow.losses import Barlow

BACKEND = keras.backend.backend()
tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="about tf.distribute")
tf_keras_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="tf_keras runs on TensorFlow")


@pytest.fixture
def za():
    return np.random.default_rng(1).normal(size=(8, 16)).astype("float32")


@pytest.fixture
def zb(za):
    return (0.5 * za + np.random.default_rng(2).normal(size=(8, 16))).astype("float32")


def views_of(shape):
    """Embeddings of two views that are alike, and weights of their samples."""
    rng = np.random.default_rng(0)
    za = rng.normal(size=shape).astype("float32")
    zb = (0.7 * za + 0.5 * rng.normal(size=shape)).astype("float32")
    return za, zb, rng.uniform(size=shape[0])


def to_numpy(x):
    return ops.convert_to_numpy(x)


def twin_model(features=16):
    return keras.Sequential([keras.Input((5,)), keras.layers.Dense(features)])


def test_the_example_of_the_specification_runs_after_one_changed_import():
    import barlow as tensorflow_similarity

    loss = tensorflow_similarity.losses.Barlow()
    za = keras.random.uniform(shape=[4, 16], seed=1)
    zb = keras.random.uniform(shape=[4, 16], seed=2)
    value = loss(za, zb)
    assert tuple(value.shape) == ()
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    # Four samples of unrelated uniforms: the loss is near its start.
    assert 10 < float(value) < 40
    model = twin_model()
    model.compile(optimizer="sgd", loss=tensorflow_similarity.losses.Barlow())
    model.fit(np.ones((4, 5)), to_numpy(zb), verbose=0)


def test_loss_and_weighted_loss_are_those_of_the_float64_oracle(case):
    loss = Barlow(lambda_=float(case["lambda_"]))
    assert float(loss(case["za"], case["zb"])) == pytest.approx(float(case["loss"]), rel=1e-5)
    weighted = loss(case["za"], case["zb"], sample_weight=case["weights"])
    scale = np.abs(case["weights"] * case["per_sample"]).max()
    assert float(weighted) == pytest.approx(
        float(case["weighted_loss"]), rel=1e-5, abs=1e-6 * scale
    )


@pytest.mark.parametrize("reduction", ["none", None])
def test_without_reduction_there_is_one_value_per_sample(reduction, za, zb):
    values = Barlow(reduction=reduction)(za, zb)
    assert tuple(values.shape) == (8,)
    assert to_numpy(values).mean() == pytest.approx(float(Barlow()(za, zb)), rel=1e-6)


def test_reductions_are_those_of_keras(za, zb):
    values = to_numpy(Barlow(reduction="none")(za, zb))
    weights = np.linspace(0, 2, 8).astype("float32")
    expected = {
        "auto": (weights * values).mean(),
        "sum_over_batch_size": (weights * values).mean(),
        "mean": (weights * values).mean(),
        "sum": (weights * values).sum(),
        "mean_with_sample_weight": (weights * values).sum() / weights.sum(),
    }
    for reduction, value in expected.items():
        found = Barlow(reduction=reduction)(za, zb, sample_weight=weights)
        assert float(found) == pytest.approx(value, rel=1e-5), reduction


def test_every_axis_but_the_last_counts_as_samples(za, zb):
    loss, values = Barlow(), Barlow(reduction="none")
    shape = (2, 4, 16)
    assert tuple(values(za.reshape(shape), zb.reshape(shape)).shape) == (2, 4)
    found = loss(za.reshape(shape), zb.reshape(shape))
    assert float(found) == pytest.approx(float(loss(za, zb)), rel=1e-6)


@pytest.mark.parametrize(
    "shape", [(), (2,), (2, 1), (1, 4), (2, 4), (1,), (1, 1), (2, 4, 1)], ids=str
)
@pytest.mark.parametrize("reduction", ["auto", "sum", "mean_with_sample_weight", "none"])
def test_weights_broadcast_to_the_samples(shape, reduction, za, zb):
    za, zb = za.reshape(2, 4, 16), zb.reshape(2, 4, 16)
    weights = np.random.default_rng(3).uniform(0.5, 1.5, shape).astype("float32")
    expanded = weights.reshape((*shape, *[1] * (2 - len(shape)))[:2])
    full = np.broadcast_to(expanded, (2, 4))
    loss = Barlow(reduction=reduction)
    found, expected = loss(za, zb, sample_weight=weights), loss(za, zb, sample_weight=full)
    np.testing.assert_allclose(to_numpy(found), to_numpy(expected), rtol=1e-6)
    if reduction == "auto":
        values = to_numpy(Barlow(reduction="none")(za, zb))
        assert float(found) == pytest.approx((full * values).mean(), rel=1e-5)


@pytest.mark.parametrize("shape", [(3,), (4,), (2, 3), (4, 2), (2, 4, 16), (8,)], ids=str)
def test_weights_of_another_shape_are_refused_with_both_shapes(shape, za, zb):
    za, zb = za.reshape(2, 4, 16), zb.reshape(2, 4, 16)
    with pytest.raises(ValueError, match=r"\(2, 4\)") as error:
        Barlow()(za, zb, sample_weight=np.ones(shape))
    assert str(shape) in str(error.value)


@pytest.mark.parametrize(
    ("true_shape", "pred_shape"), [((8, 16), (8, 15)), ((8, 16), (7, 16)), ((8,), (8,))], ids=str
)
def test_embeddings_that_do_not_fit_are_refused(true_shape, pred_shape):
    with pytest.raises(ValueError, match="mbeddings"):
        Barlow()(np.ones(true_shape), np.ones(pred_shape))


@pytest.mark.parametrize(
    "arguments",
    [
        {"reduction": "average"},
        {"lambda_": -0.1},
        {"lambda_": float("nan")},
        {"lambda_": float("inf")},
        {"margin": float("nan")},
        {"gradient": "numeric"},
    ],
    ids=str,
)
def test_bad_arguments_are_refused_with_the_value_received(arguments):
    with pytest.raises(ValueError, match=str(*arguments.values())):
        Barlow(**arguments)


def test_the_margin_is_added_to_the_loss(za, zb):
    assert float(Barlow(margin=7.0)(za, zb)) == pytest.approx(float(Barlow()(za, zb)) + 7, rel=1e-5)


def test_lists_and_integers_are_embeddings_too():
    rows = [[1, 2, 4], [2, 1, 0], [0, 3, 1]]
    assert float(Barlow()(rows, rows)) == pytest.approx(float(Barlow()(np.array(rows), rows)))


def test_a_wider_dtype_is_computed_when_asked_for(za, zb):
    if BACKEND == "jax":
        pytest.skip("JAX has no float64 unless the whole process asks for it")
    wide = [z.astype("float64") for z in (za, zb)]
    values = Barlow(dtype="float64", reduction="none")(*wide)
    assert keras.backend.standardize_dtype(values.dtype) == "float64"
    np.testing.assert_allclose(
        to_numpy(values),
        to_numpy(Barlow(dtype="float64", reduction="none")(wide[1], wide[0])),
        rtol=1e-12,
    )


def test_off_diagonal_goes_row_by_row():
    x = np.arange(25).reshape(5, 5)
    expected = [x[i, j] for i in range(5) for j in range(5) if i != j]
    assert to_numpy(Barlow().off_diagonal(x)).tolist() == expected
    assert to_numpy(Barlow().off_diagonal([[3.0]])).tolist() == []
    with pytest.raises(ValueError, match=r"\(5, 4\)"):
        Barlow().off_diagonal(x[:, :4])


def test_standardize_columns_has_zero_mean_unit_deviation_and_zeros_for_constants():
    x = np.random.default_rng(0).normal(3, 5, size=(4, 6, 3)).astype("float32")
    x[..., 1] = 0.1
    found = to_numpy(Barlow().standardize_columns(x))
    assert found.shape == x.shape
    np.testing.assert_allclose(found.mean(axis=(0, 1)), 0, atol=1e-6)
    np.testing.assert_allclose(found.std(axis=(0, 1)), [1, 0, 1], atol=1e-5)


def test_the_config_makes_an_equal_loss():
    loss = Barlow(lambda_=0.1, margin=0.5, reduction="sum", name="twins")
    for copy in (
        Barlow.from_config(loss.get_config()),
        keras.losses.deserialize(keras.losses.serialize(loss)),
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss)),
    ):
        assert isinstance(copy, Barlow)
        assert copy.get_config() == loss.get_config()
        assert (copy.lambda_, copy.margin, copy.reduction, copy.name) == (0.1, 0.5, "sum", "twins")


def test_a_dtype_that_was_asked_for_is_part_of_the_config():
    assert Barlow.from_config(Barlow(dtype="float64").get_config()).dtype == "float64"
    assert "dtype" not in Barlow().get_config()


@pytest.mark.parametrize("weights", [None, np.ones(256)], ids=["equal", "weights"])
def test_the_mean_of_a_batch_in_float16_is_finite(weights):
    """Each of the 256 values is about 500: their sum is larger than float16 can hold."""
    za, zb = np.random.default_rng(0).normal(size=(2, 256, 512))
    found = float(Barlow(dtype="float16")(za, zb, sample_weight=weights))
    assert found == pytest.approx(float(Barlow()(za, zb)), rel=5e-3)


@pytest.mark.parametrize("reduction", ["auto", "mean_with_sample_weight"])
@pytest.mark.parametrize("how", ["weights", "mask", "unknown batch"])
def test_a_mean_that_keras_takes_in_float16_is_finite_too(how, reduction):
    za, zb = np.random.default_rng(1).normal(size=(2, 256, 512)).astype("float32")
    expected = pytest.approx(float(Barlow()(za, zb)), rel=5e-3)
    loss = Barlow(dtype="float16", reduction=reduction)
    za, zb, weights = ops.convert_to_tensor(za), ops.convert_to_tensor(zb), None
    if how == "weights":
        weights = np.ones(256)
    if how == "mask":
        set_keras_mask(zb, ops.ones(256, "bool"))
    if how == "unknown batch":
        if BACKEND != "tensorflow":
            pytest.skip("about graphs of TensorFlow")
        import tensorflow as tf

        loss = tf.function(loss, input_signature=[tf.TensorSpec((None, 512))] * 2)
    found = loss(za, zb) if weights is None else loss(za, zb, sample_weight=weights)
    assert float(found) == expected


@pytest.mark.parametrize("eager", [True, False], ids=["eager", "graph"])
@pytest.mark.parametrize("jit_compile", [True, False], ids=["jit", "no jit"])
def test_a_compiled_model_learns_saves_and_loads_in_safe_mode(eager, jit_compile, tmp_path):
    if BACKEND == "torch" and jit_compile:
        pytest.skip("compiled by test_torch_compile_makes_one_graph_of_the_same_loss")
    if eager and jit_compile:
        pytest.skip("Keras has no eager jit")
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 5)).astype("float32")
    y = np.tanh(x @ rng.normal(size=(5, 16))).astype("float32")
    model = twin_model()
    model.compile("sgd", loss=Barlow(lambda_=0.01), run_eagerly=eager, jit_compile=jit_compile)
    model.optimizer.learning_rate = 0.05
    history = model.fit(x, y, batch_size=32, epochs=20, verbose=0).history["loss"]
    assert np.isfinite(history).all()
    assert history[-1] < 0.8 * history[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert isinstance(loaded.loss, Barlow)
    assert loaded.loss.lambda_ == 0.01
    weights = np.linspace(0, 1, 64)
    assert loaded.evaluate(x, y, sample_weight=weights, verbose=0) == pytest.approx(
        model.evaluate(x, y, sample_weight=weights, verbose=0), rel=1e-5
    )


@pytest.mark.skipif(BACKEND != "torch", reason="about torch.compile")
@pytest.mark.filterwarnings("default")  # torch.compile warns about PyTorch itself while it traces
@pytest.mark.parametrize("weighting", ["mean", "weights"])
@pytest.mark.parametrize("shape", [(24, 64), (64, 24)], ids=["gram", "correlation"])
def test_torch_compile_makes_one_graph_of_the_same_loss(shape, weighting, value_and_gradients):
    import torch

    za, zb, some = views_of(shape)
    weights = None if weighting == "mean" else torch.tensor(some)

    def loss(a, b):
        return Barlow()(a, b, weights)

    value, gradients = value_and_gradients(loss, za, zb)
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    found, found_gradients = value_and_gradients(compiled, za, zb)
    assert found == pytest.approx(value, rel=1e-6)
    for other, gradient in zip(found_gradients, gradients, strict=True):
        np.testing.assert_allclose(other, gradient, atol=1e-6 * np.abs(gradient).max())


@pytest.mark.skipif(BACKEND != "torch", reason="about autocast of PyTorch")
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("gradient", ["closed_form", "autodiff"])
@pytest.mark.parametrize("shape", [(24, 64), (64, 24)], ids=["gram", "correlation"])
def test_under_autocast_the_loss_is_the_same(shape, gradient, dtype):
    import torch

    za, zb, some = views_of(shape)

    def computed(weights, inside, mask=None):
        a, b = (torch.tensor(z, requires_grad=True) for z in (za, zb))
        with torch.autocast("cpu", getattr(torch, dtype), enabled=inside):
            if mask is not None:
                setattr(b, "_keras_mask", torch.tensor(mask))  # noqa: B010
            loss = Barlow(gradient=gradient)(a, b, weights)
        loss.backward()
        return [each.detach().numpy() for each in (loss, a.grad, b.grad)]

    for case in ((None,), (some,), (None, some < 0.7)):
        expected, found = (computed(case[0], inside, *case[1:]) for inside in (False, True))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    with torch.autocast("cpu", getattr(torch, dtype)):
        found = barlow.losses.cross_correlation(za, zb)
    np.testing.assert_array_equal(
        to_numpy(found), to_numpy(barlow.losses.cross_correlation(za, zb))
    )


@tensorflow_only
@pytest.mark.parametrize("unknown", [0, 1])
def test_a_number_of_features_that_one_view_knows_is_enough_in_a_graph(unknown, za, zb):
    import tensorflow as tf

    known = tf.TensorSpec([None, 16])
    for open_ in (tf.TensorSpec([None, None]), tf.TensorSpec([8, None])):
        specs = [open_, known] if unknown == 0 else [known, open_]
        loss = tf.function(Barlow(), input_signature=specs)
        assert float(loss(za, zb)) == pytest.approx(float(Barlow()(za, zb)), rel=1e-6)
    loss = tf.function(Barlow(), input_signature=[tf.TensorSpec([None, None])] * 2)
    with pytest.raises(ValueError, match="The number of features must be known"):
        loss(za, zb)


def test_two_losses_of_the_same_settings_are_equal():
    assert Barlow().get_config() == Barlow().get_config()
    assert (Barlow().name, Barlow(name="mine").name) == ("barlow", "mine")


def test_a_batch_size_unknown_while_tracing_is_fine():
    # An odd number of samples: the last batch is smaller, so the axis has no static size.
    x = np.random.default_rng(0).normal(size=(37, 5))
    model = twin_model()
    model.compile("sgd", loss=Barlow())
    y = np.repeat(x, 4, axis=1)[:, :16]
    history = model.fit(x, y, sample_weight=np.ones(37), batch_size=16, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@functools.cache  # TensorFlow's collectives mix up the keys of two strategies in one process
def two_replicas():
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@tensorflow_only
@pytest.mark.parametrize("reduction", ["auto", "sum_over_batch_size"])
def test_a_custom_loop_under_a_strategy_must_not_average_over_one_replica(reduction, za, zb):
    import tensorflow as tf

    loss = Barlow(reduction=reduction)
    for strategy in (tf.distribute.OneDeviceStrategy("CPU:0"), two_replicas()):
        for run in (strategy.run, tf.function(strategy.run)):
            with pytest.raises(ValueError, match="reduction='none'"):
                run(lambda: loss(za, zb))
        with strategy.scope(), pytest.raises(ValueError, match="global batch size"):
            loss(za, zb)
    for allowed in ("none", "sum"):
        strategy.run(lambda allowed=allowed: Barlow(reduction=allowed)(za, zb))
    assert np.isfinite(float(loss(za, zb)))


@tensorflow_only
@pytest.mark.parametrize("eager", [True, False], ids=["eager", "graph"])
@pytest.mark.parametrize("reduction", ["auto", "sum_over_batch_size"])
def test_fit_and_evaluate_work_under_a_strategy(eager, reduction):
    with two_replicas().scope():
        model = twin_model()
        model.compile("sgd", loss=Barlow(reduction=reduction), run_eagerly=eager)
    x, y = np.ones((16, 5)), np.random.default_rng(0).normal(size=(16, 16))
    history = model.fit(x, y, validation_data=(x, y), verbose=0).history
    assert np.isfinite([history["loss"], history["val_loss"]]).all()


@tensorflow_only
@pytest.mark.parametrize("eager", [True, False], ids=["eager", "graph"])
def test_a_step_may_compute_two_losses_under_a_strategy(eager):
    import tensorflow as tf

    class Three(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder = keras.layers.Dense(16)

        def call(self, x):
            return self.encoder(x[0])

        def train_step(self, data):
            x, *_ = keras.utils.unpack_x_y_sample_weight(data)
            with tf.GradientTape() as tape:
                a, b, c = (self.encoder(view, training=True) for view in x)
                loss = self.compute_loss(y=a, y_pred=b) + self.compute_loss(y=a, y_pred=c)
            self.optimizer.apply(tape.gradient(loss, self.trainable_weights))
            return {"loss": loss}

    views = tuple(np.random.default_rng(seed).normal(size=(16, 5)) for seed in range(3))
    with two_replicas().scope():
        model = Three()
        model.encoder.build((None, 5))
        model.compile("sgd", loss=Barlow(), run_eagerly=eager)
    batches = tf.data.Dataset.from_tensors((views, np.zeros((16, 16))))  # Keras builds with targets
    assert np.isfinite(model.fit(batches, verbose=0).history["loss"]).all()


@tf_keras_only
def test_a_config_that_tensorflow_similarity_wrote_makes_a_barlow():
    tf_keras = pytest.importorskip("tf_keras")

    @tf_keras.saving.register_keras_serializable(package="Similarity")
    class Barlow(tf_keras.losses.Loss):
        def __init__(self, lambda_=5e-3, margin=1e-12, **kwargs):
            super().__init__(**kwargs)
            self.lambda_, self.margin = lambda_, margin

        def get_config(self):
            return {"lambda_": self.lambda_, "margin": self.margin, **super().get_config()}

    theirs = Barlow(lambda_=0.3, margin=0.25)
    current = json.loads(json.dumps(tf_keras.losses.serialize(theirs)))
    old = json.loads(json.dumps(tf_keras.losses.serialize(theirs, use_legacy_format=True)))
    assert "Similarity>Barlow" in str(current)
    assert old["class_name"] == "Similarity>Barlow"
    for config in (current, old):
        ours = keras.losses.deserialize(config)
        assert type(ours) is barlow.losses.Barlow
        assert (ours.lambda_, ours.margin, ours.reduction) == (0.3, 0.25, "sum_over_batch_size")


@tf_keras_only
def test_legacy_keras_models_take_it_as_a_callable(za, zb):
    tf_keras = pytest.importorskip("tf_keras")
    assert Barlow(reduction=tf_keras.losses.Reduction.AUTO).reduction == "sum_over_batch_size"
    keras.utils.set_random_seed(0)
    for loss in (Barlow(), Barlow(reduction=tf_keras.losses.Reduction.NONE)):
        model = tf_keras.Sequential([tf_keras.layers.Dense(16, input_shape=(16,))])
        model.compile("sgd", loss=loss)
        value = model.evaluate(za, zb, verbose=0)
        assert value == pytest.approx(float(Barlow()(zb, model(za))), rel=1e-5)
        model.fit(za, zb, verbose=0)
    weights = np.linspace(0, 2, 8)
    expected = Barlow()(zb, model(za), sample_weight=weights)
    found = model.evaluate(za, zb, sample_weight=weights, verbose=0)
    assert found == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("reduction", ["auto", "sum", "none"])
def test_masked_positions_take_no_part(dtype, reduction):
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(4, 6, 5)).astype("float32")
    lengths = np.array([6, 2, 5, 3])
    valid = np.arange(6) < lengths[:, None]
    padded = np.where(valid[..., None], steps, 0)
    other = rng.normal(size=(4, 6, 5)).astype("float32")
    loss = Barlow(reduction=reduction)
    masked = keras.layers.Masking()(ops.convert_to_tensor(padded, dtype=dtype))
    found = to_numpy(loss(ops.convert_to_tensor(other, dtype=dtype), masked))
    rounded = [z.astype(dtype).astype("float32")[valid] for z in (other, steps)]
    expected = to_numpy(loss(*rounded))
    if reduction == "none":
        assert (found[~valid] == 0).all()
        found = found[valid]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "valid"),
    [((24, 8), (24, 1)), ((6, 4, 8), (6,)), ((6, 4, 8), (6, 1))],
    ids=str,
)
def test_a_mask_has_the_batch_first_whatever_its_rank(shape, valid):
    rng = np.random.default_rng(3)
    za, zb = rng.normal(size=(2, *shape)).astype("float32")
    valid = rng.uniform(size=valid) < 0.6
    inside = np.broadcast_to(valid.reshape(-1, *[1] * (len(shape) - 2)), shape[:-1])
    masked = ops.convert_to_tensor(zb)
    set_keras_mask(masked, ops.convert_to_tensor(valid))
    expected = float(Barlow()(za[inside], zb[inside]))
    assert float(Barlow()(za, masked)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.filterwarnings("default")  # of Keras, about an output without a loss
def test_a_layer_may_add_it_where_the_batch_is_not_known_yet():
    class Pulling(keras.layers.Layer):
        def call(self, za, zb):
            self.add_loss(Barlow()(za, zb))
            return za

    first, second, dense = keras.Input((6,)), keras.Input((6,)), keras.layers.Dense(8)
    model = keras.Model([first, second], Pulling()(dense(first), dense(second)))
    za, zb = np.random.default_rng(0).normal(size=(2, 20, 6)).astype("float32")
    model([za, zb])
    expected = float(Barlow()(dense(za), dense(zb)))
    assert float(model.losses[0]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.skipif(BACKEND != "torch", reason="about vmap of PyTorch")
@pytest.mark.parametrize("shape", [(4, 9), (9, 4)], ids=["gram", "correlation"])
def test_the_gradients_of_all_values_may_be_taken_at_once(shape):
    import torch

    za, zb = torch.randn(2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    loss = Barlow(reduction="none", dtype="float64")
    at_once, one_by_one = (
        torch.autograd.functional.jacobian(lambda z: loss(z, zb), za, vectorize=vectorize)
        for vectorize in (True, False)
    )
    np.testing.assert_allclose(at_once.numpy(), one_by_one.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_standardize_columns_is_computed_in_float32(dtype):
    x = 1000 * np.random.default_rng(0).normal(size=(50, 3))
    found = Barlow(dtype=dtype).standardize_columns(x)
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    np.testing.assert_allclose(to_numpy(ops.cast(found, "float32")).std(axis=0), 1, atol=0.01)
