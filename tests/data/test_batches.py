import threading
import time

import keras
import numpy as np
import pytest
from keras import ops

from barlow.data import Batches
from barlow.data.lazy import BadImage, LazyPixels

COUNT, SHAPE = 23, (2, 3, 1)
ARRAY = np.arange(COUNT * 6, dtype="uint8").reshape(COUNT, *SHAPE)
READERS = [{"workers": 1, "ahead": 0}, {"workers": 1}, {"workers": 3, "ahead": 1}, {"workers": 8}]


def lazy(bad=(), read=lambda i: ARRAY[i]):
    """Pixels of `ARRAY` that come late, by times that differ, but for those that are bad."""
    delays = np.random.default_rng().uniform(0, 2e-3, COUNT)

    def slowly(i):
        time.sleep(delays[i])
        if i in bad:
            raise BadImage(f"{i}.png", "it is empty")
        return read(i)

    return LazyPixels(range(COUNT), SHAPE, slowly)


def steps(batches, count):
    return np.stack([batches[i][0] for i in range(count)])


def images(batch):
    """Numbers of the images in a batch, by the first pixel of each."""
    return (batch[:, 0, 0, 0] // 6).tolist()


@pytest.mark.once
def test_every_image_comes_once_an_epoch_in_an_order_of_its_own_that_the_seed_decides():
    pixels = np.arange(12)
    batches, again, other = (Batches(pixels, 4, seed=seed) for seed in (1, 1, 2))
    assert batches.steps_per_epoch == 3
    np.testing.assert_array_equal(steps(batches, 6), steps(again, 6))
    assert (steps(batches, 3) != steps(other, 3)).any()
    first, second = steps(batches, 6).reshape(2, 12)
    assert sorted(first) == sorted(second) == list(range(12))
    assert (first != second).any()


@pytest.mark.once
def test_an_order_is_any_of_all_with_the_same_probability():
    orders = 6_000
    drawn = np.stack([steps(Batches(np.arange(3), 3, seed=s), 1)[0] for s in range(orders // 10)])
    epochs = steps(Batches(np.arange(3), 3, seed=0), orders - len(drawn))
    _, counts = np.unique(np.concatenate([drawn, epochs]), axis=0, return_counts=True)
    deviation = np.sqrt(orders * 1 / 6 * 5 / 6)
    assert len(counts) == 6
    assert np.abs(counts - orders / 6).max() < 5 * deviation


@pytest.mark.once
def test_batches_have_one_size_and_no_image_is_left_out_of_every_epoch():
    batches = Batches(np.arange(11), 4, seed=0)
    assert batches.steps_per_epoch == 2
    for epoch in steps(batches, 20).reshape(10, 8):
        assert len(set(epoch)) == 8
    assert set(steps(batches, 20).ravel()) == set(range(11))


@pytest.mark.once
@pytest.mark.parametrize("reader", READERS, ids=str)
def test_threads_and_what_is_read_ahead_change_nothing(reader):
    expected = steps(Batches(ARRAY, 5, seed=3), 9)
    for pixels in (ARRAY, lazy()):
        batches = steps(Batches(pixels, 5, seed=3, **reader), 9)
        assert batches.dtype == "uint8"
        np.testing.assert_array_equal(batches, expected)


@pytest.mark.once
@pytest.mark.parametrize("reader", READERS, ids=str)
@pytest.mark.parametrize("bad", [(), (4, 5, 17)], ids=["all good", "some bad"])
def test_batches_that_start_in_the_middle_of_an_epoch_are_those_of_a_training_never_stopped(
    reader, bad
):
    whole = steps(Batches(lazy(bad), 5, seed=3), 12)
    for start in (1, 4, 6):
        rest = steps(Batches(lazy(bad), 5, seed=3, start=start, **reader), 12 - start)
        np.testing.assert_array_equal(rest, whole[start:])


@pytest.mark.once
def test_a_batch_depends_on_its_step_and_not_on_those_asked_for_before():
    batches, expected = Batches(lazy(), 5, seed=3), steps(Batches(ARRAY, 5, seed=3), 9)
    for step in (0, 1, 0, 1, 2, 8, 3, 3):
        np.testing.assert_array_equal(batches[step][0], expected[step])


@pytest.mark.once
@pytest.mark.parametrize("reader", READERS, ids=str)
def test_the_image_at_the_same_place_of_the_next_batch_stands_in_for_a_bad_one(reader):
    bad = (4, 5, 17)
    batches = Batches(lazy(bad), 5, seed=3, **reader)
    for epoch in range(2):
        order = images(Batches(ARRAY, COUNT, seed=3)[epoch][0])
        read = np.concatenate([images(batches[4 * epoch + i][0]) for i in range(4)])
        for place, image in enumerate(read):
            following = [order[(place + 5 + i) % COUNT] for i in range(COUNT)]
            assert image == next(i for i in [order[place], *following] if i not in bad)


@pytest.mark.once
def test_every_bad_image_is_named_once_with_its_reason():
    batches = Batches(lazy((4, 5, 17)), 5, seed=3)
    steps(batches, 40)
    assert batches.skipped == {f"{i}.png": "it is empty" for i in (4, 5, 17)}


@pytest.mark.once
def test_an_image_that_comes_back_is_read_again():
    bad = {7}
    batches = Batches(lazy(bad), 5, seed=3)
    assert 7 not in np.concatenate([images(batch) for batch in steps(batches, 20)])
    bad.clear()
    assert 7 in np.concatenate([images(batch) for batch in steps(batches, 20)])


@pytest.mark.once
def test_one_good_image_is_enough_and_none_is_an_error():
    batches = Batches(lazy(set(range(COUNT)) - {9}), 5, seed=3)
    assert images(batches[0][0]) == [9] * 5
    with pytest.raises(ValueError, match=r"None of the 23 images .* \d+.png: it is empty"):
        Batches(lazy(range(COUNT)), 5, seed=3)[0]


@pytest.mark.once
def test_errors_that_are_not_about_an_image_are_raised():
    def broken(i):
        raise KeyError("a mistake in the program")

    with pytest.raises(KeyError, match="a mistake"):
        Batches(lazy(read=broken), 5, seed=3)[0]


@pytest.mark.once
def test_so_many_batches_are_read_ahead_and_no_more():
    read, enough = [], threading.Event()

    def counted(i):
        read.append(i)
        if len(read) == 15:
            enough.set()
        return ARRAY[i]

    batches = Batches(lazy(read=counted), 5, seed=3, ahead=2)
    first = batches[0]
    assert enough.wait(timeout=30)  # without anyone asking for more than the first
    time.sleep(0.05)
    assert len(read) == 15
    assert len(first[0]) == 5


class Sum(keras.layers.Layer):
    """A weight per image; the loss moves those whose images are in the batch by one."""

    def build(self, input_shape):
        self.sums = self.add_weight(shape=input_shape[1:], initializer="zeros")

    def call(self, x):
        self.add_loss(-ops.sum(x * self.sums))
        return x


def fit(batches, epochs):
    """Images that `fit` was given at each step, as rows of zeros and ones; and the model."""
    model, sums = keras.Sequential([Sum()]), [np.zeros(12)]
    model.compile(keras.optimizers.SGD(1.0))
    record = keras.callbacks.Callback()
    # Through the callback's model, whose weights JAX brings up to date.
    record.on_train_batch_end = lambda *_, **__: sums.append(record.model.get_weights()[0])
    model.fit(
        batches,
        steps_per_epoch=batches.steps_per_epoch,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[record],
    )
    return np.diff(sums, axis=0), model


def test_fit_gets_every_batch_once_in_order_and_resumes_at_the_step_of_the_optimizer():
    one_hot = np.eye(12, dtype="float32")
    expected = steps(Batches(one_hot, 5, seed=1), 6).sum(axis=1)
    seen, _ = fit(Batches(one_hot, 5, seed=1), epochs=3)
    np.testing.assert_array_equal(seen, expected)
    first, model = fit(Batches(one_hot, 5, seed=1), epochs=1)
    start = int(model.optimizer.iterations)
    rest, _ = fit(Batches(one_hot, 5, seed=1, start=start), epochs=2)
    np.testing.assert_array_equal(np.concatenate([first, rest]), expected)


@pytest.mark.once
@pytest.mark.parametrize("batch_size", [0, 1, 12])
def test_a_batch_size_that_does_not_fit_is_refused(batch_size):
    with pytest.raises(ValueError, match=f"batch_size={batch_size} with 11 images"):
        Batches(np.arange(11), batch_size, seed=0)


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "value", "least"),
    [("seed", -1, 0), ("start", -1, 0), ("ahead", -1, 0), ("workers", 0, 1)],
)
def test_numbers_out_of_their_bounds_are_refused(name, value, least):
    with pytest.raises(ValueError, match=f"`{name}` must be at least {least}.*Received: {value}"):
        Batches(np.arange(11), 4, **{"seed": 0, name: value})
