"""`learn_rows`: rows of a table in, a trained encoder out."""

import contextlib
import dataclasses
import math
import operator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from barlow import backend, data, losses, models, recommendation, views
from barlow.errors import InvalidInput
from barlow.settings import Settings
from barlow.training.averages import fit_statistics
from barlow.training.networks import compile_for

# Measured in benchmarks/quality_tables.py.
_RATE = 0.3  # of values that come from other rows
_STEPS = 2000
_WIDTH = 128
_DEFAULTS = {
    "projector": (512, 512),
    "batch_size": 64,
    "optimizer": "adamw",
    "learning_rate": 2e-3,
    "warmup_epochs": 0,
    "weight_decay": 1e-4,
}


def learn_rows(
    rows: NDArray[np.float32], settings: Settings | None = None
) -> tuple[keras.Model, list[float]]:
    """Train an encoder on rows of a table without labels.

    Two views of a row differ in values from other rows, see :class:`barlow.views.TableViews`.

    The global random seed of Keras, NumPy and Python is set to that of the settings.

    Args:
        rows: Shape ``[rows, features]``, at least 2 rows, finite.
        settings: How to train. What it leaves open is what ``benchmarks/quality_tables.py`` found:
            2,000 steps with batches of 64. Its ``encoder`` may be a ``.keras`` file or
            ``module:function``; the default has two hidden layers and 128 features, and normalises
            its input.

    Returns:
        The encoder, float32, from rows to ``[rows, features]``; and the loss of every epoch.

    Raises:
        FloatingPointError: If training arrives at NaN or Inf.
        ValueError: If a setting does not fit the rows.

    Example:
        >>> from barlow.training.rows import learn_rows
        >>> rows = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
        >>> encoder, loss = learn_rows(rows, barlow.Settings(epochs=1, projector=(16, 16)))
        >>> encoder.output_shape, len(loss)
        ((None, 128), 1)
    """
    given = _filled(settings or Settings(), len(rows))
    keras.utils.set_random_seed(operator.index(given.seed))
    with backend.keras_defaults(recommendation.dtype_policy(given)):
        encoder = _encoder(rows, given.encoder)
        # Of the shape only the names of an encoder and of views depend, which are not used.
        recommended = recommendation.recommend(len(rows), (1, rows.shape[1], 1), given, encoder)
        model = models.BarlowTwins(
            encoder,
            projector=recommended.projector,
            views=views.TableViews(_RATE, seed=recommended.seed),
            loss=losses.Barlow(lambda_=recommended.lambda_),
        )
    with backend.keras_defaults(), backend.forgetting_graphs():
        compile_for(model, recommended, len(rows))
        batches = data.Batches(rows, recommended.batch_size, recommended.seed)
        with contextlib.closing(batches):  # Keras never ends with them
            loss = model.fit(
                batches,
                epochs=recommended.epochs,
                steps_per_epoch=batches.steps_per_epoch,
                shuffle=False,  # the batches shuffle themselves
                verbose=0,
            ).history["loss"]
        fit_statistics(model, rows, recommended)
    if not np.isfinite(loss).all():
        raise FloatingPointError(
            "Training has arrived at NaN or Inf. Most often the learning rate is too high: set a "
            f"lower one than {recommended.learning_rate}."
        )
    with backend.keras_defaults("float32"):
        kept = _encoder(rows, given.encoder)  # without what training needs beside the weights
    kept.set_weights(encoder.get_weights())
    return kept, loss


def _filled(given: Settings, rows: int) -> Settings:
    """The settings, with the defaults for rows where they are open."""
    if given.weights is not None:
        raise InvalidInput(
            "`weights` are for encoders of images, and these are rows of a table: a .keras file "
            f"as `encoder` starts from its own. Received: {given.weights!r}. For rows of pixels "
            "set `image_shape`."
        )
    if given.views != "auto":
        raise InvalidInput(
            f"The views {given.views!r} are views of images, and these are rows of a table. For "
            "rows of pixels set `image_shape`."
        )
    if given.minutes is not None:
        raise InvalidInput(
            "`minutes` plans the training on images, and these are rows of a table, which takes "
            f"seconds: set `epochs`. Received: minutes={given.minutes:g}."
        )
    own = {name: value for name, value in vars(given).items() if value not in (None, "auto")}
    filled: dict[str, Any] = {**_DEFAULTS, **own}
    steps = rows // min(filled["batch_size"], rows)
    filled.setdefault("epochs", math.ceil(_STEPS / steps))
    return dataclasses.replace(given, **filled)


def _encoder(rows: NDArray[np.float32], name: str) -> keras.Model:
    if name == "auto":
        return _perceptron(rows)
    if not (models.is_file(name) or models.is_function(name)):
        raise InvalidInput(
            f"The encoder {name!r} takes images, and these are rows of a table. For rows of pixels "
            "set `image_shape`; for rows of a table take the default, a .keras file or "
            "module:function."
        )
    return models.encoder(name, rows.shape[1:])


def _perceptron(rows: NDArray[np.float32]) -> keras.Model:
    mean, deviation = rows.mean(0, dtype="float64"), rows.std(0, dtype="float64")
    # What is left of a constant column by rounding is no deviation.
    constant = deviation <= np.finfo("float32").eps * np.abs(mean)
    inputs = keras.Input(rows.shape[1:])
    # Of half precision the range is too small, and the digits are too few.
    scale = {"mean": mean, "variance": np.where(constant, 1, deviation**2), "dtype": "float32"}
    x = keras.layers.Normalization(**scale)(inputs)
    for _ in range(2):
        x = keras.layers.Dense(_WIDTH, use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    return keras.Model(inputs, keras.layers.Dense(_WIDTH)(x))
