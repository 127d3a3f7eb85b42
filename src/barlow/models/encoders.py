"""Encoders by name: those of barlow, those of ``keras.applications``, and the user's.

How encoders are named is known here alone.
"""

import contextlib
import functools
import importlib
import pathlib
import sys
from collections.abc import Callable, Iterator

import keras

from barlow import backend
from barlow.errors import InvalidInput, did_you_mean, reason
from barlow.models import weights as starts
from barlow.models.applications import APPLICATIONS, application
from barlow.models.conv import conv
from barlow.models.hub import PREFIX, hub, keras_hub
from barlow.models.resnet import resnet
from barlow.models.vision_transformer import vision_transformer
from barlow.paths import as_path
from barlow.resizing import OTHER_CHANNELS, OTHER_SIZE

ImageShape = tuple[int, ...]
"""Height, width and channels."""

ENCODERS: dict[str, Callable[[ImageShape], keras.Model]] = {
    "conv": conv,
    "resnet18": functools.partial(resnet, depth=18),
    "resnet34": functools.partial(resnet, depth=34),
    "resnet50": functools.partial(resnet, depth=50),
    "vit_tiny": functools.partial(vision_transformer, width=192, depth=12, heads=3),
    "vit_small": functools.partial(vision_transformer, width=384, depth=12, heads=6),
}
"""Networks of barlow. A ViT is best trained with AdamW, as ``pretrain`` does."""


def encoder(name: str, image_shape: ImageShape, weights: str | None = None) -> keras.Model:
    """Encoder by name.

    Args:
        name: A key of ``ENCODERS``; one of ``APPLICATIONS``; the path of a ``.keras`` file with
            your own model, whose weights are the start; ``"module:function"``, your own function
            from ``image_shape`` to a model, the module being an installed one, or else a file in
            the working folder; or ``"hub:PRESET"``, a preset of KerasHub with its weights, see
            :func:`barlow.models.hub.hub`.
        image_shape: ``(height, width, channels)`` of the images.
        weights: Weights to start from: ``"imagenet"``, for ``APPLICATIONS``, which Keras downloads
            once; or the path of a file with those of the same network: ``.weights.h5``, an ``.h5``
            file of ``keras.applications`` without its top, or ``.keras``, such as the encoder of a
            run. Defaults to ``None``: random ones, or those of the ``.keras`` file or the preset.

    Returns:
        A model from images with values 0 .. 255, shape ``[batch, *image_shape]``, to vectors
        ``[batch, features]``. Those by name include their normalisation; your own should, too.

    Raises:
        ValueError: If there is no encoder of that name, if it does not take such images, if
            your own function raises an error, or if the weights are not there or do not fit.

    Example:
        >>> barlow.models.encoder("conv", (8, 8, 1)).output_shape
        (None, 128)
        >>> barlow.models.encoder("resnet18", (32, 32, 3)).output_shape
        (None, 512)
        >>> barlow.models.encoder("MobileNetV2", (64, 64, 3)).output_shape
        (None, 1280)
    """
    check_weights(name, weights)
    with backend.keras_defaults():
        model = find(name)(image_shape)
    if not isinstance(model, keras.Model):
        raise InvalidInput(f"The encoder {name} must be a keras.Model. Received: {model!r}.")
    features_of(model)  # refuses what is not built, too
    expected = tuple(starts.check_is_encoder(model, f"The encoder {name}").input_shape[1:])
    fits = len(expected) == len(image_shape) and all(
        size in (None, given) for size, given in zip(expected, image_shape, strict=True)
    )
    if not fits:
        of_images = len(expected) == len(image_shape) == 3
        same_colour = of_images and expected[2] in (None, image_shape[2])
        how = OTHER_SIZE if same_colour else OTHER_CHANNELS if of_images else ""
        raise InvalidInput(
            f"The encoder {name} takes images of shape {expected} (height, width, channels). "
            f"Received: images of shape {tuple(image_shape)}. {how}".rstrip()
        )
    if weights is not None:
        with backend.keras_defaults():
            starts.take(model, weights, name)
    return model


def find(name: str) -> Callable[[ImageShape], keras.Model]:
    """The function that makes an encoder of this name, for a shape of images.

    For ``"module:function"`` this imports the module, and with it the layers that it registers;
    for ``"hub:PRESET"`` KerasHub.

    Raises:
        MissingPackage: If KerasHub is needed and not installed.
        ValueError: If there is no encoder of that name.
    """
    if name in ENCODERS:
        return ENCODERS[name]
    if name in APPLICATIONS:
        return functools.partial(application, name)
    if is_file(name):
        if not as_path(name).is_file():
            raise InvalidInput(f"There is no encoder at {name}.")
        return lambda _: _loaded(name)
    if is_hub(name):
        keras_hub()
        return functools.partial(hub, name)
    if is_function(name):
        return _function(name)
    raise InvalidInput(
        f"No encoder is called {name!r}.{did_you_mean(name, [*ENCODERS, *APPLICATIONS])} Known: "
        f"{', '.join(ENCODERS)}; every network of keras.applications, such as EfficientNetV2B0; a "
        ".keras file; module:function; hub:PRESET."
    )


def check_weights(name: str, weights: str | None) -> None:
    """Refuse weights that the encoder of this name cannot have, without reading them.

    Args:
        name: Name of the encoder, see :func:`encoder`; or ``"auto"``, one that is recommended.
        weights: See :func:`encoder`.

    Raises:
        ValueError: If there is no such file, if it is no file of weights, or if the encoder has
            its own weights or none for ImageNet.
    """
    if weights is None:
        return
    if is_file(name) or is_hub(name):
        raise InvalidInput(
            f"The encoder {name} has its own weights. Received: the weights {weights}, too. To "
            "train its network from other weights, give the network by its name or as "
            "module:function."
        )
    starts.check(weights, name)


def is_file(name: str) -> bool:
    """Whether the name of an encoder is the path of a ``.keras`` file."""
    return name.endswith(".keras")


def is_hub(name: str) -> bool:
    """Whether the name of an encoder is ``hub:`` and a preset of KerasHub."""
    return name.startswith(PREFIX)


def is_function(name: str) -> bool:
    """Whether the name of an encoder is ``module:function``.

    Example:
        >>> barlow.models.is_function("ours:small"), barlow.models.is_function("C:/ours.keras")
        (True, False)
    """
    return ":" in name and not is_file(name) and not is_hub(name)


def is_transformer(name: str) -> bool:
    """Whether the name is that of a transformer. A user's own encoder may be one without it."""
    return getattr(ENCODERS.get(name), "func", None) is vision_transformer


def _loaded(path: str) -> keras.Model:
    try:
        model = starts.load(as_path(path))
    except Exception as error:  # of whatever a damaged file leads Keras to
        raise InvalidInput(f"Cannot load the encoder {path}. {reason(error)}") from error
    starts.check_finite(model, path)
    return starts.check_is_encoder(model, path)


def _function(name: str) -> Callable[[ImageShape], keras.Model]:
    module, _, function = name.partition(":")
    try:
        with _working_folder():
            make = getattr(importlib.import_module(module), function)
    except Exception as error:  # of the user's code
        raise InvalidInput(
            f"Cannot import the encoder {name} (module:function). {_in_words(error)}"
        ) from error

    def make_encoder(image_shape: ImageShape) -> keras.Model:
        try:
            with _working_folder():
                return make(image_shape)
        except Exception as error:  # of the user's code
            raise InvalidInput(
                f"The function of the encoder {name} raised an error for images of shape "
                f"{tuple(image_shape)}. {_in_words(error)}"
            ) from error

    return make_encoder


@contextlib.contextmanager
def _working_folder() -> Iterator[None]:
    """Imports that also find modules in the working folder, after all others.

    The folder is data, not code: a file among the images may have the name of any module.
    """
    folder = str(pathlib.Path.cwd())
    if folder in sys.path:
        yield
        return
    sys.path.append(folder)
    try:
        yield
    finally:
        if folder in sys.path:  # the user's code may have changed the list
            sys.path.remove(folder)


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def features_of(encoder: keras.Model) -> int:
    """Length of the encoder's vector of an input.

    Raises:
        InvalidInput: If its output is not known to be one vector per input.
    """
    outputs = getattr(encoder, "outputs", None)
    if not outputs:
        raise InvalidInput(
            "The shape of the encoder's output must be known beforehand. Make it a functional "
            "model, keras.Model(inputs, outputs), or a keras.Sequential that begins with a "
            f"keras.Input. Received: {encoder}."
        )
    shapes = [tuple(output.shape) for output in outputs]
    if len(shapes) != 1 or len(shapes[0]) != 2 or shapes[0][1] is None:
        raise InvalidInput(
            "The encoder must return one vector per input, shape [batch, features]; end it with a "
            "layer such as GlobalAveragePooling2D for images (in keras.applications: "
            "pooling='avg') or GlobalAveragePooling1D for signals. Received: an encoder with "
            f"output {', '.join(map(str, shapes))}."
        )
    return shapes[0][1]
