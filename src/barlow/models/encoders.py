"""Encoders by name: networks of our own, those of ``keras.applications``, and the user's."""

import functools
import importlib
import pathlib
from collections.abc import Callable

import keras
from keras import layers

from barlow.errors import InvalidInput
from barlow.models.resnet import resnet
from barlow.models.vision_transformer import vision_transformer

ImageShape = tuple[int, ...]
"""Height, width and channels."""

_TINY = 16  # pixels, below which an image has none to spare


def conv(image_shape: ImageShape) -> keras.Model:
    """Plain convolutional network for images of 8 to 64 pixels.

    1,024 features, 256 of each quarter of the image: where something is counts in small images.
    For images below 16 pixels, which it does not reduce at once, 128 features of the whole.

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
    x = _convolution(x, 64, size=5, strides=2)  # most of the time goes where images are large
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


ENCODERS: dict[str, Callable[[ImageShape], keras.Model]] = {
    "conv": conv,
    "resnet18": functools.partial(resnet, depth=18),
    "resnet34": functools.partial(resnet, depth=34),
    "resnet50": functools.partial(resnet, depth=50),
    "vit_tiny": functools.partial(vision_transformer, width=192, depth=12, heads=3),
    "vit_small": functools.partial(vision_transformer, width=384, depth=12, heads=6),
}
"""Networks of our own. A ViT is best trained with AdamW, as ``pretrain`` does."""

APPLICATIONS = tuple(
    name
    for name in dir(keras.applications)
    if name[0].isupper() and callable(getattr(keras.applications, name))
)
"""Networks of ``keras.applications``."""


def encoder(name: str, image_shape: ImageShape) -> keras.Model:
    """Encoder by name.

    Args:
        name: A key of ``ENCODERS``; one of ``APPLICATIONS``, with random weights; the path of a
            ``.keras`` file with a model of your own, whose weights are the start; or
            ``"module:function"``, a function of your own from ``image_shape`` to a model.
        image_shape: ``(height, width, channels)`` of the images.

    Returns:
        A model from images with values 0 .. 255, shape ``[batch, *image_shape]``, to one vector
        each. Those by name carry their own normalisation; your own should.

    Raises:
        ValueError: If there is no encoder of that name, or it does not take such images.

    Example:
        >>> barlow.models.encoder("conv", (8, 8, 1)).output_shape
        (None, 128)
        >>> barlow.models.encoder("resnet18", (32, 32, 3)).output_shape
        (None, 512)
        >>> barlow.models.encoder("MobileNetV2", (64, 64, 3)).output_shape
        (None, 1280)
    """
    model = find(name)(image_shape)
    if not isinstance(model, keras.Model):
        raise InvalidInput(f"{name} must give a keras.Model. Received: {model!r}.")
    expected = tuple(model.input_shape[1:])
    fits = len(expected) == len(image_shape) and all(
        size in (None, given) for size, given in zip(expected, image_shape, strict=True)
    )
    if not fits:
        raise InvalidInput(
            f"The encoder {name} takes images of shape {expected} (height, width, channels). "
            f"Received: images of shape {tuple(image_shape)}."
        )
    return model


def find(name: str) -> Callable[[ImageShape], keras.Model]:
    """What makes an encoder of this name, for a shape of images.

    Raises:
        ValueError: If there is no encoder of that name.
    """
    if name in ENCODERS:
        return ENCODERS[name]
    if name in APPLICATIONS:
        return functools.partial(_application, name)
    if name.endswith(".keras"):
        if not pathlib.Path(name).is_file():
            raise InvalidInput(f"There is no encoder at {name}.")
        return lambda _: keras.models.load_model(name)
    if ":" in name:
        return _function(name)
    raise InvalidInput(
        f"No encoder is called {name!r}. Known: {', '.join(ENCODERS)}; every network of "
        "keras.applications, such as EfficientNetV2B0; a .keras file; module:function."
    )


def _application(name: str, image_shape: ImageShape) -> keras.Model:
    """Network of ``keras.applications`` for images with values 0 .. 255."""
    make = getattr(keras.applications, name)
    network = make(include_top=False, weights=None, input_shape=image_shape, pooling="avg")
    if any(isinstance(layer, layers.Rescaling | layers.Normalization) for layer in _all(network)):
        return network
    inputs = keras.Input(image_shape, name="images")
    outputs = network(layers.Rescaling(1 / 127.5, offset=-1)(inputs))
    return keras.Model(inputs, outputs, name=name)


def _all(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers in a layer, at any depth."""
    within = getattr(layer, "layers", [])
    return [*within, *(deeper for each in within for deeper in _all(each))]


def _function(name: str) -> Callable[[ImageShape], keras.Model]:
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidInput(f"There is no encoder {name} (module:function): {error}.") from error
