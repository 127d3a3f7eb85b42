"""Weights that an encoder starts from in place of random ones."""

import pathlib
import warnings
import zipfile
from typing import Any

import h5py
import keras
import numpy as np
from numpy.typing import NDArray

from barlow.errors import InvalidInput, did_you_mean, reason
from barlow.models.applications import APPLICATIONS, imagenet
from barlow.paths import as_path

IMAGENET = "imagenet"
"""Keras' own weights of a network of ``keras.applications``."""

_FILES = (".keras", ".h5")


def check(weights: str, name: str) -> None:
    """Refuse weights that an encoder of this name cannot have, without reading them.

    Raises:
        InvalidInput: If they are neither ``"imagenet"``, for a network of ``keras.applications``,
            nor the path of a file of weights.
    """
    if weights == IMAGENET:
        if name not in APPLICATIONS:
            raise InvalidInput(
                f"Weights for ImageNet are there for the {len(APPLICATIONS)} networks of "
                "keras.applications, such as MobileNetV2; `barlow encoders` lists them. Received: "
                f"the encoder {name!r}. Choose one of these, or give the path of a file of weights."
            )
    elif not weights.endswith(_FILES):
        raise InvalidInput(
            f"`weights` must be {IMAGENET!r}, for a network of keras.applications, or the path of "
            f"a file of weights: .weights.h5, .h5 of keras.applications, or .keras, such as the "
            f"encoder.keras of a run. Received: {weights!r}.{did_you_mean(weights, [IMAGENET])}"
        )
    elif not as_path(weights).is_file():
        raise InvalidInput(f"There is no file of weights at {weights}.")


def image_shape(file: str) -> tuple[int | None, ...]:
    """``(height, width, channels)`` of the images of an encoder in a ``.keras`` file.

    Args:
        file: Its path; whether it can be read, is said when its weights are taken.

    Returns:
        ``None`` in the place of what is open; ``()`` if it cannot be read.
    """
    try:
        return tuple(load(as_path(file)).input_shape[1:])
    except Exception:  # whatever a damaged file leads Keras to
        return ()


def load(path: pathlib.Path) -> keras.Model:
    """The model in a ``.keras`` file; how it was compiled plays no part.

    Raises:
        InvalidInput: If it is none, or not whole: Keras says that there is no such file.
    """
    if path.is_file() and not zipfile.is_zipfile(path):
        raise InvalidInput(f"This is no .keras file, or only a part of one: {path}")
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # of whatever a damaged file, or an unknown layer, leads Keras to
        if not path.is_file():
            raise
        raise InvalidInput(
            f"Keras cannot read {path}: {reason(error).rstrip('.')}. The file must be whole, and "
            "its layers those of Keras, of barlow, or registered by a module that is imported."
        ) from error


def check_is_encoder(model: keras.Model, source: object) -> keras.Model:
    """The model, if it has one input, as encoders have.

    Args:
        model: As it was loaded.
        source: Where it is from, for the message.

    Raises:
        InvalidInput: If it has not, as the whole model of a run.
    """
    if isinstance(getattr(model, "input_shape", None), tuple):
        return model
    raise InvalidInput(
        f"{source} holds no encoder, but a {type(model).__name__}. Take a model from images to "
        "vectors, such as the encoder.keras of a run."
    )


def take(encoder: keras.Model, weights: str, name: str) -> None:
    """Give an encoder its weights.

    Args:
        encoder: What :func:`barlow.models.encoder` makes of the name.
        weights: As checked by :func:`check`.
        name: Name of the encoder.

    Raises:
        InvalidInput: If they cannot be read, or are those of another network.
    """
    if weights == IMAGENET:
        _set(encoder, imagenet(name, encoder.input_shape[1:]))
        return
    path, other = as_path(weights), None
    try:
        if weights.endswith(".keras"):
            other = load(path)
        else:
            _load(encoder, path)
    except Exception as error:  # of a damaged file, or one of another network
        why = reason(error).partition(" Example error")[0].rstrip(".")
        raise InvalidInput(
            f"The encoder {name} cannot take its weights from {weights}. {why}. The file must be "
            "whole, and its weights those of this network for as many channels."
        ) from error
    if other is not None:
        copy(encoder, check_is_encoder(other, weights), weights)


def copy(encoder: keras.Model, other: keras.Model, source: object) -> None:
    """Give an encoder the weights of another one.

    Args:
        encoder: Gets the weights.
        other: Has them.
        source: Where the other is from, for the message.

    Raises:
        InvalidInput: If their weights have different shapes.
    """
    given, expected = (
        [tuple(weight.shape) for weight in each.weights] for each in (other, encoder)
    )
    if given != expected:
        raise InvalidInput(
            f"The encoder of {source} does not fit: its {len(given)} weights and the "
            f"{len(expected)} of this encoder have different shapes. It takes images of shape "
            f"{other.input_shape[1:]}, this one {encoder.input_shape[1:]} (height, width, "
            "channels): choose the same encoder (--encoder) and images of the same size "
            "(--image-size) and colour (barlow.data.load(..., channels=...))."
        )
    check_finite(other, source)
    _set(encoder, other.get_weights())


def check_finite(model: keras.Model, source: object) -> None:
    """Refuse to start from weights that are no numbers.

    Args:
        model: Has the weights.
        source: Where it is from, for the message.

    Raises:
        InvalidInput: If any is NaN or Inf.
    """
    bad = _not_finite(model)
    if bad:
        raise InvalidInput(
            f"{len(bad)} weights of {source} hold NaN or Inf, the first {bad[0]}. Nothing can be "
            "learned from them: its own training has failed. Take another file."
        )


def _not_finite(model: keras.Model) -> list[str]:
    return [
        weight.path
        for weight, value in zip(model.weights, model.get_weights(), strict=True)
        if not np.isfinite(value).all()
    ]


def _set(encoder: keras.Model, values: list[NDArray[Any]]) -> None:
    encoder.set_weights(values)
    for layer in encoder._flatten_layers():  # Keras has no public list of all
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # it computes with values that it derives from its weights


def _load(encoder: keras.Model, path: pathlib.Path) -> None:
    """Load weights of a file, all of them."""
    encoder.set_weights([_unknown(weight) for weight in encoder.get_weights()])
    with warnings.catch_warnings():  # of what Keras leaves as it was, which is found below
        warnings.filterwarnings("ignore", "Skipping nested container")
        encoder.load_weights(path)
    surplus = _count(path) - len(encoder.weights) if path.name.endswith(".weights.h5") else 0
    if surplus > 0:
        warnings.warn(
            f"{surplus} weights of {path} are not of this network and have no part in it. That is "
            "right for the layers after an encoder, such as a classifier's.",
            stacklevel=2,
        )
    if missing := _not_finite(encoder):
        raise ValueError(
            f"{len(missing)} of its weights are missing or NaN or Inf, the first {missing[0]}"
        )


def _count(path: pathlib.Path) -> int:
    """Weights of layers in a file of Keras."""
    names: list[str] = []
    with h5py.File(path) as file:
        file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
    return sum("optimizer" not in name and "seed" not in name for name in names)


def _unknown(weight: NDArray[Any]) -> NDArray[Any]:
    return np.full_like(weight, np.nan) if weight.dtype.kind == "f" else weight
