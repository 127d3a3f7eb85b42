"""`BarlowTransformer`: an encoder as a transformer of scikit-learn."""

import dataclasses
import functools
import os
import pathlib
import tempfile
import threading
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray

from barlow import backend, data, resizing, runs
from barlow.embedding import embed
from barlow.errors import InvalidInput, did_you_mean, extra
from barlow.estimator.inputs import Shape, as_inputs, as_shape, check_read, joined
from barlow.models.encoders import features_of
from barlow.settings import Settings, declarations
from barlow.training import pretrain
from barlow.training.inputs import shape_of_start
from barlow.training.rows import learn_rows

with extra("cli", "A transformer of scikit-learn"):
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils.validation import check_is_fitted, validate_data

_PREFIX = "settings__"
_LEARNING = threading.Lock()  # global seeds decide of the weights: one training at a time


class BarlowTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Images, or rows of a table, to the vectors of an encoder that learns from them.

    ``X`` is one of these:

    - images: an array ``[images, height, width]`` or ``[images, height, width, channels]``, see
      :func:`barlow.data.from_array`. What brings their values to 0 .. 255 is found in ``fit`` and
      the same in every ``transform``;
    - images as rows of pixels, ``[images, height * width * channels]``, with ``image_shape``;
    - images as a list of paths, one image each, see :func:`barlow.data.load`;
    - rows of a table, an array ``[rows, features]`` or a data frame of numbers, without
      ``image_shape``: see :func:`barlow.training.rows.learn_rows`.

    Labels are not used. Each setting is a parameter of its own for a search:
    ``settings__epochs``, or in a pipeline ``encode__settings__epochs``.

    The same inputs and settings, the seed among them, give the same encoder. The global generators
    of random numbers stay as they are, and training leaves no file.

    Args:
        encoder: An encoder that is taken as it is, in place of learning one: folder of a run,
            ``.keras`` file, or Keras model from inputs to ``[batch, features]``. Defaults to
            ``None``: ``fit`` learns one.
        settings: How to learn. What it leaves open is recommended. Defaults to ``None``,
            ``Settings()``.
        image_shape: ``(height, width)`` or ``(height, width, channels)`` that rows of pixels have,
            or that images of files are brought to. Defaults to ``None``: that of ``encoder``; or
            else two axes are rows of a table, and files have the size of the weights to start
            from, or that of :func:`barlow.data.load`.
        batch_size: Inputs to embed at a time, >= 1. Defaults to 256.

    Attributes:
        encoder_: The encoder, a Keras model.
        input_shape_: ``(height, width, channels)`` of the images, or ``(features,)`` of the rows.
        loss_curve_: Loss of every epoch; empty if nothing was learned.
        n_features_in_: Columns of ``X``, if it has two axes.
        feature_names_in_: Their names, if ``X`` is a data frame.

    Raises:
        FileNotFoundError: In ``fit``, if there is no run or file at the path of ``encoder``.
        KeyboardInterrupt: In ``fit``, if Ctrl-C or SIGTERM has ended the training.
        ValueError: In ``fit`` and ``transform``, if ``X`` is none of these or does not fit, or if
            a setting does not fit; in ``set_params``, if a setting is not known or out of bounds.

    Example:
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn.pipeline import make_pipeline
        >>> from barlow.estimator import BarlowTransformer
        >>> digits = barlow.data.digits()[:64]
        >>> encode = BarlowTransformer(settings=barlow.Settings(epochs=1))
        >>> classify = make_pipeline(encode, LogisticRegression(max_iter=1000))
        >>> classify.fit(digits.pixels, digits.labels).predict(digits.pixels).shape
        (64,)
        >>> encode.transform(digits.pixels).shape
        (64, 128)
    """

    def __init__(
        self,
        encoder: keras.Model | str | os.PathLike[str] | None = None,
        settings: Settings | None = None,
        *,
        image_shape: tuple[int, ...] | None = None,
        batch_size: int = 256,
    ):
        self.encoder = encoder
        self.settings = settings
        self.image_shape = image_shape
        self.batch_size = batch_size

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Learn an encoder, or check that the one that is given takes such inputs.

        Args:
            X: Inputs, see the class.
            y: Not used.

        Returns:
            The transformer itself.
        """
        if not isinstance(self.settings, Settings | None):
            raise InvalidInput(
                f"`settings` must be barlow.Settings(...) or None. Received: {self.settings!r}."
            )
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)  # of other inputs
        with _LEARNING, backend.keeping_random_state():
            encoder, shape = self._given()
            least = 2 if encoder is None else 1
            check = functools.partial(validate_data, self, ensure_min_samples=least)
            shape, reading = joined(shape, self._image_shape()), self._reading_options()
            start = shape_of_start(self.settings or Settings()) if encoder is None else ()
            inputs, scale = as_inputs(X, shape, check, options=reading, start=start)
            if encoder is None:
                encoder, loss = self._learn(inputs)
            else:
                loss = []
        self.encoder_, self.loss_curve_ = encoder, loss
        self._scale, self._reading = scale, reading
        self.input_shape_ = tuple(inputs.pixels.shape[1:])
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Vectors of inputs.

        Args:
            X: Inputs of the kind and the shape that ``fit`` had, see the class.

        Returns:
            Shape ``[inputs, features]``, float32; or as ``set_output`` says.
        """
        check_is_fitted(self, "encoder_")
        check = functools.partial(validate_data, self, reset=False)
        inputs, _ = as_inputs(X, self.input_shape_, check, self._scale, self._reading)
        found = embed(self.encoder_, inputs, batch_size=self.batch_size)
        check_read(found.skipped)
        return found.vectors

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name.

        Args:
            deep: Whether the settings are among them one by one. Defaults to True.
        """
        params = super().get_params(deep)
        if deep and isinstance(self.settings, Settings | None):
            settings = self.settings or Settings()
            params |= {_PREFIX + name: getattr(settings, name) for name in declarations()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, settings among them: ``set_params(settings__epochs=20)``."""
        own = {name.removeprefix(_PREFIX) for name in params if name.startswith(_PREFIX)}
        for name in sorted(own - set(declarations())):
            near = did_you_mean(name, declarations())
            raise InvalidInput(
                f"There is no setting {name!r}.{near} Known: {', '.join(declarations())}."
            )
        settings = {name: params.pop(_PREFIX + name) for name in own}
        super().set_params(**params)
        if settings:
            self.settings = dataclasses.replace(self.settings or Settings(), **settings)
        return self

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn knows of it."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        """For ``get_feature_names_out``."""
        return self.encoder_.output_shape[-1]

    def _given(self) -> tuple[keras.Model | None, Shape]:
        """The encoder that is given, if one is, and the shape of what it takes."""
        encoder: Any = self.encoder
        if encoder is None:
            return None, ()
        known = ()
        if not isinstance(encoder, keras.Model):
            known = runs.image_shape(encoder)
            encoder = runs.load_encoder(encoder)
        features_of(encoder)  # that it returns vectors
        return encoder, joined(tuple(encoder.input_shape[1:]), known)

    def _image_shape(self) -> Shape:
        """The shape of images that is given, or their size among the settings."""
        size = self.settings.image_size if self.settings else None
        return as_shape(self.image_shape) or (() if size is None else (size, size, None))

    def _reading_options(self) -> dict[str, str]:
        """How image files come to the size of the inputs."""
        if self.encoder is not None and not isinstance(self.encoder, keras.Model):
            return resizing.of(self.encoder)
        wanted = self.settings.resize if self.settings and self.encoder is None else "auto"
        return resizing.RECOMMENDED | ({} if wanted == "auto" else {"resize": wanted})

    def _learn(self, inputs: data.Images) -> tuple[keras.Model, list[float]]:
        if isinstance(inputs.pixels, np.ndarray) and inputs.pixels.ndim == 2:
            return learn_rows(inputs.pixels, self.settings)
        with tempfile.TemporaryDirectory(prefix="barlow-") as folder:
            run = pretrain(inputs, pathlib.Path(folder) / "run", self.settings)
            if not runs.is_complete(run):  # what runs after this must not run, either
                raise KeyboardInterrupt
            return runs.load_encoder(run), [row["loss"] for row in runs.read_metrics(run)]
