"""A classifier as one Keras model: images in, probabilities out, of layers of Keras alone.

images -> encoder -> Dense "space" -> unit length -> Dense "anchors" -> softmax
                  |                                  -> Dense "anchor_labels" -> log    (graph)
                  -> Dense "linear" -> log-softmax                                     (linear)
sum, the second one with half of its weight -> divided by the temperature -> softmax
"""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from barlow.labelling.heads import FLOOR, SHARE, SHARPNESS, Head
from barlow.models.plain import as_float32, without_barlow

_SCALE = "temperature"


def as_model(encoder: keras.Model, head: Head, image_shape: tuple[int, ...] = ()) -> keras.Model:
    """The classifier of an encoder and a head.

    Args:
        encoder: Model from images to vectors.
        head: From vectors to probabilities.
        image_shape: ``(height, width, channels)`` of the images that it saw, in place of sizes that
            its input leaves open. Defaults to ``()``: they stay open.

    Returns:
        Model from images, values 0 .. 255, to probabilities, ``[batch, classes]``. The names of
        these are in it, see :func:`classes_of`.
    """
    encoder = without_barlow(as_float32(encoder))
    shape = encoder.input_shape[1:]
    if len(image_shape) == len(shape):
        shape = tuple(own or seen for own, seen in zip(shape, image_shape, strict=True))
    images = keras.Input(shape, name="images")
    return keras.Model(images, _probabilities(encoder(images), head), name="classifier")


def from_vectors(features: int, head: Head) -> keras.Model:
    """The classifier of vectors, as :func:`as_model` is of images.

    Args:
        features: Of a vector.
        head: From vectors to probabilities.
    """
    vectors = keras.Input((features,), name="vectors")
    return keras.Model(vectors, _probabilities(vectors, head), name="classifier")


def linear_logits(vectors: Any, head: Head) -> Any:
    """Logits of the linear method, of a tensor of vectors: the layers "space" and "linear"."""
    return _dense(_units(vectors, head), "linear", head.weights, head.bias)


def _probabilities(vectors: Any, head: Head) -> Any:
    units, logits = _units(vectors, head), []
    if head.method in ("graph", "both"):
        logits.append(keras.ops.log(_graph(units, head)))
    if head.method in ("linear", "both"):
        linear = _dense(units, "linear", head.weights, head.bias)
        softened = keras.layers.Activation("log_softmax", name="log_softmax", dtype="float32")
        logits.append(softened(linear))
    if head.method == "both":
        logits[1] = keras.layers.Rescaling(SHARE, name="share", dtype="float32")(logits[1])
    both = keras.layers.Add(name="both", dtype="float32")
    total = both(logits) if len(logits) > 1 else logits[0]
    # One number would do, but a layer with weights can carry the names of the classes, too: an
    # initializer that is never called is saved with the model, on every backend.
    scale = keras.layers.EinsumDense(
        "bc,c->bc",
        len(head.classes),
        bias_initializer=keras.initializers.Constant([*head.classes]),  # type: ignore[arg-type]
        name=_SCALE,
        dtype="float32",
    )
    scaled = scale(total)
    scale.set_weights([np.full(len(head.classes), 1 / head.temperature, "float32")])
    return keras.layers.Softmax(name="probabilities", dtype="float32")(scaled)


def classes_of(classifier: keras.Model) -> list[str] | None:
    """Names of the classes of a classifier; ``None`` of any other model.

    Args:
        classifier: Of :func:`as_model`, or loaded.
    """
    layers = [layer for layer in classifier.layers if layer.name == _SCALE]
    names = getattr(getattr(layers[0], "bias_initializer", None), "value", None) if layers else None
    return [*map(str, names)] if isinstance(names, list) else None


def _units(vectors: Any, head: Head) -> Any:
    units = _dense(vectors, "space", head.space.matrix, head.space.bias)
    return keras.layers.UnitNormalization(name="unit_length", dtype="float32")(units)


def _graph(units: Any, head: Head) -> Any:
    """Probabilities by anchors."""
    similar = _dense(units, "anchors", SHARPNESS * head.anchors.T)
    weights = keras.layers.Softmax(name="similar_anchors", dtype="float32")(similar)
    floor = np.full(len(head.classes), FLOOR)
    return _dense(weights, "anchor_labels", head.anchor_labels, floor)


def _dense(inputs: Any, name: str, kernel: NDArray[Any], bias: NDArray[Any] | None = None) -> Any:
    layer = keras.layers.Dense(
        kernel.shape[1], use_bias=bias is not None, name=name, dtype="float32"
    )
    outputs = layer(inputs)
    layer.set_weights([np.float32(each) for each in (kernel, bias) if each is not None])
    return outputs
