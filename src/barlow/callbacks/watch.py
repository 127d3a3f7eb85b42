"""What an encoder is worth while it learns: Keras callbacks for any ``fit``.

They look at the encoder, in inference mode, at the end of epochs, and add what they find to the
metrics, so that it is in Keras' history, in the logs of the callbacks after them, and with
``barlow.pretrain`` in ``metrics.jsonl`` of the run. Features that are not numbers end training with
a ``FloatingPointError``.
"""

import functools
import pathlib
import warnings
from typing import Any

import keras
import numpy as np
from keras import ops

from barlow import evaluation, models
from barlow.data import Images, in_memory
from barlow.errors import InvalidInput

_NEIGHBOURS = 20
_COLLAPSED = 1.5  # independent features
_BATCH = 256  # images
_FEATURES = 256  # of a cross-correlation, at most
_THUMBNAIL = 32  # pixels


class _Watch(keras.callbacks.Callback):
    """Looks at an encoder at the end of every so many epochs."""

    def __init__(self, encoder: keras.Model | None, every: int):
        super().__init__()
        _check_every(every)
        self._encoder, self._every = encoder, every

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add what is found to the metrics."""
        if (epoch + 1) % self._every == 0 and logs is not None:
            encoder = self.model.encoder if self._encoder is None else self._encoder
            logs.update(self._look(encoder))

    def _look(self, encoder: keras.Model) -> dict[str, float]:
        raise NotImplementedError


class Probe(_Watch):
    """Accuracy of probes on a labelled set of its own, of which the training needs no labels.

    Adds to the metrics ``probe_knn``, the accuracy of 20 nearest neighbours weighted by their
    cosine, and ``probe_linear``, that of a logistic regression, both on all labels of ``train``;
    see :func:`barlow.evaluation.probe`.

    Args:
        train: Labelled images that the probes learn from.
        test: Labelled images that they are tested on, apart from ``train``;
            :func:`barlow.evaluation.split` makes both out of one set.
        encoder: Model from images to features. Defaults to ``None``, the ``encoder`` of the model
            that is trained, such as :class:`barlow.BarlowTwins`.
        every: Epochs from one look to the next, >= 1. Defaults to 1.

    Raises:
        ValueError: If images have no labels or only one, or ``every`` is below 1.

    Example:
        >>> from barlow import callbacks, evaluation
        >>> train, test = evaluation.split(barlow.data.digits())
        >>> model = barlow.BarlowTwins(
        ...     barlow.models.encoder("conv", (8, 8, 1)), views=barlow.views.ImageViews("glyphs")
        ... )
        >>> model.compile("adamw")
        >>> probe = callbacks.Probe(train, test)
        >>> history = model.fit(train.pixels, callbacks=[probe], verbose=0)
        >>> history.history["probe_knn"][0] > 0.5
        True
    """

    def __init__(
        self, train: Images, test: Images, encoder: keras.Model | None = None, every: int = 1
    ):
        super().__init__(encoder, every)
        train, test = in_memory(train), in_memory(test)
        if train.labels is None or test.labels is None:
            raise InvalidInput(
                "A probe needs labelled images; only those that the encoder learns from need no "
                "labels. Received: images without labels."
            )
        if len(np.unique(train.labels)) < 2:
            raise InvalidInput(
                f"There is nothing to tell apart: all labels are {train.labels[0]!r}."
            )
        self._pixels, self._test_pixels = train.pixels, test.pixels
        self._labels, self._test_labels = train.labels, test.labels

    def _look(self, encoder: keras.Model) -> dict[str, float]:
        features = _embed(encoder, self._pixels), _embed(encoder, self._test_pixels)
        rows = evaluation.probe(
            {"learned": features},
            self._labels,
            self._test_labels,
            labels_per_class=(),
            neighbours=min(_NEIGHBOURS, len(self._labels)),
            weights="cosine",
        )
        return {f"probe_{row.probe}": row.accuracy for row in rows}


class Rank(_Watch):
    """How many features are of use, without labels: RankMe and alpha-ReQ.

    Adds to the metrics ``rank_me`` and ``alpha_req``; see :func:`barlow.evaluation.rank_me` and
    :func:`barlow.evaluation.alpha_req`. Warns where the features have collapsed, which is when
    all images come to about the same or lie along a line.

    Args:
        images: Images that are not trained on, shape ``[images, height, width, channels]``; a
            thousand or more, since the rank cannot be above their number.
        encoder: As of :class:`Probe`.
        every: As of :class:`Probe`.

    Raises:
        ValueError: If ``every`` is below 1.

    Example:
        >>> from barlow import callbacks
        >>> images = np.random.default_rng(0).integers(0, 256, (256, 8, 8, 1))
        >>> model = barlow.BarlowTwins(
        ...     barlow.models.encoder("conv", (8, 8, 1)), views=barlow.views.ImageViews("glyphs")
        ... )
        >>> model.compile("adamw")
        >>> rank = callbacks.Rank(images[:128])
        >>> history = model.fit(images[128:], callbacks=[rank], verbose=0)
        >>> 1 <= history.history["rank_me"][0] <= 128
        True
    """

    def __init__(self, images: Any, encoder: keras.Model | None = None, every: int = 1):
        super().__init__(encoder, every)
        self._images = images

    def _look(self, encoder: keras.Model) -> dict[str, float]:
        features = _embed(encoder, self._images)
        rank = evaluation.rank_me(features)
        if rank < _COLLAPSED:
            warnings.warn(
                f"The encoder has collapsed: its {features.shape[1]} features are worth "
                f"{rank:.2f} independent ones. Most often the learning rate is too high or "
                "the views are too weak or too strong.",
                stacklevel=2,
            )
        return {"rank_me": rank, "alpha_req": evaluation.alpha_req(features)}


class TensorBoard(keras.callbacks.Callback):
    """Everything that TensorBoard shows of a training, with any backend of Keras.

    At the end of every epoch the metrics, those of callbacks before it too, and the learning rate;
    at the end of training the features of some images, for its projector. Of a
    :class:`barlow.BarlowTwins` also the cross-correlation of the two views of these images, of its
    first 256 features: red for 1, blue for -1. To look at it: ``tensorboard --logdir LOG_DIR``.

    Args:
        log_dir: Folder of the logs.
        images: Some images, shape ``[images, height, width, channels]``, values 0 .. 255; a few
            hundred show enough. Defaults to ``None``, metrics alone.
        labels: Their labels, for the projector. Defaults to ``None``.
        every: Epochs from one cross-correlation to the next, >= 1. Defaults to 1.

    Raises:
        ModuleNotFoundError: If tensorboardX or Matplotlib is not there.
        ValueError: If ``every`` is below 1, or there are more or fewer labels than images.

    Example:
        >>> from barlow import callbacks
        >>> model = barlow.BarlowTwins(
        ...     barlow.models.encoder("conv", (8, 8, 1)), views=barlow.views.ImageViews("glyphs")
        ... )
        >>> model.compile("adamw")
        >>> folder, digits = tempfile.mkdtemp(), barlow.data.digits()
        >>> board = callbacks.TensorBoard(folder, digits.pixels[:64], digits.labels[:64])
        >>> history = model.fit(digits.pixels[:512], callbacks=[board], verbose=0)
        >>> any("tfevents" in path.name for path in pathlib.Path(folder).iterdir())
        True
    """

    def __init__(
        self,
        log_dir: str | pathlib.Path,
        images: np.ndarray | None = None,
        labels: np.ndarray | None = None,
        every: int = 1,
    ):
        super().__init__()
        try:
            import matplotlib as mpl  # noqa: PLC0415 - nothing else here needs them
            import tensorboardX  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"Logs for TensorBoard need {error.name}. Install it with: "
                "pip install 'barlow[cli]'"
            ) from error
        _check_every(every)
        if labels is not None and (images is None or len(images) != len(labels)):
            raise InvalidInput(
                "There must be one label for each image. Received: "
                f"{len(labels)} labels, {0 if images is None else len(images)} images."
            )
        self._write = functools.partial(tensorboardX.SummaryWriter, str(log_dir))
        self._colours = mpl.colormaps["RdBu_r"]
        self._images, self._labels, self._every = images, labels, every

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Open the logs."""
        self._writer, self._epoch, self._apart = self._write(), 0, None
        views = getattr(self.model, "views", None)
        if self._images is not None and isinstance(self.model, models.BarlowTwins) and views:
            # Training goes by the state of the model's views: others leave it as it is.
            views = type(views).from_config(views.get_config())
            self._apart = models.BarlowTwins(
                self.model.encoder, self.model.projector, views, self.model.objective
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Log the metrics, and the cross-correlation when it is time."""
        self._epoch = epoch + 1
        rate = {"learning_rate": self.model.optimizer.learning_rate}
        for name, value in {**(logs or {}), **rate}.items():
            self._writer.add_scalar(name, float(value), self._epoch)
        if self._apart and self._epoch % self._every == 0:
            correlation = self._apart.cross_correlation(self._images, _FEATURES)
            picture = self._colours((correlation + 1) / 2)[..., :3]
            self._writer.add_image("cross-correlation", picture, self._epoch, dataformats="HWC")
        self._writer.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Log the features of the images, and close the logs."""
        if self._images is not None:
            self._writer.add_embedding(
                _embed(getattr(self.model, "encoder", self.model), self._images),
                metadata=None if self._labels is None else list(self._labels),
                label_img=np.stack([_thumbnail(image) for image in self._images]),
                global_step=self._epoch,
                tag="features",
            )
        self._writer.close()


def _thumbnail(image: np.ndarray) -> np.ndarray:
    """A small square picture, ``[3, height, width]``, values 0 .. 1."""
    small = ops.image.resize(ops.cast(image, "float32"), (_THUMBNAIL, _THUMBNAIL))
    pixels = np.clip(ops.convert_to_numpy(small)[..., :3] / 255, 0, 1)
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3)).transpose(2, 0, 1)


def _check_every(every: int) -> None:
    if every < 1:
        raise InvalidInput(f"`every` must be at least 1 epoch. Received: {every}.")


def _embed(encoder: keras.Model, images: Any) -> np.ndarray:
    features = np.asarray(encoder.predict(images, batch_size=_BATCH, verbose=0), "float32")
    if not np.isfinite(features).all():
        raise FloatingPointError(
            "The encoder gives features that are not numbers. Most often the learning rate is too "
            "high: train again with a lower one."
        )
    return features
