"""A vision transformer (Dosovitskiy et al., 2021, "An image is worth 16x16 words").

It has no class token: the features are the mean over the patches. Positions are fixed sines and
cosines along both axes, as in other self-supervised transformers (Chen et al., 2021, MoCo v3).
"""

import keras
import numpy as np
from keras import layers, ops

from barlow import pixels
from barlow.backend import Tensor
from barlow.errors import InvalidInput
from barlow.resizing import OTHER_SIZE


def vision_transformer(
    image_shape: tuple[int, ...], width: int, depth: int, heads: int
) -> keras.Model:
    """Vision transformer with patches of 16 pixels, or of 4 if the images are small.

    Args:
        image_shape: ``(height, width, channels)`` of the images; multiples of the patch.
        width: Length of a patch's vector and number of features, a multiple of 4 and of ``heads``.
        depth: Number of blocks.
        heads: Number of heads of the attention.

    Returns:
        A model from images with values 0 .. 255 to ``[batch, width]``.

    Raises:
        ValueError: If height or width of the images is not a multiple of the patch.
    """
    patch = 4 if pixels.is_small(image_shape) else 16
    if any(size % patch for size in image_shape[:2]):
        raise InvalidInput(
            f"Height and width of the images must be multiples of {patch} for this encoder. "
            f"Received: images of shape {tuple(image_shape)}. {OTHER_SIZE}"
        )
    inputs = keras.Input(image_shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.Conv2D(width, patch, strides=patch, name="patches")(x)
    x = PositionEncoding()(x)
    x = layers.Reshape((-1, width))(x)
    for _ in range(depth):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        x = layers.Add()([x, layers.MultiHeadAttention(heads, width // heads)(y, y)])
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        y = layers.Dense(width)(layers.Dense(4 * width, activation="gelu")(y))
        x = layers.Add()([x, y])
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    return keras.Model(inputs, layers.GlobalAveragePooling1D()(x), name="vision_transformer")


@keras.saving.register_keras_serializable(package="barlow")
class PositionEncoding(layers.Layer):
    """Adds sines and cosines of the row and the column, of wavelengths 2 pi to 20,000 pi patches.

    From and to ``[batch, height, width, features]``, features a multiple of 4.
    """

    def call(self, patches: Tensor) -> Tensor:
        """The patches with their positions added."""
        height, width, features = patches.shape[1:]
        frequency = 1e-4 ** (np.arange(features // 4) / (features // 4))
        rows, columns = (np.outer(np.arange(size), frequency) for size in (height, width))
        along_y, along_x = (
            np.concatenate([np.sin(angles), np.cos(angles)], axis=1) for angles in (rows, columns)
        )
        shape = (height, width, features // 2)
        encoding = np.concatenate(
            [
                np.broadcast_to(along_y[:, None], shape),
                np.broadcast_to(along_x[None, :], shape),
            ],
            axis=-1,
        )
        return patches + ops.convert_to_tensor(encoding, patches.dtype)
