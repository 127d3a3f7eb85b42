import numpy as np
import pytest
from keras import ops
from PIL import Image
from scipy import ndimage

from barlow.views.geometry import (
    gaussian_weights,
    resample_axes,
    resample_points,
    triangle_weights,
)


def tensor(x):
    return ops.convert_to_tensor(np.asarray(x, dtype="float32"))


def samples(start, stop, count):
    """Centres of ``count`` equal parts of an interval, and their distance, as a batch of one."""
    step = (stop - start) / count
    return tensor([start + step * (np.arange(count) + 0.5)]), tensor([[step]])


@pytest.mark.parametrize(
    "box", [(0, 0, 20, 16), (2.5, 1.25, 15, 14.75), (3, 3, 8, 8)], ids=["all", "part", "small part"]
)
@pytest.mark.parametrize("new", [(7, 5), (20, 16), (33, 40)], ids=["reduce", "keep", "enlarge"])
def test_resampling_agrees_with_pillow(box, new):
    image = np.random.default_rng(0).uniform(0, 255, (16, 20)).astype("float32")
    left, top, right, bottom = box
    rows = triangle_weights(*samples(top, bottom, new[1]), 16)
    columns = triangle_weights(*samples(left, right, new[0]), 20)
    found = ops.convert_to_numpy(resample_axes(tensor(image[None, ..., None]), rows, columns))
    expected = Image.fromarray(image).resize(new, Image.Resampling.BILINEAR, box=box)
    np.testing.assert_allclose(found[0, ..., 0], np.asarray(expected), atol=1e-2)


def test_points_outside_the_image_take_its_border():
    weights = triangle_weights(tensor([[-3.0, 0.2, 9.0]]), tensor([[1.0]]), 5)
    np.testing.assert_allclose(ops.convert_to_numpy(weights)[0], np.eye(5)[[0, 0, 4]], atol=1e-6)


def test_blur_agrees_with_scipy():
    image = np.random.default_rng(0).uniform(0, 255, (12, 9))
    sigma = 1.3
    rows, columns = (gaussian_weights(tensor([[sigma]]), size) for size in image.shape)
    found = ops.convert_to_numpy(resample_axes(tensor(image[None, ..., None]), rows, columns))

    def zeros_outside(x):
        return ndimage.gaussian_filter(x, sigma, mode="constant", truncate=10)

    expected = zeros_outside(image) / zeros_outside(np.ones_like(image))
    np.testing.assert_allclose(found[0, ..., 0], expected, rtol=1e-4)


def test_sampling_at_points_agrees_with_scipy():
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 255, (11, 13, 3)).astype("float32")
    y, x = rng.uniform(0, 10, 50), rng.uniform(0, 12, 50)
    one = tensor([[1.0]])
    rows, columns = (
        triangle_weights(tensor([centres + 0.5]), one, size) for centres, size in ((y, 11), (x, 13))
    )
    found = ops.convert_to_numpy(resample_points(tensor(image[None]), rows, columns))
    for channel in range(3):
        expected = ndimage.map_coordinates(image[..., channel], (y, x), order=1)
        np.testing.assert_allclose(found[0, :, channel], expected, rtol=1e-4, atol=1e-2)
