"""What an encoder is worth while it learns: Keras callbacks for any ``fit``.

They look at the encoder, in inference mode, at the end of epochs, and add what they find to the
metrics, so that it is in Keras' history, in the logs of the callbacks after them, and with
``barlow.pretrain`` in ``metrics.jsonl`` of the run. Features that are not numbers end training with
a ``FloatingPointError``.
"""

import warnings
from typing import Any

import keras
import numpy as np

from barlow import evaluation
from barlow.data import Images, in_memory

_NEIGHBOURS = 20
_COLLAPSED = 1.5  # independent features


class _Watch(keras.callbacks.Callback):
    """Looks at an encoder at the end of every so many epochs."""

    def __init__(self, encoder: keras.Model | None, every: int):
        super().__init__()
        if every < 1:
            raise ValueError(f"`every` must be at least 1 epoch. Received: {every}.")
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
            raise ValueError(
                "A probe needs labelled images; only those that the encoder learns from need no "
                "labels. Received: images without labels."
            )
        if len(np.unique(train.labels)) < 2:
            raise ValueError(f"There is nothing to tell apart: all labels are {train.labels[0]!r}.")
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


def _embed(encoder: keras.Model, images: Any) -> np.ndarray:
    features = encoder.predict(images, batch_size=256, verbose=0)
    if not np.isfinite(features).all():
        raise FloatingPointError(
            "The encoder gives features that are not numbers. Most often the learning rate is too "
            "high: train again with a lower one."
        )
    return features
