"""Encoders by name, and the projector between an encoder and the loss."""

from collections.abc import Callable, Sequence

import keras
from keras import layers


def projector(
    features: int, widths: Sequence[int] = (512, 512), name: str = "projector"
) -> keras.Model:
    """Projector of Barlow Twins: hidden layers with batch normalisation and ReLU, then linear.

    The paper's has widths ``(8192, 8192, 8192)`` (Zbontar et al., 2021, section 2.2).

    Args:
        features: Number of features of the encoder's output.
        widths: Width of each layer; the last one is the number of features that the loss sees.
            Defaults to ``(512, 512)``.
        name: Name of the model. Defaults to ``"projector"``.

    Returns:
        A model from ``[batch, features]`` to ``[batch, widths[-1]]``.

    Raises:
        ValueError: If ``widths`` is empty or holds anything but positive integers.

    Example:
        >>> barlow.models.projector(128, (512, 256)).output_shape
        (None, 256)
    """
    if not widths or any(not isinstance(width, int) or width < 1 for width in widths):
        raise ValueError(f"`widths` must be positive integers. Received: widths={widths}.")
    inputs = x = keras.Input((features,), name="features")
    for width in widths[:-1]:
        x = layers.Dense(width, use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    # The loss subtracts the mean of every feature: a bias would have no effect.
    outputs = layers.Dense(widths[-1], use_bias=False)(x)
    return keras.Model(inputs, outputs, name=name)


def conv(image_shape: tuple[int, ...]) -> keras.Model:
    """Plain convolutional network for images of 8 to 64 pixels; 128 features.

    Args:
        image_shape: ``(height, width, channels)`` of the images.

    Returns:
        A model from images with values 0 .. 255 to ``[batch, 128]``.
    """
    inputs = keras.Input(image_shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = _convolution(x, filters=32)
    for filters in (64, 128):
        x = _convolution(x, filters, strides=2)
    while min(x.shape[1:3]) > 2:  # larger images need more steps to see all of an object
        x = _convolution(x, filters=128, strides=2)
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x), name="conv")


ENCODERS: dict[str, Callable[[tuple[int, ...]], keras.Model]] = {"conv": conv}


def encoder(name: str, image_shape: tuple[int, ...]) -> keras.Model:
    """Encoder by name.

    Args:
        name: A key of ``ENCODERS``.
        image_shape: ``(height, width, channels)`` of the images.

    Returns:
        A model from images with values 0 .. 255, shape ``[batch, *image_shape]``, to one vector
        each. It carries its own normalisation.

    Raises:
        ValueError: If there is no encoder of that name.

    Example:
        >>> barlow.models.encoder("conv", (8, 8, 1)).output_shape
        (None, 128)
    """
    if name not in ENCODERS:
        raise ValueError(f"No encoder is called {name!r}. Known: {', '.join(ENCODERS)}.")
    return ENCODERS[name](image_shape)


def _convolution(x: keras.KerasTensor, filters: int, strides: int = 1) -> keras.KerasTensor:
    x = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))
