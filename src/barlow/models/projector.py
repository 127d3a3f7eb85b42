"""The projector between an encoder and the loss."""

import operator
from collections.abc import Sequence

import keras
from keras import layers

from barlow import backend
from barlow.errors import InvalidInput


def projector(
    features: int, widths: Sequence[int] = (512, 512), name: str = "projector"
) -> keras.Model:
    """Projector of Barlow Twins: layers with batch normalisation and ReLU, then a linear one.

    The paper takes widths ``(8192, 8192, 8192)`` (Zbontar et al., 2021, section 2.2).

    Args:
        features: Number of features of the encoder's output.
        widths: Width of each layer; the last one is the number of features of the embeddings.
            Defaults to ``(512, 512)``.
        name: Name of the model. Defaults to ``"projector"``.

    Returns:
        A model from ``[batch, features]`` to ``[batch, widths[-1]]``.

    Raises:
        ValueError: If ``widths`` is empty or not all positive integers.

    Example:
        >>> barlow.models.projector(128, (512, 256)).output_shape
        (None, 256)
    """
    given = widths
    try:
        widths = [operator.index(width) for width in widths]  # NumPy's integers, too
    except TypeError:
        widths = []
    if not widths or min(widths) < 1:
        raise InvalidInput(f"`widths` must be positive integers. Received: widths={given}.")
    with backend.keras_defaults():
        inputs = x = keras.Input((features,), name="features")
        for width in widths[:-1]:
            x = layers.Dense(width, use_bias=False)(x)
            x = layers.BatchNormalization()(x)
            x = layers.ReLU()(x)
        # The loss subtracts the mean of every feature: a bias would have no effect.
        outputs = layers.Dense(widths[-1], use_bias=False)(x)
        return keras.Model(inputs, outputs, name=name)
