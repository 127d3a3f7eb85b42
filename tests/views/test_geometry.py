import numpy as np
import pytest
from keras import ops
from PIL import Image
from scipy import ndimage
from sklearn.datasets import load_sample_image

from barlow.views.geometry import FILTERS, axis_weights, resample_axes, resample_points
from barlow.views.recipe import INTERPOLATIONS

PILLOW = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
interpolations = pytest.mark.parametrize("interpolation", PILLOW)


def tensor(x):
    return ops.convert_to_tensor(np.asarray(x, dtype="float32"))


def to_image(views):
    """The only view of the only image of a batch, ``[height, width, channels]``."""
    return ops.convert_to_numpy(views)[0, 0].transpose(2, 0, 1)


def along(start, stop, points, size, interpolation):
    """Weights for the middles of equal parts of an interval, for one view of one image."""
    middle, step = (start + stop) / 2, (stop - start) / points
    return axis_weights(
        tensor([[middle]]), tensor([[step]]), points, size, interpolation, largest=abs(step)
    )


def test_there_are_weights_for_every_interpolation_of_a_recipe():
    assert sorted(FILTERS) == sorted(INTERPOLATIONS)


@interpolations
@pytest.mark.parametrize(
    "box", [(0, 0, 20, 16), (2.5, 1.25, 15, 14.75), (3, 3, 8, 8)], ids=["all", "part", "small part"]
)
@pytest.mark.parametrize("new", [(7, 5), (20, 16), (33, 40)], ids=["reduce", "keep", "enlarge"])
def test_resampling_agrees_with_pillow(box, new, interpolation):
    image = np.random.default_rng(0).uniform(0, 255, (16, 20)).astype("float32")
    left, top, right, bottom = box
    rows = along(top, bottom, new[1], 16, interpolation)
    columns = along(left, right, new[0], 20, interpolation)
    found = to_image(resample_axes(tensor(image[None, ..., None]), rows, columns))
    expected = Image.fromarray(image).resize(new, PILLOW[interpolation], box=box)
    np.testing.assert_allclose(found[..., 0], np.asarray(expected), atol=1e-2)


@interpolations
@pytest.mark.parametrize("photo", ["china.jpg", "flower.jpg"])
@pytest.mark.parametrize("box", [(10.5, 20.25, 600, 400), (200, 100, 290, 180)])
def test_photographs_are_resampled_as_by_pillow_to_its_rounding(photo, box, interpolation):
    image = load_sample_image(photo)
    left, top, right, bottom = box
    rows = along(top, bottom, 96, image.shape[0], interpolation)
    columns = along(left, right, 128, image.shape[1], interpolation)
    found = to_image(resample_axes(tensor(image[None]), rows, columns)).clip(0, 255)
    expected = Image.fromarray(image).resize(
        (128, 96), PILLOW[interpolation], box=box, reducing_gap=None
    )
    # Pillow rounds twice, and clips in between what bicubic weights make of sharp edges.
    assert np.abs(found - np.asarray(expected, "float32")).mean() < 0.5


@interpolations
def test_points_outside_the_image_take_its_border(interpolation):
    # Points at -5, 0, 5 and 10.
    axis = axis_weights(tensor([[2.5]]), tensor([[5.0]]), 4, 5, interpolation, largest=5.0)
    weights = ops.convert_to_numpy(axis.weights)[0, 0, 0]
    np.testing.assert_array_equal(weights[[0, 3]], weights[[1, 2]])
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)


@interpolations
def test_points_on_the_border_go_on_with_the_slope(interpolation):
    axis = axis_weights(tensor([[2.5]]), tensor([[1.0]]), 6, 5, interpolation, largest=1.0)
    weights = ops.convert_to_numpy(axis.weights)[0, 0, 0]
    np.testing.assert_allclose(weights[0, 0], {"bilinear": 1, "bicubic": 9 / 8}[interpolation])


def blurred(image, sigma):
    """Gaussian blur without any resampling."""
    rows, columns = (
        axis_weights(
            tensor([[size / 2]]),
            tensor([[1.0]]),
            size,
            size,
            "bilinear",
            largest=1.0,
            sigma=tensor([[sigma]]),
            largest_sigma=sigma,
        )
        for size in image.shape
    )
    return to_image(resample_axes(tensor(image[None, ..., None]), rows, columns))[..., 0]


@pytest.mark.parametrize("shape", [(12, 9), (150, 9), (150, 131)], ids=str)
def test_blur_agrees_with_scipy(shape):
    """Also where an axis is so long that its points are in blocks, and where only one is."""
    image = np.random.default_rng(0).uniform(0, 255, shape)

    def zeros_outside(x):
        return ndimage.gaussian_filter(x, 1.3, mode="constant", truncate=10)

    expected = zeros_outside(image) / zeros_outside(np.ones_like(image))
    np.testing.assert_allclose(blurred(image, 1.3), expected, rtol=3e-4)


@interpolations
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("points", [100, pytest.param(161, marks=pytest.mark.once), 224])
@pytest.mark.parametrize("sigma", [None, 1.5])
def test_long_axes_leave_out_only_what_has_no_weight(sigma, points, flip, interpolation):
    """Parts of many sizes, of which some reach out of the image, against all pixels' weights."""
    weight, size, largest = FILTERS[interpolation][0], 250, 260 / points
    rng = np.random.default_rng(points)
    step = rng.uniform(0.1, 1.0, (8, 2)) * largest * (-1 if flip else 1)
    middle = rng.uniform(0, size, (8, 2))
    axis = axis_weights(
        tensor(middle),
        tensor(step),
        points,
        size,
        interpolation,
        largest,
        sigma=sigma and tensor(np.full((8, 2), sigma)),
        largest_sigma=1.5,
    )
    assert axis.first is not None
    assert axis.weights.shape[-1] < size / 2
    # Through the identity as an image, the view is the matrix of weights.
    lines = np.broadcast_to(np.eye(size, dtype="float32")[..., None], (8, size, size, 1))
    same = axis_weights(
        tensor(np.full((8, 2), size / 2)), tensor(np.ones((8, 2))), size, size, "bilinear", 1.0
    )
    views = ops.convert_to_numpy(resample_axes(tensor(lines), axis, same))
    found = views[:, :, :, 0].transpose(0, 1, 3, 2)

    at = np.clip(
        middle[..., None] + step[..., None] * (np.arange(points) - (points - 1) / 2), 0, size
    )
    distance = (
        np.abs(np.arange(size) + 0.5 - at[..., None]) / np.maximum(np.abs(step), 1)[..., None, None]
    )
    expected = ops.convert_to_numpy(weight(tensor(distance)))
    expected = expected / expected.sum(axis=-1, keepdims=True)
    if sigma:
        blur = np.exp(-0.5 * (np.subtract.outer(np.arange(points), np.arange(points)) / sigma) ** 2)
        expected = blur / blur.sum(axis=1, keepdims=True) @ expected
    np.testing.assert_allclose(found, expected, atol=1e-4)


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
    middle_y, middle_x = tensor(y.mean(axis=-1)), tensor(x.mean(axis=-1))
    largest = float(step.max())
    rows = axis_weights(middle_y, tensor(step_y[..., 0]), new, 16, interpolation, largest)
    columns = axis_weights(middle_x, tensor(step_x[..., 0]), new, 20, interpolation, largest)
    expected = ops.convert_to_numpy(resample_axes(images, rows, columns)).transpose(0, 1, 4, 2, 3)
    found = resample_points(
        images,
        tensor(np.repeat(y, new, axis=-1)),
        tensor(np.tile(x, (1, 1, new))),
        tensor(step_y),
        tensor(step_x),
        largest,
        interpolation,
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(found).reshape(expected.shape), expected, atol=1e-2
    )
