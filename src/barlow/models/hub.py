"""Image networks of KerasHub as encoders, with the weights that they come with."""

import importlib
from typing import Any

import keras
from keras import layers

from barlow import errors
from barlow.errors import InvalidInput, reason
from barlow.models.preprocessing import found_in, prepared
from barlow.paths import as_path

PREFIX = "hub:"
"""Begins the name of an encoder of KerasHub; its preset follows."""

# By the axes of what a backbone gives: positions, tokens, or features alone.
_POOLING = {4: layers.GlobalAveragePooling2D, 3: layers.GlobalAveragePooling1D, 2: layers.Identity}


def hub(name: str, image_shape: tuple[int, ...]) -> keras.Model:
    """Backbone of a KerasHub preset, with its preprocessing, and its output as one vector.

    Args:
        name: ``"hub:PRESET"``: a name of KerasHub, such as ``resnet_18_imagenet``, a handle of
            Kaggle or Hugging Face, or the path of a folder.
        image_shape: ``(height, width, channels)`` of the images, with 1 or 3 channels.

    Returns:
        A model from images with values 0 .. 255 to ``[batch, features]``: means over positions or
        tokens. Where the backbone takes images of one size only, it is that size.

    Raises:
        InvalidInput: If the preset cannot be loaded, or is none for images.
        MissingPackage: If KerasHub is not installed.
    """
    library, preset = keras_hub(), name.removeprefix(PREFIX)
    preset = str(as_path(preset)) if as_path(preset).is_dir() else preset
    try:
        policy = keras.config.dtype_policy().name
        backbone = library.models.Backbone.from_preset(preset, dtype=policy)
        converter = library.layers.ImageConverter.from_preset(preset, dtype="float32")
    except Exception as error:  # of the network, the file system or the preset
        raise InvalidInput(
            f"KerasHub could not load the encoder {name}. {reason(error)}. Give hub: and the name "
            "of a preset for images, or the path of its folder, with its image_converter.json."
        ) from error
    converter.image_size = None  # images have the size of the training
    return _encoder(name, backbone, converter, image_shape)


def keras_hub() -> Any:
    """KerasHub, which registers its layers with Keras.

    Raises:
        MissingPackage: If it is not installed.
    """
    with errors.extra("hub", "An encoder of KerasHub"):
        return importlib.import_module("keras_hub")  # which takes seconds


def _encoder(name: str, backbone: Any, converter: Any, image_shape: tuple[int, ...]) -> keras.Model:
    shapes = [
        [tuple(each.shape) for each in keras.tree.flatten(ends)]
        for ends in (backbone.input, backbone.output)
    ]
    axes = [len(shape) for ends in shapes for shape in ends]
    if len(axes) != 2 or axes[0] != 4 or axes[1] not in _POOLING or image_shape[-1] not in (1, 3):
        raise InvalidInput(
            f"The encoder {name} must take images of 1 or 3 channels alone, and give one array of "
            f"features. Received: inputs {shapes[0]}, outputs {shapes[1]}, and images of shape "
            f"{tuple(image_shape)}."
        )
    size = [own or given for own, given in zip(shapes[0][0][1:3], image_shape, strict=False)]
    images = keras.Input((*size, image_shape[-1]), name="images")
    how = found_in(lambda colours: keras.ops.convert_to_numpy(converter(colours)))
    # Some take a dictionary of one.
    features = backbone(keras.tree.pack_sequence_as(backbone.input, [prepared(images, how)]))
    return keras.Model(images, _POOLING[axes[1]]()(features), name="hub")
