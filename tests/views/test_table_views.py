"""Values name their row and their column, so that a view shows where each value comes from."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from scipy import stats

from barlow import BarlowTwins
from barlow.views import TableViews

ROWS, FEATURES = 200, 6
TABLE = (np.arange(ROWS)[:, None] + 1000 * np.arange(FEATURES)).astype("float32")


def to_numpy(x):
    return ops.convert_to_numpy(x)


def views_of(rows, seed=5, **settings):
    return [to_numpy(view) for view in TableViews(**settings, seed=seed)(rows)]


def donors(view):
    """Row from which each value of a view of ``TABLE`` comes."""
    return view - 1000 * np.arange(FEATURES)


def test_values_come_from_a_row_of_the_batch_and_their_own_column():
    for view in views_of(TABLE, rate=0.5, both=True):
        assert np.isin(donors(view), np.arange(ROWS)).all()


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_the_share_of_replaced_values_is_the_rate(rate):
    replaced = views_of(TABLE, rate=rate)[1] != TABLE
    assert stats.binomtest(int(replaced.sum()), replaced.size, rate).pvalue > 1e-4


def test_equal_values_in_other_rows_make_fewer_changes_visible():
    # Half of the rows hold 0 and half 1: another row differs in 100 of 199 cases.
    rows = np.broadcast_to(np.arange(ROWS)[:, None] % 2, (ROWS, FEATURES)).astype("float32")
    changed = views_of(rows, rate=0.6)[1] != rows
    expected = 0.6 * 100 / 199
    assert stats.binomtest(int(changed.sum()), changed.size, expected).pvalue > 1e-4


def test_donors_are_uniform_over_the_other_rows():
    rows = donors(views_of(TABLE, rate=1.0)[1])
    further = (rows - np.arange(ROWS)[:, None]) % ROWS
    assert further.min() >= 1
    counts = np.bincount(further.astype(int).ravel() - 1, minlength=ROWS - 1)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_columns_keep_their_distribution():
    # Each column has its own distribution: replaced values follow the empirical marginal.
    random = np.random.default_rng(0)
    rows = np.stack([random.exponential(size=ROWS), random.integers(0, 4, ROWS)], axis=1)
    rows = rows.astype("float32")
    view = views_of(rows, rate=1.0)[1]
    assert stats.ks_2samp(view[:, 0], rows[:, 0]).pvalue > 1e-4
    found, expected = (np.bincount(x[:, 1].astype(int), minlength=4) for x in (view, rows))
    assert stats.chisquare(found, expected).pvalue > 1e-4


def test_values_of_a_row_are_replaced_from_rows_of_their_own():
    rows = donors(views_of(TABLE, rate=1.0)[1])
    further = (rows - np.arange(ROWS)[:, None]) % ROWS
    for a, b in ((further[:, 0], further[:, 1]), (further[1:, 0], further[:-1, 0])):
        assert stats.pearsonr(a, b).pvalue > 1e-4


def test_only_the_second_view_is_corrupted_unless_both_are_asked_for():
    first, second = views_of(TABLE, rate=0.5)
    np.testing.assert_array_equal(first, TABLE)
    assert (second != TABLE).any()
    first, second = views_of(TABLE, rate=0.5, both=True)
    table = stats.contingency.crosstab((first != TABLE).ravel(), (second != TABLE).ravel()).count
    assert stats.chi2_contingency(table).pvalue > 1e-4  # the two views are independent


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32"])
def test_codes_and_missing_values_are_moved_as_they_are(dtype):
    rows = (TABLE % 251).astype(dtype)
    if dtype == "float32":
        rows[::3] = np.nan
    view = views_of(rows, rate=1.0)[1]
    assert view.dtype == dtype
    assert all(set(view[:, i][~np.isnan(view[:, i])]) <= set(rows[:, i]) for i in range(FEATURES))
    assert np.isnan(view).any() == np.isnan(rows).any()


def test_a_single_row_has_nothing_to_take():
    for view in views_of(TABLE[:1], rate=1.0, both=True):
        np.testing.assert_array_equal(view, TABLE[:1])


def test_the_seed_decides_and_calls_differ():
    views, again = TableViews(seed=3), TableViews(seed=3)
    first = to_numpy(views(TABLE)[1])
    np.testing.assert_array_equal(first, to_numpy(again(TABLE)[1]))
    assert (first != to_numpy(views(TABLE)[1])).any()


def test_the_config_makes_an_equal_layer():
    views = TableViews(rate=0.3, both=True, seed=1)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(views))
    for a, b in zip(views(TABLE), copy(TABLE), strict=True):
        np.testing.assert_array_equal(to_numpy(a), to_numpy(b))


def test_a_model_learns_from_rows_and_continues_with_the_next_views_after_loading(tmp_path):
    # Codes of categories, which only an embedding understands.
    rows = np.random.default_rng(0).integers(0, 5, (20, FEATURES))
    encoder = keras.Sequential(
        [keras.Input((FEATURES,), dtype="int32"), layers.Embedding(5, 3), layers.Flatten()]
    )
    model = BarlowTwins(encoder, (8,), views=TableViews(both=True, seed=0))
    model.compile()
    # The last batch is smaller than the others.
    history = model.fit(rows, batch_size=16, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for a, b in zip(model(rows[:16]), loaded(rows[:16]), strict=True):
        np.testing.assert_allclose(to_numpy(a), to_numpy(b), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rate", [-0.1, 1.5, float("nan")])
def test_rates_out_of_bounds_are_refused(rate):
    with pytest.raises(ValueError, match="rate"):
        TableViews(rate=rate)


def test_rows_of_another_rank_are_refused():
    with pytest.raises(ValueError, match=r"\[batch, features\].*\(8, 3, 2\)"):
        TableViews()(np.zeros((8, 3, 2)))
