import numpy as np
import pytest
from keras import ops
from PIL import Image
from scipy import ndimage
from sklearn.datasets import load_sample_image

from barlow.views.geometry import (
    axis_weights,
    gaussian_weights,
    resample_axes,
    resample_points,
)

PILLOW = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
interpolations = pytest.mark.parametrize("interpolation", PILLOW)


def tensor(x):
    return ops.convert_to_tensor(np.asarray(x, dtype="float32"))


def to_image(views):
    """The only view of the only image of a batch, ``[height, width, channels]``."""
    return ops.convert_to_numpy(views)[0, 0].transpose(0, 2, 1)


def samples(start, stop, count):
    """Centres of ``count`` equal parts of an interval, and their distance, for one view."""
    step = (stop - start) / count
    return tensor([[start + step * (np.arange(count) + 0.5)]]), tensor([[[step]]])


@interpolations
@pytest.mark.parametrize(
    "box", [(0, 0, 20, 16), (2.5, 1.25, 15, 14.75), (3, 3, 8, 8)], ids=["all", "part", "small part"]
)
@pytest.mark.parametrize("new", [(7, 5), (20, 16), (33, 40)], ids=["reduce", "keep", "enlarge"])
def test_resampling_agrees_with_pillow(box, new, interpolation):
    image = np.random.default_rng(0).uniform(0, 255, (16, 20)).astype("float32")
    left, top, right, bottom = box
    rows = axis_weights(*samples(top, bottom, new[1]), 16, interpolation)
    columns = axis_weights(*samples(left, right, new[0]), 20, interpolation)
    found = to_image(resample_axes(tensor(image[None, ..., None]), rows, columns))
    expected = Image.fromarray(image).resize(new, PILLOW[interpolation], box=box)
    np.testing.assert_allclose(found[..., 0], np.asarray(expected), atol=1e-2)


@interpolations
@pytest.mark.parametrize("photo", ["china.jpg", "flower.jpg"])
@pytest.mark.parametrize("box", [(10.5, 20.25, 600, 400), (200, 100, 290, 180)])
def test_photographs_are_resampled_as_by_pillow_to_its_rounding(photo, box, interpolation):
    image = load_sample_image(photo)
    left, top, right, bottom = box
    rows = axis_weights(*samples(top, bottom, 96), image.shape[0], interpolation)
    columns = axis_weights(*samples(left, right, 128), image.shape[1], interpolation)
    found = to_image(resample_axes(tensor(image[None]), rows, columns)).clip(0, 255)
    expected = Image.fromarray(image).resize(
        (128, 96), PILLOW[interpolation], box=box, reducing_gap=None
    )
    # Pillow rounds twice, and clips in between what bicubic weights make of sharp edges.
    assert np.abs(found - np.asarray(expected, "float32")).mean() < 0.5


@interpolations
def test_points_outside_the_image_take_its_border(interpolation):
    centres = tensor([[[-3.0, 0.0, 9.0, 5.0]]])
    weights = ops.convert_to_numpy(axis_weights(centres, tensor([[[1.0]]]), 5, interpolation))[0, 0]
    np.testing.assert_array_equal(weights[[0, 2]], weights[[1, 3]])
    # Bicubic weights of a point on the border are 9/8 and -1/8: they go on with the slope.
    np.testing.assert_allclose(weights[0, 0], {"bilinear": 1, "bicubic": 9 / 8}[interpolation])
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)


def test_blur_agrees_with_scipy():
    image = np.random.default_rng(0).uniform(0, 255, (12, 9))
    sigma = 1.3
    rows, columns = (gaussian_weights(tensor([[[sigma]]]), size) for size in image.shape)
    found = to_image(resample_axes(tensor(image[None, ..., None]), rows, columns))

    def zeros_outside(x):
        return ndimage.gaussian_filter(x, sigma, mode="constant", truncate=10)

    expected = zeros_outside(image) / zeros_outside(np.ones_like(image))
    np.testing.assert_allclose(found[..., 0], expected, rtol=1e-4)


def test_sampling_at_points_agrees_with_scipy():
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 255, (11, 13, 3)).astype("float32")
    y, x = rng.uniform(0, 10, 50), rng.uniform(0, 12, 50)
    one = tensor([[[1.0]]])
    found = resample_points(
        tensor(image[None]), tensor([[y + 0.5]]), tensor([[x + 0.5]]), one, one, 1.0, "bilinear"
    )
    for channel in range(3):
        expected = ndimage.map_coordinates(image[..., channel], (y, x), order=1)
        np.testing.assert_allclose(
            ops.convert_to_numpy(found)[0, 0, :, channel], expected, rtol=1e-4, atol=1e-2
        )


@interpolations
@pytest.mark.parametrize("new", [5, 16, 23], ids=["reduce", "keep", "enlarge"])
def test_points_on_a_grid_are_what_the_axes_give(new, interpolation):
    """Two images with two views each, of which parts are outside of the image."""
    rng = np.random.default_rng(0)
    images = tensor(rng.uniform(0, 255, (2, 16, 20, 3)))
    start = rng.uniform(-4, 4, (2, 2, 2, 1))
    step = rng.uniform(0.5, 1, (2, 2, 2, 1)) * 18 / new
    (y, x), (step_y, step_x) = start + step * np.arange(new), step
    rows = axis_weights(tensor(y), tensor(step_y), 16, interpolation)
    columns = axis_weights(tensor(x), tensor(step_x), 20, interpolation)
    expected = ops.convert_to_numpy(resample_axes(images, rows, columns)).transpose(0, 1, 2, 4, 3)
    found = resample_points(
        images,
        tensor(np.repeat(y, new, axis=-1)),
        tensor(np.tile(x, (1, 1, new))),
        tensor(step_y),
        tensor(step_x),
        float(step.max()),
        interpolation,
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(found).reshape(expected.shape), expected, atol=1e-2
    )
