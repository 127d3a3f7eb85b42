"""The random part of a view is read back from what it does to ramps, levels and noise."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers, ops
from scipy import stats

from barlow import BarlowTwins
from barlow.views import SignalViews

TIME = 60
NOTHING = {"crop": (1.0, 1.0), "warp": 0.0, "scale": 0.0, "jitter": 0.0, "time_mask": 0.0}
# Rounding of positions up to TIME in float32, some operations deep.
ROUNDING = 16 * TIME * np.finfo("float32").eps


def to_numpy(x):
    return ops.convert_to_numpy(x)


def views_of(signals, seed=5, **settings):
    """Both views, where nothing but what is named may happen."""
    return [to_numpy(view) for view in SignalViews(**{**NOTHING, **settings}, seed=seed)(signals)]


def ramps(batch=400):
    """Signals whose value is the time in samples: a view shows where it was read."""
    return np.broadcast_to(np.arange(TIME, dtype="float32")[:, None], (batch, TIME, 1))


def noise(batch=400, channels=2):
    shape = (batch, TIME, channels)
    return 3 + 2 * np.random.default_rng(0).normal(size=shape).astype("float32")


def assert_uniform(values, low, high):
    assert stats.kstest(values, "uniform", (low, high - low)).pvalue > 1e-4


def assert_share(chosen, probability):
    assert stats.binomtest(int(chosen.sum()), chosen.size, probability).pvalue > 1e-4


def longest_hidden(view, signals):
    """Longest run of changed samples of each signal, and whether it was the only one."""
    for changed in np.any(view != signals, axis=2):
        runs = [len(list(run)) for hidden, run in itertools.groupby(changed) if hidden]
        yield max(runs, default=0), len(runs) <= 1


def test_settings_that_allow_nothing_change_nothing():
    for view in views_of(noise()):
        np.testing.assert_array_equal(view, noise())


def test_crops_have_the_duration_of_the_range_and_lie_anywhere_in_the_signal():
    view = views_of(ramps(), crop=(0.3, 0.6))[0][..., 0]
    step = np.diff(view, axis=1)
    inside = slice(3, -3)  # the outer half sample of the signal is flat
    np.testing.assert_allclose(
        step[:, inside], np.broadcast_to(step[:, 30:31], (400, 53)), atol=ROUNDING
    )
    part = step[:, 30]
    assert_uniform(part, 0.3, 0.6)
    middle = (view[:, 29] + view[:, 30] + 1) / 2
    start = middle / TIME - part / 2
    assert_uniform(start / (1 - part), 0, 1)


def test_warps_are_monotone_and_keep_speed_and_ends():
    view = views_of(ramps(), warp=0.5)[0][..., 0]
    speed = np.diff(view[:, 1:-1], axis=1)
    assert speed.min() > 0
    # Speeds before they are brought to the whole duration lie within 0.5 .. 1.5.
    assert (speed.max(axis=1) / speed.min(axis=1)).max() < 3 + 1e-3
    assert speed.std(axis=1).mean() > 0.1  # they do change
    # The first and the last sample cover the ends of the signal: less than 1.5 / 0.5 samples.
    assert view[:, 0].max() < 1.5
    assert view[:, -1].min() > TIME - 1 - 1.5
    # Smooth: the speed goes through its whole range in a quarter of the duration or slower.
    assert np.abs(np.diff(speed, axis=1)).max() < 3 * 1.0 / (TIME / 4) * 1.1


def test_resampling_agrees_with_linear_interpolation():
    signals = noise(batch=8)
    settings = {"crop": (0.4, 0.9), "warp": 0.3}
    where = views_of(ramps(batch=8), **settings)[0][..., 0]
    found = views_of(signals, **settings)[0]
    for signal, times, view in zip(signals, where, found, strict=True):
        for channel in range(2):
            expected = np.interp(times, np.arange(TIME), signal[:, channel])
            # Neighbouring samples differ by less than 20.
            np.testing.assert_allclose(view[:, channel], expected, atol=20 * ROUNDING)


def test_constant_signals_stay_constant_but_for_their_amplitude():
    levels = np.random.default_rng(0).uniform(1, 2, (400, 1, 2)).astype("float32")
    signals = np.broadcast_to(levels, (400, TIME, 2))
    everything = {"crop": (0.2, 1.0), "warp": 0.5, "jitter": 0.5, "time_mask": 0.5}
    for view in views_of(signals, **everything, channel_mask=0.3):
        np.testing.assert_allclose(view, signals, rtol=1e-5)
    scaled = views_of(signals, **everything, scale=0.4)[0] / signals
    assert scaled.std(axis=1).max() < 1e-5
    assert_uniform(scaled[:, 0].ravel(), 0.6, 1.4)
    assert stats.pearsonr(*scaled[:, 0].T).pvalue > 1e-4  # each channel has its own


def test_channels_change_their_sign_with_their_probability():
    view = views_of(noise(), flip=0.3)[0]
    sign = view[:, 0] / noise()[:, 0]
    np.testing.assert_allclose(np.abs(sign), 1, rtol=1e-6)
    assert_share(sign < 0, 0.3)


def test_jitter_is_relative_to_the_deviation_of_a_channel():
    signals = noise() * np.array([1.0, 100.0], dtype="float32")
    added = views_of(signals, jitter=0.5)[0] - signals
    share = added.std(axis=1) / signals.std(axis=1)
    # Per signal a uniform up to 0.5, seen through the deviation of 60 draws; means of 400.
    np.testing.assert_allclose(share.mean(axis=0), 0.25, rtol=0.12)
    np.testing.assert_allclose((share**2).mean(axis=0), 0.5**2 / 3, rtol=0.2)
    assert share.max() < 0.5 * (1 + 5 / np.sqrt(2 * TIME))
    assert abs((added / signals.std(axis=1, keepdims=True)).mean()) < 0.01


def test_the_time_mask_hides_one_stretch_of_every_channel_under_its_mean():
    signals = noise()
    view = views_of(signals, time_mask=0.5)[0]
    lengths, single = map(np.array, zip(*longest_hidden(view, signals), strict=True))
    assert single.all()
    assert lengths.max() <= 0.5 * TIME + 1
    # A uniform up to half of the samples: mean of 400 within six standard errors.
    assert abs(lengths.mean() - TIME / 4) < 6 * TIME / 2 / np.sqrt(12 * 400)
    hidden = np.any(view != signals, axis=2)
    mean = np.broadcast_to(signals.mean(axis=1, keepdims=True), signals.shape)
    np.testing.assert_allclose(view[hidden], mean[hidden], rtol=1e-5)


def test_whole_channels_are_hidden_with_their_probability():
    view = views_of(noise(), channel_mask=0.3)[0]
    hidden = view.std(axis=1) < 1e-5
    assert_share(hidden, 0.3)
    np.testing.assert_allclose(view.mean(axis=1), noise().mean(axis=1), rtol=1e-4)


def test_signals_and_views_are_drawn_independently():
    first, second = (view[:, 30, 0] for view in views_of(ramps(), crop=(0.3, 0.6)))
    for a, b in ((first, second), (first[1:], first[:-1])):
        assert stats.pearsonr(a, b).pvalue > 1e-4
    assert len(np.unique(first)) > 350


def test_the_seed_decides_and_calls_differ():
    views, again = SignalViews(seed=3), SignalViews(seed=3)
    first = to_numpy(views(noise())[0])
    np.testing.assert_array_equal(first, to_numpy(again(noise())[0]))
    assert np.abs(first - to_numpy(views(noise())[0])).max() > 1


def test_the_config_makes_an_equal_layer():
    views = SignalViews((0.3, 0.9), 0.1, 0.3, 0.2, 0.4, 0.1, 0.15, seed=1)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(views))
    for a, b in zip(views(noise()), copy(noise()), strict=True):
        np.testing.assert_array_equal(to_numpy(a), to_numpy(b))


def test_a_model_learns_from_signals_and_continues_with_the_next_views_after_loading(tmp_path):
    encoder = keras.Sequential(
        [keras.Input((TIME, 2)), layers.Conv1D(4, 5), layers.GlobalAveragePooling1D()]
    )
    model = BarlowTwins(encoder, (8,), views=SignalViews(channel_mask=0.1, flip=0.1, seed=0))
    model.compile()
    # The last batch is smaller than the others.
    history = model.fit(noise(batch=20), batch_size=16, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for a, b in zip(model(noise(batch=16)), loaded(noise(batch=16)), strict=True):
        np.testing.assert_allclose(to_numpy(a), to_numpy(b), rtol=1e-5, atol=1e-6)


def test_views_are_float32_whatever_the_encoder_computes_in():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        first, _ = SignalViews(seed=0)(noise())
    finally:
        keras.config.set_dtype_policy("float32")
    assert keras.backend.standardize_dtype(first.dtype) == "float32"


@pytest.mark.parametrize(
    "settings",
    [
        {"crop": (0.9, 0.5)},
        {"crop": (0.5, 1.5)},
        {"warp": 1.0},
        {"scale": -0.1},
        {"jitter": 1.1},
        {"flip": 2},
        {"time_mask": 1.5},
        {"channel_mask": -1},
    ],
    ids=str,
)
def test_settings_out_of_bounds_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        SignalViews(**settings)


def test_signals_of_another_rank_are_refused():
    with pytest.raises(ValueError, match=r"\[batch, time, 1\].*\(8, 60\)"):
        SignalViews()(np.zeros((8, TIME)))
