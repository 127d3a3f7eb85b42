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
from keras import layers, ops
from numpy.typing import ArrayLike, NDArray

from barlow.errors import InvalidInput, reason

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
    prepared = preprocessed(inputs, name)
    try:
        network = _make(name, prepared.shape[1:], None, input_tensor=prepared)
    except Exception as error:  # of whichever layer finds no pixels left
        raise InvalidInput(
            f"The encoder {name} does not take images of shape {tuple(image_shape)} (height, "
            f"width, channels). Keras says: {type(error).__name__}: {error}"
        ) from error
    if _home(name).endswith(".efficientnet") and prepared.shape[-1] == 3:
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
    channels = images.shape[-1]
    flips, mean, deviation = _preprocessing(name)
    within = not flips and (mean == 0).all() and (deviation == 1).all()  # the network does it
    if channels not in (1, 3):
        none = within and not name.startswith("ConvNeXt")  # which does it for 3 channels alone
        return images if none else layers.Rescaling(1 / 127.5, offset=-1)(images)
    prepared: Any = layers.Concatenate()([images] * 3) if channels == 1 else images
    if within:
        return prepared
    if flips:
        prepared = ops.flip(prepared, axis=-1)
    return _normalized(prepared, mean, deviation)


def _make(name: str, image_shape: Any, weights: str | None, **rest: Any) -> keras.Model:
    make = getattr(keras.applications, name)
    return make(
        include_top=False, weights=weights, input_shape=tuple(image_shape), pooling="avg", **rest
    )


def _home(name: str) -> str:
    """The module of a network."""
    return getattr(keras.applications, name).__module__


def _preprocessing(name: str) -> tuple[bool, NDArray[np.float64], NDArray[np.float64]]:
    """What ``preprocess_input`` computes of a pixel ``[3]``: ``(pixel - mean) / deviation``.

    Black and the three colours show it.

    Returns:
        Whether the channels are flipped first; mean and deviation.
    """
    colours = np.vstack([np.zeros(3), 255 * np.eye(3)])[None, None]
    found = sys.modules[_home(name)].preprocess_input(colours, data_format="channels_last")[0, 0]
    offset, matrix = found[0], (found[1:] - found[0]) / 255
    scale = matrix.sum(0)  # of each output, which has one input
    return bool(matrix[0, 0] == 0), -offset / scale, 1 / scale


def _normalized(x: Any, mean: ArrayLike, deviation: ArrayLike) -> Any:
    # Not Rescaling: which axis its scales are for depends on a global setting.
    return layers.Normalization(axis=-1, mean=mean, variance=np.square(deviation))(x)


def _call_of_efficientnet(layer: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    """Call a layer of an EfficientNet, and rescale what is normalised.

    The variances in Keras' weights are deviations. Keras makes good for that in the network, but
    only if it loads them itself, and not from a path (tensorflow/tensorflow issue 49930).
    """
    outputs = layer(*inputs, **options)
    if not isinstance(layer, layers.Normalization):
        return outputs
    deviations = sys.modules[_home("EfficientNetB0")].IMAGENET_STDDEV_RGB
    return _normalized(outputs, np.zeros(3), np.sqrt(deviations))
