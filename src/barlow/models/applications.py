"""Networks of ``keras.applications`` as encoders, and Keras' weights for them.

Whatever its weights are, a network sees the values that it was published with: what its
``preprocess_input`` computes is part of the encoder, as layers of Keras.
"""

import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from barlow.errors import InvalidInput, reason
from barlow.models.preprocessing import found_in, normalized, prepared
from barlow.resizing import OTHER_SIZE

APPLICATIONS = tuple(
    name
    for name in dir(keras.applications)
    if name[0].isupper() and callable(getattr(keras.applications, name))
)
"""Networks of ``keras.applications``."""


def application(name: str, image_shape: tuple[int, ...]) -> keras.Model:
    """Network of ``keras.applications``, with random weights.

    Its layers with weights are those of Keras' network, in the same order: files of weights fit
    both.

    Args:
        name: One of ``APPLICATIONS``.
        image_shape: ``(height, width, channels)`` of the images. The channel of grey ones is
            repeated: the networks are made for three.

    Returns:
        A model from images with values 0 .. 255 to ``[batch, features]``.

    Raises:
        InvalidInput: If the network does not take such images.
    """
    inputs = keras.Input(image_shape, name="images")
    values = preprocessed(inputs, name)
    try:
        network = _make(name, values.shape[1:], None, input_tensor=values)
    except Exception as error:  # of whichever layer finds no pixels left
        raise InvalidInput(
            f"The encoder {name} does not take images of shape {tuple(image_shape)} (height, "
            f"width, channels). {OTHER_SIZE} Keras says: {type(error).__name__}: {error}"
        ) from error
    if _home(name).endswith(".efficientnet") and values.shape[-1] == 3:
        network = keras.models.clone_model(network, call_function=_call_of_efficientnet)
    return keras.Model(network.inputs[0], network.outputs[0], name=name)


def imagenet(name: str, image_shape: tuple[int, ...]) -> list[NDArray[Any]]:
    """Keras' weights for ImageNet, in the order of :func:`application`.

    Keras downloads them once, checks the file and keeps it.

    Args:
        name: One of ``APPLICATIONS``.
        image_shape: ``(height, width, channels)`` of the images.

    Raises:
        InvalidInput: If the images have neither 1 nor 3 channels, or if Keras cannot load them.
    """
    height, width, channels = image_shape
    if channels not in (1, 3):
        raise InvalidInput(
            "Weights for ImageNet are for images of 3 channels, or grey ones of 1. Received: "
            f"images of shape {tuple(image_shape)} (height, width, channels)."
        )
    try:
        with warnings.catch_warnings():  # that they are of another size, as is known
            warnings.filterwarnings("ignore", "`input_shape` is undefined or non-square")
            return _make(name, (height, width, 3), "imagenet").get_weights()
    except Exception as error:  # of the network, the file system or the file
        folder = os.path.join(os.environ.get("KERAS_HOME", "~/.keras"), "models")  # noqa: PTH118
        raise InvalidInput(
            f"Keras could not load its weights of {name} for ImageNet. {reason(error)}. It looks "
            f"for them in {folder} (set by KERAS_HOME), and downloads them if they are not there. "
            "Without a network put the file there, or give its path (--weights PATH, "
            "Settings(weights=PATH))."
        ) from error


def preprocessed(images: keras.KerasTensor, name: str) -> Any:
    """Images as the network takes them: what the ``preprocess_input`` of its module computes.

    Args:
        images: Values 0 .. 255, shape ``[batch, height, width, channels]``.
        name: One of ``APPLICATIONS``.

    Returns:
        Shape ``[batch, height, width, 3]``, or with as many channels as the images have if these
        are neither 1 nor 3; their values are then -1 .. 1.
    """
    preprocess_input = sys.modules[_home(name)].preprocess_input
    how = found_in(lambda colours: preprocess_input(colours, data_format="channels_last"))
    if images.shape[-1] in (1, 3):
        return prepared(images, how)
    within = not how.changes and not name.startswith("ConvNeXt")  # which does it for 3 alone
    return images if within else layers.Rescaling(1 / 127.5, offset=-1)(images)


def _make(name: str, image_shape: Any, weights: str | None, **rest: Any) -> keras.Model:
    make = getattr(keras.applications, name)
    return make(
        include_top=False, weights=weights, input_shape=tuple(image_shape), pooling="avg", **rest
    )


def _home(name: str) -> str:
    """The module of a network."""
    return getattr(keras.applications, name).__module__


def _call_of_efficientnet(layer: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    """Call a layer of an EfficientNet, and rescale what is normalised.

    The variances in Keras' weights are deviations. Keras makes good for that in the network, but
    only if it loads them itself, and not from a path (tensorflow/tensorflow issue 49930).
    """
    outputs = layer(*inputs, **options)
    if not isinstance(layer, layers.Normalization):
        return outputs
    deviations = sys.modules[_home("EfficientNetB0")].IMAGENET_STDDEV_RGB
    return normalized(outputs, np.zeros(3), np.sqrt(deviations))
