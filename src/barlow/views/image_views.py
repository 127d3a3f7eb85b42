"""`ImageViews`: two random views of every image, as a Keras layer."""

import dataclasses
import math
from typing import Any

import keras
import numpy as np
from keras import ops

from barlow import backend
from barlow.errors import InvalidInput
from barlow.views.colour import change_colours, solarize
from barlow.views.geometry import axis_weights, resample_axes, resample_points
from barlow.views.recipe import RECIPES, Probability, Recipe
from barlow.views.seeded import SeededLayer

_LARGE = 2**18  # bytes of both views of an image, above which a batch may go by pieces
_NO_BLUR = 0.01  # deviation in pixels: no weight reaches the next pixel
_ERASE_RATIO = 10 / 3


@keras.saving.register_keras_serializable(package="barlow")
class ImageViews(SeededLayer):
    """Two random views of every image, drawn independently per image and view.

    A view is resampled in one step (crop, zoom, flip, rotation, shear, blur), then its colours
    are changed in one step (brightness, contrast, saturation, hue, grey), then what leaves
    ``0 .. 255`` is clipped; solarize, erasing and noise follow. It runs inside the compiled
    training step, on the device, on every backend.

    Args:
        recipe: What may happen to an image: a :class:`Recipe` or the name of one in ``RECIPES``.
        size: Height and width of the views in pixels. Defaults to ``None``, the images' own.
        seed: Seed of the random draws, an integer. Defaults to ``None``, a random one.
        **kwargs: Settings of the :class:`Recipe` to change, by name; others as for any Keras
            layer.

    Raises:
        ValueError: If the recipe is not known, a setting is not valid, or the images are not of
            shape ``[batch, height, width, channels]``.

    Example:
        >>> views = barlow.views.ImageViews("photos", size=(32, 32), blur=0.5, seed=0)
        >>> first, second = views(keras.ops.zeros((4, 48, 48, 3)))
        >>> tuple(first.shape)
        (4, 32, 32, 3)
    """

    def __init__(
        self,
        recipe: str | Recipe,
        size: tuple[int, int] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        changes = {
            field.name: kwargs.pop(field.name)
            for field in dataclasses.fields(Recipe)
            if field.name in kwargs
        }
        super().__init__(seed=seed, **kwargs)
        if isinstance(recipe, str) and recipe not in RECIPES:
            raise InvalidInput(
                f"No recipe is called {recipe!r}. Known: {', '.join(RECIPES)}; "
                "or give a barlow.views.Recipe."
            )
        recipe = RECIPES[recipe] if isinstance(recipe, str) else recipe
        self.recipe = dataclasses.replace(recipe, **changes)
        self.size = None if size is None else (size[0], size[1])

    def call(self, images: Any) -> tuple[Any, Any]:
        """Two views of each image.

        Args:
            images: Shape ``[batch, height, width, channels]``, values 0 .. 255, any dtype.

        Returns:
            Two tensors of shape ``[batch, *size, channels]``, values 0 .. 255, float32.
        """
        if len(images.shape) != 4 or None in images.shape[1:]:
            raise InvalidInput(
                "Images must have the shape [batch, height, width, channels], all but the batch "
                "known; grey images have one channel. "
                f"Received: shape {tuple(images.shape)}."
            )
        # One call for all draws: in PyTorch a call takes as long as a thousand of them.
        draws = self.uniform((ops.shape(images)[0], 2, _count_draws(self.recipe)))
        shape, _ = self.compute_output_shape(images.shape)
        if backend.maps_memory_anew() and 8 * math.prod(shape[1:]) > _LARGE:
            views = self._views_by_pieces(images, draws)
        elif self.recipe.turns:  # XLA gathers points more slowly than TensorFlow
            views = self._views(images, draws)
        else:
            views = backend.compiled(self._views)(images, draws)
        if self.recipe.noise:
            deviations = 255.0 * self.recipe.noise * draws[:, :, -1]
            views = tuple(self._noisy(view, deviations[:, i]) for i, view in enumerate(views))
        return views

    def _views(self, images: Any, draws: Any) -> tuple[Any, Any]:
        """Two views of each image, with all that happens to them but for noise."""
        recipe, draw = self.recipe, _Draws(draws)
        views = _resample(ops.cast(images, "float32"), self.size, recipe, draw)
        if recipe.changes_colour:
            views = _jitter(views, recipe, draw)
        views = ops.clip(views, 0.0, 255.0)  # bicubic weights and colours leave the range
        if np.any(recipe.solarize):
            views = solarize(views, draw.chance(recipe.solarize))
        if np.any(recipe.erase):
            views = _erase(views, recipe, draw)
        views = ops.transpose(views, (0, 1, 4, 2, 3))
        return views[:, 0], views[:, 1]

    def _views_by_pieces(self, images: Any, draws: Any) -> tuple[Any, Any]:
        """The same, of two images at a time where the batch is even."""
        piece = 1 if len(images) % 2 else 2
        pieces = [ops.reshape(each, (-1, piece, *each.shape[1:])) for each in (images, draws)]
        views = ops.map(lambda each: self._views(*each), tuple(pieces))
        return tuple(ops.reshape(view, (-1, *view.shape[2:])) for view in views)

    def _noisy(self, view: Any, deviation: Any) -> Any:
        noise = keras.random.normal(ops.shape(view), seed=self.seed_generator)
        return ops.clip(view + deviation[:, None, None, None] * noise, 0.0, 255.0)

    def check(self, images: Any) -> None:
        """Refuse images of which the values are not 0 .. 255, which would learn next to nothing.

        :meth:`barlow.BarlowTwins.fit` asks this of its first images.

        Args:
            images: Array or tensor, values of any shape.

        Raises:
            ValueError: If values are below 0, above 255, or not numbers, or if all are within
                0 .. 1, where next to 255 they would be black.

        Example:
            >>> barlow.views.ImageViews("photos").check(np.full((2, 8, 8, 3), 128))
        """
        values = ops.convert_to_numpy(images)  # also from a GPU
        low, high = values.min(), values.max()
        if not (low >= 0 and high <= 255):  # also where either is not a number
            mend = "Rescale them, without subtracting a mean: the encoder does what it needs."
        elif values.dtype.kind == "f" and 0 < high <= 1:
            mend = "Multiply them by 255."
        else:
            return
        raise InvalidInput(
            f"Images must have values from 0 to 255. Received: values from {low} to {high}. {mend}"
        )

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[Any, Any]:
        """Shapes of the two views."""
        batch, *size, channels = input_shape
        shape = (batch, *(self.size or size), channels)
        return shape, shape

    def get_config(self) -> dict[str, Any]:
        """Configuration from which an equal layer is made."""
        return {
            **super().get_config(),
            "recipe": dataclasses.asdict(self.recipe),
            "size": self.size,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ImageViews":
        """Layer from the output of :meth:`get_config`."""
        return cls(**{**config, "recipe": Recipe(**config["recipe"])})


def _count_draws(recipe: Recipe) -> int:
    """How many random values a view takes: XLA draws them one after the other."""
    geometry = 5 + 2 * bool(recipe.shift) + 2 * bool(np.any(recipe.blur)) + 2 * recipe.turns
    colour = 6 * recipe.changes_colour + bool(np.any(recipe.solarize))
    return geometry + colour + 5 * bool(np.any(recipe.erase)) + bool(recipe.noise)


class _Draws:
    """Random values for every image and view, shape ``[batch, 2]``, out of uniform ones."""

    def __init__(self, unit: Any):
        self._unit = iter(ops.unstack(unit, unit.shape[-1], axis=-1))

    def uniform(self, low: Any = 0.0, high: Any = 1.0) -> Any:
        return low + (high - low) * next(self._unit)

    def chance(self, probability: Probability) -> Any:
        """True with this probability, which may be a pair: one for each view."""
        return next(self._unit) < ops.convert_to_tensor(probability, "float32")


def _resample(images: Any, size: tuple[int, int] | None, recipe: Recipe, draw: _Draws) -> Any:
    """Crop, zoom, flip, rotate, shear and blur; ``[batch, 2, width, channels, height]``."""
    height, width, channels = images.shape[1:]
    new_height, new_width = size or (height, width)
    part_height, part_width = _draw_part(recipe, draw)
    # Anywhere inside the image; where the part is larger, with the image anywhere inside it.
    free_y, free_x = 1.0 - part_height, 1.0 - part_width
    centre_y = 0.5 + draw.uniform(-0.5, 0.5) * free_y
    centre_x = 0.5 + draw.uniform(-0.5, 0.5) * free_x
    if recipe.shift:
        centre_y += draw.uniform(-recipe.shift, recipe.shift)
        centre_x += draw.uniform(-recipe.shift, recipe.shift)
    # In pixels of the image: the middle, and from a pixel of the view to the next.
    middle_y, middle_x = height * centre_y, width * centre_x
    step_y, step_x = height / new_height * part_height, width / new_width * part_width
    direction = ops.where(draw.chance(recipe.flip), -1.0, 1.0)
    largest_y, largest_x = (
        recipe.largest_side * old / new for old, new in ((height, new_height), (width, new_width))
    )
    sigma, largest_sigma = None, recipe.blur_sigma[1]
    if np.any(recipe.blur):
        sigma = ops.where(draw.chance(recipe.blur), draw.uniform(*recipe.blur_sigma), _NO_BLUR)
    how = recipe.interpolation
    if not recipe.turns:
        blur = (sigma, largest_sigma)
        return resample_axes(
            images,
            axis_weights(middle_y, step_y, new_height, height, how, largest_y, *blur),
            axis_weights(middle_x, direction * step_x, new_width, width, how, largest_x, *blur),
        )
    rotation, shear = (
        draw.uniform(-math.radians(reach), math.radians(reach))[..., None]
        for reach in (recipe.rotation, recipe.shear)
    )
    step_y, step_x = step_y[..., None], step_x[..., None]
    down = step_y * (ops.arange(new_height, dtype="float32") - (new_height - 1) / 2)
    across = step_x * (ops.arange(new_width, dtype="float32") - (new_width - 1) / 2)
    # All pairs of a row and a column of the view, row by row: [batch, 2, points].
    down = ops.repeat(down, new_width, axis=-1)
    across = ops.tile(direction[..., None] * across, (1, 1, new_height)) + ops.tan(shear) * down
    values = resample_points(
        images,
        middle_y[..., None] + ops.sin(rotation) * across + ops.cos(rotation) * down,
        middle_x[..., None] + ops.cos(rotation) * across - ops.sin(rotation) * down,
        step_y,
        step_x,
        max(largest_y, largest_x),
        how,
    )
    views = ops.reshape(values, (-1, 2, new_height, new_width, channels))
    if sigma is None:
        return ops.transpose(views, (0, 1, 3, 4, 2))
    # Points in the middles of the pixels, of which each is its own image, take them as they are.
    one = ops.ones_like(sigma[:, :1])
    blurred = []
    for view in (0, 1):
        blur = (sigma[:, view : view + 1], largest_sigma)
        rows, columns = (
            axis_weights(size / 2 * one, one, size, size, "bilinear", 1.0, *blur)
            for size in (new_height, new_width)
        )
        blurred.append(resample_axes(views[:, view], rows, columns))
    return ops.concatenate(blurred, axis=1)


def _draw_part(recipe: Recipe, draw: _Draws) -> tuple[Any, Any]:
    """Height and width of the part that a view shows, as fractions of the image's."""
    log_area = ops.log(draw.uniform(*recipe.scale))
    # A part smaller than the image fits into it, a larger one holds it, whatever its ratio.
    limit = ops.abs(log_area)
    low, high = (ops.maximum(ops.minimum(limit, math.log(ratio)), -limit) for ratio in recipe.ratio)
    log_ratio = draw.uniform(low, high)
    return ops.exp(0.5 * (log_area - log_ratio)), ops.exp(0.5 * (log_area + log_ratio))


def _jitter(views: Any, recipe: Recipe, draw: _Draws) -> Any:
    """Brightness, contrast, saturation, hue and grey."""
    jittered = draw.chance(recipe.jitter)
    brightness, contrast, saturation = (
        ops.where(jittered, draw.uniform(1.0 - reach, 1.0 + reach), 1.0)
        for reach in (recipe.brightness, recipe.contrast, recipe.saturation)
    )
    hue = ops.where(jittered, draw.uniform(-recipe.hue, recipe.hue), 0.0)
    saturation = ops.where(draw.chance(recipe.grey), 0.0, saturation)
    return change_colours(views, brightness, contrast, saturation, hue)


def _erase(views: Any, recipe: Recipe, draw: _Draws) -> Any:
    """A rectangle takes the mean colour of the view."""
    log_area = ops.log(draw.uniform(*recipe.erase_scale))
    limit = ops.minimum(ops.abs(log_area), math.log(_ERASE_RATIO))
    log_ratio = draw.uniform(-limit, limit)

    def within(size: int, part: Any) -> Any:
        """Which of the pixels of an axis are in the rectangle, shape ``[batch, 2, size]``."""
        start = (draw.uniform() * (1.0 - part))[..., None]
        middles = (ops.arange(size, dtype="float32") + 0.5) / size
        return (start < middles) & (middles < start + part[..., None])

    rows = within(views.shape[4], ops.exp(0.5 * (log_area - log_ratio)))[:, :, None, None, :]
    columns = within(views.shape[2], ops.exp(0.5 * (log_area + log_ratio)))[:, :, :, None, None]
    chosen = draw.chance(recipe.erase)[..., None, None, None]
    mean = ops.mean(views, axis=(2, 4), keepdims=True)
    return ops.where(chosen & rows & columns, mean, views)
