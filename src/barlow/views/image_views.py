"""`ImageViews`: two random views of every image, as a Keras layer."""

import dataclasses
import math
import warnings
from typing import Any

import keras
import numpy as np
from keras import ops

from barlow import backend, pixels, resizing
from barlow.backend import Tensor
from barlow.errors import InvalidInput, did_you_mean
from barlow.views.colour import solarize
from barlow.views.recipe import RECIPES, Recipe
from barlow.views.seeded import SeededLayer
from barlow.views.steps import Draws, count_draws, erase, jitter, resample

_LARGE = 2**18  # bytes of both views of an image, above which a batch may go in pieces


@keras.saving.register_keras_serializable(package="barlow")
class ImageViews(SeededLayer):
    """Two random views of every image, drawn independently per image and view.

    A view is resampled in one step (crop, zoom, flip, rotation, shear, blur). Then its colours
    change in one step (brightness, contrast, saturation, hue, grey), and values are clipped to
    ``0 .. 255``. Solarize, erasing and noise follow. It runs inside the compiled training step, on
    the device, on every backend.

    Args:
        recipe: What may happen to an image: a :class:`Recipe`, or its name in ``RECIPES``.
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
                f"No recipe is called {recipe!r}.{did_you_mean(recipe, RECIPES)} Known: "
                f"{', '.join(RECIPES)}; or pass a barlow.views.Recipe."
            )
        recipe = RECIPES[recipe] if isinstance(recipe, str) else recipe
        self.recipe = dataclasses.replace(recipe, **changes)
        self.size = None if size is None else resizing.as_size(size, "size")

    def call(self, images: Tensor, training: bool | None = None) -> tuple[Tensor, Tensor]:
        """Two views of each image.

        Args:
            images: Shape ``[batch, height, width, channels]``, values 0 .. 255, any dtype.
            training: Whether the images of all replicas are one batch, for which values are drawn.

        Returns:
            Two tensors of shape ``[batch, *size, channels]``, values 0 .. 255, float32.
        """
        if len(images.shape) != 4 or None in images.shape[1:]:
            raise InvalidInput(
                "Images must have the shape [batch, height, width, channels], all but the batch "
                "known; grey images have one channel. "
                f"Received: shape {tuple(images.shape)}."
            )
        pixels.check_order(images.shape)
        # One call for all draws: in PyTorch a call takes as long as drawing a thousand values.
        share = self.share(images, training)
        draws = self.uniform(share, (2, count_draws(self.recipe)))
        shape, _ = self.compute_output_shape(images.shape)
        if backend.maps_memory_anew() and 8 * math.prod(shape[1:]) > _LARGE:
            views = self._views_by_pieces(images, draws)
        elif self.recipe.turns:  # XLA gathers points more slowly than TensorFlow
            views = self._views(images, draws)
        else:
            views = backend.compiled(self._views)(images, draws)
        if self.recipe.noise:
            deviations = 255.0 * self.recipe.noise * draws[:, :, -1]
            views = tuple(
                self._noisy(view, deviations[:, i], share) for i, view in enumerate(views)
            )
        return views

    def _views(self, images: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Two views of each image, without noise; ``draws`` has shape ``[batch, 2, draws]``."""
        recipe, draw = self.recipe, Draws(draws)
        views = resample(ops.cast(images, "float32"), self.size, recipe, draw)
        if recipe.changes_colour:
            views = jitter(views, recipe, draw)
        views = ops.clip(views, 0.0, 255.0)  # bicubic weights and colours exceed the range
        if np.any(recipe.solarize):
            views = solarize(views, draw.chance(recipe.solarize))
        if np.any(recipe.erase):
            views = erase(views, recipe, draw)
        views = ops.transpose(views, (0, 1, 4, 2, 3))
        return views[:, 0], views[:, 1]

    def _views_by_pieces(self, images: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """The same, two images at a time if the batch is even, else one."""
        piece = 1 if len(images) % 2 else 2
        pieces = [ops.reshape(each, (-1, piece, *each.shape[1:])) for each in (images, draws)]
        views = ops.map(lambda each: self._views(*each), tuple(pieces))
        return tuple(ops.reshape(view, (-1, *view.shape[2:])) for view in views)

    def _noisy(self, view: Tensor, deviation: Tensor, share: backend.Share) -> Tensor:
        noise = self.normal(share, view.shape[1:])
        return ops.clip(view + deviation[:, None, None, None] * noise, 0.0, 255.0)

    def check(self, images: Any, values_are_known: bool = False) -> None:
        """Refuse images with other values than 0 .. 255, from which nothing would be learned.

        :meth:`barlow.BarlowTwins.fit` calls this with its first images. It warns of images that
        are nearly black or nearly constant.

        Args:
            images: Array or tensor of any shape.
            values_are_known: Whether it is known that the values are 0 .. 255, however dark, as of
                image files. Defaults to False.

        Raises:
            ValueError: If the channels do not come last, or :func:`barlow.data.from_array` would
                refuse or change the values: fractions, more than 8 bits, 0 and 1. This sees a
                sample alone, so it cannot rescale them.

        Example:
            >>> images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3))
            >>> barlow.views.ImageViews("photos").check(images)
        """
        values = ops.convert_to_numpy(images)  # also from a GPU
        if values.dtype.kind == "V":  # bfloat16, which is no number to NumPy
            values = values.astype("float32")
        pixels.check_order(values.shape)
        scale = pixels.EIGHT_BITS
        if not values_are_known:
            scale = pixels.scale_for(pixels.range_of(values))
        if scale.changes:
            raise InvalidInput(
                "Images must have values from 0 to 255. Received: values from "
                f"{values.min()} to {values.max()}. Take barlow.data.from_array(images).pixels, "
                f"which scales them by {255 / scale.top:.6g}."
            )
        for doubt in pixels.doubts(values):
            warnings.warn(doubt, stacklevel=3)

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
