"""What an encoder is worth while it trains: callbacks for any ``fit``.

They look at the encoder in inference mode at the end of epochs, and add their figures to the
metrics: to Keras' history, the logs of later callbacks, and with ``barlow.pretrain`` to
``metrics.jsonl`` of the run. NaN or Inf in the features ends training with a
``FloatingPointError``. After any other error there is a warning, and training continues without
their figures.
"""

import warnings
from typing import Any

import keras

from barlow import errors, evaluation
from barlow.data import Images
from barlow.embedding import embed
from barlow.errors import InvalidInput

_NEIGHBOURS = 20
_COLLAPSED = 1.5  # independent features


class _Watch(keras.callbacks.Callback):
    """Looks at an encoder at the end of every ``every``-th epoch, until it fails to."""

    adds: tuple[str, str]  # to the metrics

    def __init__(self, encoder: keras.Model | None, every: int):
        super().__init__()
        check_every(every)
        self._encoder, self._every = encoder, every

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Look again, if an earlier training had to do without."""
        self._works = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the figures to the metrics."""
        if not self._works or (epoch + 1) % self._every or logs is None:
            return
        self._works = False
        missing = f"The metrics have no {' and no '.join(self.adds)} from epoch {epoch + 1} on"
        with errors.as_warning(missing):
            encoder = self.model.encoder if self._encoder is None else self._encoder
            logs.update(self._look(encoder))
            self._works = True

    def _look(self, encoder: keras.Model) -> dict[str, float]:
        raise NotImplementedError


class Probe(_Watch):
    """Accuracy of probes on a labelled set; the training images need no labels.

    Adds ``probe_knn`` to the metrics, the accuracy of 20 nearest neighbours (or all training
    images, if there are fewer) weighted by their cosine, and ``probe_linear``, the accuracy of a
    logistic regression. Both are trained on all labels of ``train``; see
    :func:`barlow.evaluation.probe`. Lazy pixels are read anew for every look.

    Args:
        train: Labelled images to train the probes on.
        test: Labelled images to test them on, none of them in ``train``;
            :func:`barlow.evaluation.split` makes both from one set.
        encoder: Model from images to features. Defaults to ``None``, the ``encoder`` of the trained
            model, such as :class:`barlow.BarlowTwins`.
        every: Epochs between two looks, >= 1. Defaults to 1.

    Raises:
        ModuleNotFoundError: If scikit-learn is not installed.
        ValueError: If there are no labels or one class only, or ``every`` is below 1.

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

    adds = ("probe_knn", "probe_linear")

    def __init__(
        self, train: Images, test: Images, encoder: keras.Model | None = None, every: int = 1
    ):
        super().__init__(encoder, every)
        self._probe = evaluation.probe  # now, to be refused without scikit-learn
        evaluation.check_classes(train.labels)
        evaluation.check_labels(test.labels)
        self._train, self._test = train, test

    def _look(self, encoder: keras.Model) -> dict[str, float]:
        train, test = embed(encoder, self._train), embed(encoder, self._test)
        rows = self._probe(
            {"learned": (train.vectors, test.vectors)},
            evaluation.check_labels(train.labels),
            evaluation.check_labels(test.labels),
            labels_per_class=(),
            neighbours=_NEIGHBOURS,
            weights="cosine",
        )
        return {f"probe_{row.probe}": row.accuracy for row in rows}


class Rank(_Watch):
    """How many features are useful, measured without labels: RankMe and alpha-ReQ.

    Adds to the metrics ``rank_me`` and ``alpha_req``; see :func:`barlow.evaluation.rank_me` and
    :func:`barlow.evaluation.alpha_req`. Warns if the features collapse: all images have nearly the
    same vector, or lie on a line.

    Args:
        images: Images, best not training images, shape ``[images, height, width, channels]``; a
            thousand or more, since the rank cannot exceed their number.
        encoder: As for :class:`Probe`.
        every: As for :class:`Probe`.

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

    adds = ("rank_me", "alpha_req")

    def __init__(self, images: Any, encoder: keras.Model | None = None, every: int = 1):
        super().__init__(encoder, every)
        self._images = images

    def _look(self, encoder: keras.Model) -> dict[str, float]:
        features = embed(encoder, self._images).vectors
        rank = evaluation.rank_me(features)
        if rank < _COLLAPSED:
            warnings.warn(
                f"The encoder has collapsed: its {features.shape[1]} features are worth "
                f"{rank:.2f} independent ones. Most often the learning rate is too high or "
                "the views are too weak or too strong.",
                stacklevel=2,
            )
        return {"rank_me": rank, "alpha_req": evaluation.alpha_req(features)}


def check_every(every: int) -> None:
    """Refuse a number of epochs below 1."""
    if every < 1:
        raise InvalidInput(f"`every` must be at least 1 epoch. Received: {every}.")
