import keras
import numpy as np
import pytest
from differentiation import differentiate, second_derivative
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from barlow import backend
from barlow.kernel import invariance, per_sample_loss
from barlow.kernel.forms import cheaper_form
from barlow.kernel.standardize import _in_units, standardize_both

FORMS = ["gram", "correlation"]
# Both forms, in blocks of columns as on a CPU, and in few operations as on a GPU.
WAYS = [{"form": form, "few": few} for few in (False, True) for form in FORMS]


def ways(ways):
    return pytest.mark.parametrize(
        "way", ways, ids=lambda way: way["form"] + (", few operations" if way["few"] else "")
    )


each_way_everywhere = ways(WAYS)
# Each is compiled with the other backends, which take much longer, for formulas that are the same.
each_way = ways(WAYS if keras.backend.backend() == "torch" else WAYS[:2])
# Few shapes, many draws: XLA compiles every operation once per shape.
shapes = st.sampled_from([(3, 1), (5, 17), (16, 16), (24, 7)])
seeds = st.integers(0, 2**32 - 1)


def embeddings(shape, seed, dtype="float32"):
    """Two correlated batches, each column with its scale and offset."""
    rng = np.random.default_rng(seed)
    za = rng.normal(size=shape)
    zb = 0.7 * za + 0.5 * rng.normal(size=shape)
    return za.astype(dtype), zb.astype(dtype)


def values(za, zb, lambda_=0.005, **way):
    result = per_sample_loss(
        ops.convert_to_tensor(za), ops.convert_to_tensor(zb), lambda_=lambda_, **way
    )
    return ops.convert_to_numpy(result)


def textbook(za, zb, lambda_):
    """Equation 1 of the paper, in float64, with the D x D matrix."""
    a, b = (
        (z - z.mean(0)) / np.where(z.std(0) > 0, z.std(0), 1)
        for z in (za.astype("float64"), zb.astype("float64"))
    )
    c = a.T @ b / len(a)
    off_diagonal = c[~np.eye(len(c), dtype=bool)]
    return ((1 - np.diag(c)) ** 2).sum() + lambda_ * (off_diagonal**2).sum()


@each_way
def test_values_are_those_of_the_float64_oracle(case, way):
    found = values(case["za"], case["zb"], float(case["lambda_"]), **way)
    scale = np.abs(case["per_sample"]).max()
    np.testing.assert_allclose(found, case["per_sample"], rtol=1e-5, atol=1e-5 * scale)
    np.testing.assert_allclose(found.mean(), case["loss"], rtol=1e-5)


@each_way
@pytest.mark.parametrize("weighting", ["plain mean", "weighted"])
def test_gradients_are_those_of_the_float64_oracle(case, way, weighting, value_and_gradients):
    prefix = "" if weighting == "plain mean" else "weighted_"
    weights = np.ones(len(case["za"])) if weighting == "plain mean" else case["weights"]

    def loss(za, zb):
        per_sample = per_sample_loss(za, zb, float(case["lambda_"]), **way)
        return ops.mean(per_sample * ops.convert_to_tensor(weights, dtype="float32"))

    _, found = value_and_gradients(loss, case["za"], case["zb"])
    for gradient, z, name in zip(found, ("za", "zb"), ("grad_za", "grad_zb"), strict=True):
        expected = case[prefix + name]
        if len(case[z]) <= 2:
            # Every column is -1, +1 whatever its scale: the true gradient is zero, and rounding
            # leaves something small against 1 / std.
            inverse_std = 1 / max(case[z].std(axis=0).min(), 1e-6)
            assert np.abs(gradient - expected).max() < 1e-5 * inverse_std
        else:
            scale = np.abs(expected).max()
            np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4 * scale)


@settings(max_examples=25, deadline=None)
@given(shape=shapes, seed=seeds, lambda_=st.floats(0, 2))
def test_the_mean_of_the_values_is_equation_1_of_the_paper(shape, seed, lambda_):
    za, zb = embeddings(shape, seed)
    expected = textbook(za, zb, lambda_)
    for way in WAYS:
        found = values(za, zb, lambda_, **way).astype("float64").mean()
        # D, the largest of the terms that are added up, sets the scale of the rounding.
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-5 * shape[1])


@each_way
@pytest.mark.parametrize(("lambda_", "rounding"), [(0.005, 5e-7), (0.0, 2.5e-5)])
def test_a_loss_of_nearly_equal_views_is_as_exact_as_the_correlations(way, lambda_, rounding):
    # 1 - c is 0.01, of which float32 keeps five digits. D is 512 and the loss 5, or 0.05.
    for seed in range(5):
        rng = np.random.default_rng(seed)
        za = rng.normal(size=(256, 512))
        zb = za + 0.14 * rng.normal(size=za.shape)
        za, zb = za.astype("float32"), zb.astype("float32")
        found = values(za, zb, lambda_, **way).astype("float64").mean()
        assert found == pytest.approx(textbook(za, zb, lambda_), rel=rounding)


@settings(max_examples=25, deadline=None)
@given(shape=shapes, seed=seeds)
def test_the_loss_ignores_scale_and_offset_of_a_column(shape, seed):
    za, zb = embeddings(shape, seed)
    rng = np.random.default_rng(seed)
    scale = np.exp2(rng.integers(-8, 8, shape[1])).astype("float32")
    offset = rng.normal(size=shape[1]).astype("float32")
    expected, found = values(za, zb), values(scale * (za + offset), zb)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * shape[1])


@settings(max_examples=25, deadline=None)
@given(shape=shapes, seed=seeds)
def test_the_loss_is_symmetric_in_the_views_and_follows_a_permutation_of_the_samples(shape, seed):
    za, zb = embeddings(shape, seed)
    samples = np.random.default_rng(seed).permutation(shape[0])
    columns = np.random.default_rng(seed).permutation(shape[1])
    expected, tolerance = values(za, zb), {"rtol": 1e-4, "atol": 1e-5 * shape[1]}
    np.testing.assert_allclose(values(zb, za), expected, **tolerance)
    np.testing.assert_allclose(values(za[samples], zb[samples]), expected[samples], **tolerance)
    np.testing.assert_allclose(values(za[:, columns], zb[:, columns]), expected, **tolerance)


@each_way
@pytest.mark.parametrize("shape", [(7, 5), (5, 7)])
def test_the_gradient_agrees_with_finite_differences_in_float64(way, shape, value_and_gradients):
    za, zb = embeddings(shape, seed=3, dtype="float64")
    weights = np.random.default_rng(4).uniform(size=shape[0])

    def loss(za, zb):
        return ops.sum(weights_of(za) * per_sample_loss(za, zb, 0.3, **way))

    def weights_of(z):
        return ops.convert_to_tensor(weights, dtype=z.dtype)

    value, gradients = value_and_gradients(loss, za, zb)
    assert value.dtype == np.float64
    rng, step = np.random.default_rng(5), 1e-5
    for _ in range(5):
        da, db = rng.normal(size=shape), rng.normal(size=shape)
        ahead, _ = value_and_gradients(loss, za + step * da, zb + step * db)
        behind, _ = value_and_gradients(loss, za - step * da, zb - step * db)
        slope = (ahead - behind) / (2 * step)
        assert (gradients[0] * da).sum() + (gradients[1] * db).sum() == pytest.approx(
            slope, rel=1e-6, abs=1e-7
        )


@each_way
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda rng: np.full((14, 6), 1.5), id="constant columns"),
        pytest.param(lambda rng: np.full((14, 6), 1e4 / 3), id="columns constant to rounding"),
        pytest.param(lambda rng: np.zeros((14, 6)), id="zeros"),
        pytest.param(lambda rng: rng.normal(size=(1, 6)), id="a batch of one"),
        pytest.param(lambda rng: rng.normal(size=(14, 6)) * 1e-4, id="columns at 1e-4"),
        pytest.param(lambda rng: rng.normal(size=(14, 6)) + 1000, id="columns offset by 1000"),
    ],
)
def test_gradients_of_degenerate_inputs_are_finite_and_bounded(way, make, value_and_gradients):
    rng = np.random.default_rng(0)
    za, zb = make(rng).astype("float32"), make(rng).astype("float32")
    for first, second in [(za, zb), (za, za)]:
        value, gradients = value_and_gradients(
            lambda a, b: ops.mean(per_sample_loss(a, b, 0.005, **way)), first, second
        )
        assert np.isfinite(value)
        for gradient, z in zip(gradients, (first, second), strict=True):
            # |dL/dz| <= |dL/dA| / std; a constant column has no gradient at all.
            std = z.astype("float64").std(axis=0)
            varies = std > 1e-6 * np.abs(z).max()
            assert np.abs(gradient[:, ~varies]).max(initial=0) == 0
            assert (np.abs(gradient[:, varies]) * std[varies]).max(initial=0) < 10


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(dtype, value_and_gradients):
    # A deviation of 100 overflows in float16 as soon as it is squared and summed.
    za, zb = embeddings((32, 48), seed=1)
    half = [ops.cast(ops.convert_to_tensor(100 * z), dtype) for z in (za, zb)]
    rounded = [ops.convert_to_numpy(ops.cast(z, "float32")) for z in half]
    found = per_sample_loss(*half, lambda_=0.005)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(ops.convert_to_numpy(found), values(*rounded), rtol=1e-5, atol=1e-3)

    def loss(a, b):
        return ops.mean(per_sample_loss(ops.cast(a, dtype), ops.cast(b, dtype), 0.005))

    def loss_of_rounded(a, b):
        return ops.mean(per_sample_loss(a, b, 0.005))

    _, found_gradients = value_and_gradients(loss, *rounded)
    _, gradients = value_and_gradients(loss_of_rounded, *rounded)
    for found_gradient, gradient in zip(found_gradients, gradients, strict=True):
        scale = np.abs(gradient).max()
        np.testing.assert_allclose(found_gradient, gradient, atol=2**-7 * scale)


def test_leading_axes_count_as_samples():
    za, zb = embeddings((12, 5), seed=2)
    found = values(za.reshape(3, 4, 5), zb.reshape(3, 4, 5))
    np.testing.assert_array_equal(found, values(za, zb).reshape(3, 4))


def test_the_invariance_term_is_what_is_left_at_lambda_zero():
    za, zb = embeddings((12, 5), seed=2)
    found = invariance(ops.convert_to_tensor(za), ops.convert_to_tensor(zb))
    assert float(found) == pytest.approx(textbook(za, zb, 0.0), rel=1e-5)


def test_the_form_with_fewer_operations_is_taken():
    def operations(form, n, d):
        return 8 * n * n * d if form == "gram" else 6 * n * d * d

    for n, d in [(256, 8192), (4096, 1024), (2048, 2048), (64, 64), (1, 1)]:
        taken = cheaper_form(n, d)
        assert operations(taken, n, d) == min(operations(form, n, d) for form in FORMS)


@pytest.mark.parametrize("samples", [50, 70_000], ids=["few", "many"])
@pytest.mark.parametrize(
    "scales",
    [(1, 1e-4, 1e4, 10), (1, 1e-4, 1e4, 0), (1e-25, 1e-15, 1e15, 1e30)],
    ids=["ordinary", "constant", "extreme"],
)
@pytest.mark.parametrize("few", [False, True], ids=["few passes", "few operations"])
def test_standardised_columns_have_zero_mean_and_unit_biased_deviation(samples, scales, few):
    z = np.random.default_rng(0).normal(size=(samples, 4)) * scales
    z = (z + np.array([0, 0, 1, 1e3])).astype("float32")
    tensor = ops.convert_to_tensor(z)
    _, (standardized, inverse_std) = standardize_both(0.5 * tensor, tensor, few)
    standardized = ops.convert_to_numpy(standardized).astype("float64")
    varies = np.array(scales) > 0
    np.testing.assert_allclose(standardized.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(standardized.std(axis=0), varies, atol=1e-5)
    expected = np.zeros(4)
    expected[varies] = 1 / z.astype("float64").std(axis=0)[varies]
    np.testing.assert_allclose(ops.convert_to_numpy(inverse_std), expected, rtol=1e-5)


@each_way_everywhere
@pytest.mark.parametrize("scale", [1e-25, 1e-15, 1e15, 1e30])
def test_no_scale_of_a_column_overflows_or_vanishes(way, scale, value_and_gradients):
    za, zb = embeddings((24, 7), seed=1)
    scales = np.where(np.arange(7) % 2, scale, 1).astype("float32")
    expected, plain = value_and_gradients(
        lambda a, b: ops.mean(per_sample_loss(a, b, 0.1, **way)), za, zb
    )
    found, scaled = value_and_gradients(
        lambda a, b: ops.mean(per_sample_loss(a, b, 0.1, **way)), za * scales, zb
    )
    assert found == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(scaled[0] * scales, plain[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(scaled[1], plain[1], rtol=1e-4, atol=1e-6)


@each_way_everywhere
@pytest.mark.parametrize("weighting", ["mean", "weights"])
@pytest.mark.parametrize("shape", [(6, 9), (600, 1100)], ids=["one block", "two blocks"])
def test_the_closed_form_agrees_with_autodiff(way, weighting, shape, value_and_gradients):
    za, zb = embeddings(shape, seed=6)
    weights = np.random.default_rng(7).uniform(0, 2, shape[0]).astype("float32")
    if weighting == "mean":
        weights[:] = 1

    def loss(gradient):
        return lambda a, b: ops.mean(
            ops.convert_to_tensor(weights) * per_sample_loss(a, b, 0.05, gradient=gradient, **way)
        )

    value, closed = value_and_gradients(loss("closed_form"), za, zb)
    expected, automatic = value_and_gradients(loss("autodiff"), za, zb)
    # Terms as large as D are added up.
    assert value == pytest.approx(expected, rel=1e-6, abs=1e-6 * shape[1])
    for found, other in zip(closed, automatic, strict=True):
        np.testing.assert_allclose(found, other, rtol=1e-3, atol=1e-4 * np.abs(other).max())


@settings(max_examples=10, deadline=None)
@given(shape=shapes, seed=seeds)
def test_the_gradient_is_additive_in_the_weights_of_the_samples(shape, seed):
    za, zb = embeddings(shape, seed)
    some = (np.random.default_rng(seed).uniform(size=shape[0]) < 0.5).astype("float32")
    gradients = [
        differentiate(
            lambda a, b, w=weights: ops.sum(ops.convert_to_tensor(w) * per_sample_loss(a, b, 0.1)),
            za,
            zb,
        )[1]
        for weights in (some, 1 - some, np.ones_like(some))
    ]
    for part, rest, whole, z in zip(*gradients, (za, zb), strict=True):
        # With few samples the terms of a gradient, of size 1 / std, nearly cancel: their
        # rounding is what is left.
        rounding = 16 * np.finfo("float32").eps / z.std(axis=0).min()
        atol = max(1e-4 * np.abs(whole).max(), rounding)
        np.testing.assert_allclose(part + rest, whole, rtol=1e-3, atol=atol)


@each_way
def test_the_closed_form_says_that_it_cannot_be_differentiated_again(way):
    with pytest.raises(NotImplementedError, match=r"Barlow\(gradient='autodiff'\)"):
        second_derivative(
            lambda a, b: ops.mean(per_sample_loss(a, b, 0.1, **way)), *embeddings((6, 3), seed=1)
        )


@each_way
def test_autodiff_has_second_derivatives(way):
    za, zb = embeddings((6, 3), seed=1)

    def loss(a, b):
        return ops.mean(per_sample_loss(a, b, 0.1, gradient="autodiff", **way))

    def squared_gradient(a):
        return (differentiate(loss, a, zb)[1][0] ** 2).sum()

    direction = np.random.default_rng(2).normal(size=za.shape).astype("float32")
    step = np.float32(1e-2)
    ahead, behind = squared_gradient(za + step * direction), squared_gradient(za - step * direction)
    found = second_derivative(loss, za, zb)[0]
    assert (found * direction).sum() == pytest.approx((ahead - behind) / (2 * step), rel=2e-2)


@each_way_everywhere
def test_what_is_masked_takes_no_part(way, value_and_gradients):
    za, zb = embeddings((20, 6), seed=8)
    mask = np.random.default_rng(9).uniform(size=20) < 0.6
    with_rubbish = [np.where(mask[:, None], z, np.float32("nan")) for z in (za, zb)]
    found = per_sample_loss(
        *(ops.convert_to_tensor(z.reshape(4, 5, 6)) for z in with_rubbish),
        0.1,
        **way,
        mask=ops.convert_to_tensor(mask.reshape(4, 5)),
    )
    expected = values(za[mask], zb[mask], 0.1, **way)
    found = ops.convert_to_numpy(found).ravel()[mask]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)

    def masked(a, b):
        per_sample = per_sample_loss(a, b, 0.1, **way, mask=ops.convert_to_tensor(mask))
        return ops.sum(ops.convert_to_tensor(mask.astype("float32")) * per_sample) / mask.sum()

    def alone(a, b):
        return ops.mean(per_sample_loss(a, b, 0.1, **way))

    _, gradients = value_and_gradients(masked, za, zb)
    _, expected = value_and_gradients(alone, za[mask], zb[mask])
    for gradient, other in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(gradient[mask], other, rtol=1e-3, atol=1e-5)
        np.testing.assert_array_equal(gradient[~mask], 0)


def test_a_replica_without_rows_gathers_what_the_others_do(monkeypatch):
    gathered = []
    gather = lambda _, x: gathered.append(tuple(x.shape)) or x  # noqa: E731
    monkeypatch.setattr(backend.Share, "gather", gather)
    centred, mean = keras.ops.zeros((0, 5)), keras.ops.zeros(5)
    standardized, inverse_std = _in_units(centred, mean, backend.Share(0, 0, 8))
    assert gathered == [(1, 5)]
    assert tuple(standardized.shape) == (0, 5)
    assert tuple(inverse_std.shape) == (5,)
