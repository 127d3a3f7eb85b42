"""The steps from an image to its two views, each with random values of its own."""

import math
from typing import NamedTuple

import numpy as np
from keras import ops

from barlow.backend import Tensor
from barlow.views.colour import change_colours
from barlow.views.geometry import axis_weights, resample_axes, resample_points
from barlow.views.recipe import Probability, Recipe

_NO_BLUR = 0.01  # deviation in pixels: no weight reaches the next pixel
_ERASE_RATIO = 10 / 3


def count_draws(recipe: Recipe) -> int:
    """Number of random values that a view takes. XLA draws them one after the other."""
    geometry = 5 + 2 * bool(recipe.shift) + 2 * bool(np.any(recipe.blur)) + 2 * recipe.turns
    colour = 6 * recipe.changes_colour + bool(np.any(recipe.solarize))
    return geometry + colour + 5 * bool(np.any(recipe.erase)) + bool(recipe.noise)


class Draws:
    """Random values for every image and view, made from uniform ones ``[batch, 2, draws]``."""

    def __init__(self, unit: Tensor):
        self._unit = iter(ops.unstack(unit, unit.shape[-1], axis=-1))

    def uniform(self, low: Tensor = 0.0, high: Tensor = 1.0) -> Tensor:
        """Values between two bounds, shape ``[batch, 2]``."""
        return low + (high - low) * next(self._unit)

    def chance(self, probability: Probability) -> Tensor:
        """True with this probability, or with the first and the second view's, ``[batch, 2]``."""
        return next(self._unit) < ops.convert_to_tensor(probability, "float32")


class _Axis(NamedTuple):
    """Where the points of a view lie along an axis of the image; as for `axis_weights`."""

    middle: Tensor
    step: Tensor
    points: int
    size: int
    largest: float


def resample(images: Tensor, size: tuple[int, int] | None, recipe: Recipe, draw: Draws) -> Tensor:
    """Crop, zoom, flip, rotate, shear and blur; ``[batch, 2, width, channels, height]``."""
    rows, columns = _axes(images.shape[1:3], size, recipe, draw)
    sigma, largest_sigma = None, recipe.blur_sigma[1]
    if np.any(recipe.blur):
        sigma = ops.where(draw.chance(recipe.blur), draw.uniform(*recipe.blur_sigma), _NO_BLUR)
    if not recipe.turns:
        how, blur = recipe.interpolation, (sigma, largest_sigma)
        return resample_axes(
            images,
            axis_weights(*rows[:-1], how, rows.largest, *blur),
            axis_weights(*columns[:-1], how, columns.largest, *blur),
        )
    views = _turned(images, rows, columns, recipe, draw)
    if sigma is None:
        return ops.transpose(views, (0, 1, 3, 4, 2))
    return _blurred(views, sigma, largest_sigma)


def _axes(
    image_size: tuple[int, int], size: tuple[int, int] | None, recipe: Recipe, draw: Draws
) -> tuple[_Axis, _Axis]:
    """Rows and columns of the part that a view shows, before it turns."""
    (height, width), (new_height, new_width) = image_size, size or image_size
    part_height, part_width = _draw_part(recipe, draw)
    # Anywhere inside the image; if the part is larger, with the image anywhere inside it.
    free_y, free_x = 1.0 - part_height, 1.0 - part_width
    centre_y = 0.5 + draw.uniform(-0.5, 0.5) * free_y
    centre_x = 0.5 + draw.uniform(-0.5, 0.5) * free_x
    if recipe.shift:
        centre_y += draw.uniform(-recipe.shift, recipe.shift)
        centre_x += draw.uniform(-recipe.shift, recipe.shift)
    step_y, step_x = height / new_height * part_height, width / new_width * part_width
    direction = ops.where(draw.chance(recipe.flip), -1.0, 1.0)
    largest_y, largest_x = (
        recipe.largest_side * old / new for old, new in ((height, new_height), (width, new_width))
    )
    return (
        _Axis(height * centre_y, step_y, new_height, height, largest_y),
        _Axis(width * centre_x, direction * step_x, new_width, width, largest_x),
    )


def _draw_part(recipe: Recipe, draw: Draws) -> tuple[Tensor, Tensor]:
    """Height and width of a view's part of the image, as fractions of it, each ``[batch, 2]``."""
    log_area = ops.log(draw.uniform(*recipe.scale))
    # A part smaller than the image fits into it, and a larger one contains it, at any ratio.
    limit = ops.abs(log_area)
    low, high = (ops.maximum(ops.minimum(limit, math.log(ratio)), -limit) for ratio in recipe.ratio)
    log_ratio = draw.uniform(low, high)
    return ops.exp(0.5 * (log_area - log_ratio)), ops.exp(0.5 * (log_area + log_ratio))


def _turned(images: Tensor, rows: _Axis, columns: _Axis, recipe: Recipe, draw: Draws) -> Tensor:
    """Rotated and sheared views, ``[batch, 2, height, width, channels]``."""
    rotation, shear = (
        draw.uniform(-math.radians(reach), math.radians(reach))[..., None]
        for reach in (recipe.rotation, recipe.shear)
    )
    down, across = (
        axis.step[..., None] * (ops.arange(axis.points, dtype="float32") - (axis.points - 1) / 2)
        for axis in (rows, columns)
    )
    # All pairs of a row and a column of the view, row by row: [batch, 2, points].
    down = ops.repeat(down, columns.points, axis=-1)
    across = ops.tile(across, (1, 1, rows.points)) + ops.tan(shear) * down
    values = resample_points(
        images,
        rows.middle[..., None] + ops.sin(rotation) * across + ops.cos(rotation) * down,
        columns.middle[..., None] + ops.cos(rotation) * across - ops.sin(rotation) * down,
        rows.step[..., None],
        ops.abs(columns.step)[..., None],
        max(rows.largest, columns.largest),
        recipe.interpolation,
    )
    return ops.reshape(values, (-1, 2, rows.points, columns.points, images.shape[3]))


def _blurred(views: Tensor, sigma: Tensor, largest_sigma: float) -> Tensor:
    """Blurred views ``[batch, 2, width, channels, height]``, from ``[batch, 2, height, ...]``.

    Each view counts as an image, and the points are the middles of its pixels.
    """
    height, width = views.shape[2:4]
    one = ops.ones_like(sigma[:, :1])
    blurred = []
    for view in (0, 1):
        blur = (sigma[:, view : view + 1], largest_sigma)
        rows, columns = (
            axis_weights(size / 2 * one, one, size, size, "bilinear", 1.0, *blur)
            for size in (height, width)
        )
        blurred.append(resample_axes(views[:, view], rows, columns))
    return ops.concatenate(blurred, axis=1)


def jitter(views: Tensor, recipe: Recipe, draw: Draws) -> Tensor:
    """Change brightness, contrast, saturation and hue, or make a view grey; of the same shape."""
    jittered = draw.chance(recipe.jitter)
    brightness, contrast, saturation = (
        ops.where(jittered, draw.uniform(1.0 - reach, 1.0 + reach), 1.0)
        for reach in (recipe.brightness, recipe.contrast, recipe.saturation)
    )
    hue = ops.where(jittered, draw.uniform(-recipe.hue, recipe.hue), 0.0)
    saturation = ops.where(draw.chance(recipe.grey), 0.0, saturation)
    return change_colours(views, brightness, contrast, saturation, hue)


def erase(views: Tensor, recipe: Recipe, draw: Draws) -> Tensor:
    """Fill a rectangle with the mean colour of the view; of the same shape."""
    log_area = ops.log(draw.uniform(*recipe.erase_scale))
    limit = ops.minimum(ops.abs(log_area), math.log(_ERASE_RATIO))
    log_ratio = draw.uniform(-limit, limit)

    def within(size: int, part: Tensor) -> Tensor:
        """Whether each pixel of an axis is in the rectangle, shape ``[batch, 2, size]``."""
        start = (draw.uniform() * (1.0 - part))[..., None]
        middles = (ops.arange(size, dtype="float32") + 0.5) / size
        return (start < middles) & (middles < start + part[..., None])

    rows = within(views.shape[4], ops.exp(0.5 * (log_area - log_ratio)))[:, :, None, None, :]
    columns = within(views.shape[2], ops.exp(0.5 * (log_area + log_ratio)))[:, :, :, None, None]
    chosen = draw.chance(recipe.erase)[..., None, None, None]
    mean = ops.mean(views, axis=(2, 4), keepdims=True)
    return ops.where(chosen & rows & columns, mean, views)
