"""What an encoder is worth: probes on its features, beside raw pixels and random weights."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras

from barlow.data import Images
from barlow.evaluation.extraction import extract
from barlow.evaluation.labels import check_classes
from barlow.evaluation.probes import LABELS_PER_CLASS, Row, probe
from barlow.evaluation.regularization import GRID
from barlow.progress import Track, silent


def evaluate(
    encoder: keras.Model,
    train: Images,
    test: Images,
    seed: int = 0,
    track: Track = silent,
    *,
    labels_per_class: Sequence[int] = LABELS_PER_CLASS,
    regularization: Sequence[float] = GRID,
) -> list[Row]:
    """Accuracy of linear and nearest-neighbour probes on pixels, random and learned features.

    Few labels: logistic regression on 1, 5, 10 and 100 labels per class, mean and standard
    deviation over 10 draws. All labels: logistic regression and 5 nearest neighbours.

    Images of more than 64 x 64 pixels are reduced to 32 x 32, by the mean of areas, before a probe
    takes their pixels. So these need about as much time and memory as other features, and the
    name of the features says so. Lazy pixels are read once and never all in memory.

    What cannot be done is left out, and a warning names it with the reason: images that cannot be
    read, random weights for an encoder that cannot be copied, a probe that fails. Another warning
    says how many test images have a near-copy among the training images.

    Args:
        encoder: Model from images to ``[batch, features]``. Its input may leave the size of images
            open.
        train: Labelled images to train probes on.
        test: Labelled images to test probes on; none of them may be in ``train``.
        seed: Seed of the draws of labels. Defaults to 0. The random encoder follows Keras'
            global seed.
        track: Shows the progress; see :data:`barlow.progress.Track`.
        labels_per_class: As for :func:`probe`. Defaults to ``(1, 5, 10, 100)``.
        regularization: As for :func:`probe`. Defaults to 0.0001, 0.001, ... 100: the strength is
            chosen on the training labels of every probe.

    Returns:
        One row per kind of features (``"pixels"`` or ``"pixels, 32 x 32"``, ``"random"``: the
        encoder with random weights, ``"learned"``), probe and number of labels; rows for which a
        class has too few images are left out.

    Raises:
        FloatingPointError: If learned features are NaN or Inf.
        ValueError: If images have no labels, fewer than two classes, or a size that the
            encoder does not take; or if none of one set can be read.

    Example:
        >>> from barlow import evaluation
        >>> train, test = evaluation.split(barlow.data.digits()[:200])
        >>> encoder = barlow.models.encoder("conv", (8, 8, 1))
        >>> rows = evaluation.evaluate(encoder, train, test)
        >>> rows[0].features, rows[0].labels_per_class
        ('pixels', 1)
    """
    check_classes(train.labels)
    learned_from, tested = extract(encoder, train, test, track)
    features = {name: (x, tested.features[name]) for name, x in learned_from.features.items()}
    return probe(
        features,
        learned_from.labels,
        tested.labels,
        labels_per_class=labels_per_class,
        regularization=regularization,
        seed=seed,
        track=track,
    )


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """Rows as the content of ``evaluation.json``, without what a probe does not have."""
    contents = map(dataclasses.asdict, rows)
    optional = ("neighbours", "regularization")
    return {
        "rows": [
            {key: value for key, value in row.items() if key not in optional or value is not None}
            for row in contents
        ]
    }
