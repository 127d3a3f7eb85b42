"""ResNet-18, 34 and 50 (He et al., 2016, "Deep residual learning for image recognition").

The stride of a bottleneck is in its 3 x 3 convolution, as in all later implementations. Small
images would end with 2 x 2 positions: for them the first convolution is 3 x 3 without stride or
pooling, as usual on CIFAR.
"""

import keras
from keras import layers

from barlow import pixels

# Blocks of each of the four stages, and whether a block is a bottleneck.
_DEPTHS = {18: ((2, 2, 2, 2), False), 34: ((3, 4, 6, 3), False), 50: ((3, 4, 6, 3), True)}


def resnet(image_shape: tuple[int, ...], depth: int) -> keras.Model:
    """ResNet without its classifier; 512 features, or 2,048 at depth 50.

    Args:
        image_shape: ``(height, width, channels)`` of the images.
        depth: 18, 34 or 50.

    Returns:
        A model from images with values 0 .. 255 to ``[batch, features]``.
    """
    stages, bottleneck = _DEPTHS[depth]
    inputs = keras.Input(image_shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    if pixels.is_small(image_shape):
        x = _normalized(x, 64, 3)
    else:
        x = _normalized(x, 64, 7, strides=2)
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    for stage, blocks in enumerate(stages):
        for block in range(blocks):
            strides = 2 if stage > 0 and block == 0 else 1
            x = _block(x, 64 * 2**stage, strides, bottleneck)
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x), name=f"resnet{depth}")


def _block(x: keras.KerasTensor, filters: int, strides: int, bottleneck: bool) -> keras.KerasTensor:
    if bottleneck:
        y = _normalized(x, filters, 1)
        y = _normalized(y, filters, 3, strides)
        y = _normalized(y, 4 * filters, 1, activation=False)
    else:
        y = _normalized(x, filters, 3, strides)
        y = _normalized(y, filters, 3, activation=False)
    if x.shape[1:] != y.shape[1:]:
        x = _normalized(x, y.shape[-1], 1, strides, activation=False)
    return layers.ReLU()(layers.Add()([x, y]))


def _normalized(
    x: keras.KerasTensor, filters: int, size: int, strides: int = 1, activation: bool = True
) -> keras.KerasTensor:
    """Convolution with batch normalisation, and ReLU unless a residual is added after it."""
    x = layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
    )(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x) if activation else x
