"""`conv`: a plain convolutional network for small images."""

import keras
from keras import layers

_TINY = 16  # pixels; a smaller image is not halved at once


def conv(image_shape: tuple[int, ...]) -> keras.Model:
    """Plain convolutional network for images of 8 to 64 pixels.

    It has 1,024 features, 256 of each quarter of the image: positions matter in small images.
    Images below 16 pixels have 128 features of the whole image.

    Args:
        image_shape: ``(height, width, channels)`` of the images.

    Returns:
        A model from images with values 0 .. 255 to ``[batch, features]``.
    """
    inputs = keras.Input(image_shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    if min(image_shape[:2]) < _TINY:
        for filters, strides in ((32, 1), (64, 2), (128, 2)):
            x = _convolution(x, filters, strides=strides)
        return keras.Model(inputs, layers.GlobalAveragePooling2D()(x), name="conv")
    x = _convolution(x, 64, size=5, strides=2)  # full resolution takes most of the time
    x = _convolution(x, 128, strides=2)
    x = _convolution(x, 256, strides=2)
    while min(x.shape[1:3]) > 4:  # larger images need more steps to see all of an object
        x = _convolution(x, 256, strides=2)
    return keras.Model(inputs, layers.Flatten()(_quarters(x)), name="conv")


def _convolution(
    x: keras.KerasTensor, filters: int, size: int = 3, strides: int = 1
) -> keras.KerasTensor:
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def _quarters(x: keras.KerasTensor) -> keras.KerasTensor:
    """Means of four quarters, which overlap where a side is odd."""
    height, width = x.shape[1:3]
    strides = height // 2, width // 2
    return layers.AveragePooling2D((height - strides[0], width - strides[1]), strides)(x)
