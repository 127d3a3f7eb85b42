import numpy as np
import pytest

from barlow.data import Batches, from_array


@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 4, 3, 1), (5, 4, 3, 3)], ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "int64", "uint16", "float64", "float16"])
def test_arrays_keep_their_values_and_get_an_axis_of_channels(shape, dtype):
    array = np.random.default_rng(0).integers(2, 256, shape).astype(dtype)
    images = from_array(array)
    assert images.pixels.ndim == 4
    assert images.pixels.dtype == ("float32" if dtype.startswith("float") else "uint8")
    np.testing.assert_array_equal(images.pixels.ravel(), array.ravel())
    assert images.notes == ()


def test_values_between_0_and_1_are_recognised_and_said():
    array = np.random.default_rng(0).uniform(size=(5, 4, 3))
    images = from_array(array)
    np.testing.assert_allclose(images.pixels[..., 0], 255 * array, rtol=1e-6)
    assert "multiplied by 255" in images.notes[0]
    assert array.max() <= 1  # the caller's array is as it was


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 4)), r"shape \(5, 4\)"),
        (np.zeros((5, 4, 3, 2)), r"shape \(5, 4, 3, 2\)"),
        (np.zeros((0, 4, 3)), r"shape \(0, 4, 3\)"),
        (np.full((5, 4, 3), 256), "256"),
        (np.full((5, 4, 3), -1.0), r"-1\.0"),
        (np.full((5, 4, 3), np.nan), "nan"),
        (np.full((5, 4, 3), "red"), "dtype"),
    ],
    ids=["rank", "channels", "none", "too bright", "negative", "not a number", "text"],
)
def test_arrays_that_are_no_images_are_refused_with_what_was_received(array, message):
    with pytest.raises(ValueError, match=message):
        from_array(array)


def test_there_is_one_label_per_image_or_none():
    array = np.zeros((5, 4, 3))
    assert from_array(array).labels is None
    assert from_array(array, list("abcde")).labels.tolist() == list("abcde")
    assert from_array(array, np.arange(5)[:, None]).labels.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match=r"\(4,\)"):
        from_array(array, [0, 1, 2, 3])
    with pytest.raises(ValueError, match=r"\(5, 2\)"):
        from_array(array, np.zeros((5, 2)))


def test_every_image_comes_once_an_epoch_in_an_order_of_its_own_that_the_seed_decides():
    pixels = np.arange(12)
    batches, again, other = (Batches(pixels, 4, seed=seed) for seed in (1, 1, 2))
    epochs = []
    for _ in range(2):
        epoch = [np.concatenate([b[i][0] for i in range(len(b))]) for b in (batches, again, other)]
        np.testing.assert_array_equal(epoch[0], epoch[1])
        assert (epoch[0] != epoch[2]).any()
        assert sorted(epoch[0]) == list(range(12))
        epochs.append(epoch[0])
        for b in (batches, again, other):
            b.on_epoch_end()
    assert (epochs[0] != epochs[1]).any()


def test_batches_have_one_size_and_no_image_is_left_out_for_ever():
    batches, seen = Batches(np.arange(11), 4, seed=0), set()
    for _ in range(10):
        assert [len(batches[i][0]) for i in range(len(batches))] == [4, 4]
        seen.update(int(x) for i in range(len(batches)) for x in batches[i][0])
        batches.on_epoch_end()
    assert seen == set(range(11))


@pytest.mark.parametrize("batch_size", [0, 1, 12])
def test_a_batch_size_that_does_not_fit_is_refused(batch_size):
    with pytest.raises(ValueError, match=f"batch_size={batch_size} with 11 images"):
        Batches(np.arange(11), batch_size, seed=0)
