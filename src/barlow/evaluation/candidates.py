"""Several encoders, or vectors that they have made, judged on the same images."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from barlow import errors
from barlow.data import Images
from barlow.embedding import Embeddings
from barlow.errors import InvalidInput
from barlow.evaluation import extraction
from barlow.evaluation.alignment import as_utf8
from barlow.evaluation.differences import differences
from barlow.evaluation.extraction import LEARNED, Side
from barlow.evaluation.labels import class_numbers, common_numbers
from barlow.evaluation.probes import LABELS_PER_CLASS, Answers, How, answers
from barlow.evaluation.rank import alpha_req, lidar, rank_me
from barlow.evaluation.ranking import Retrieval, retrieval
from barlow.evaluation.regularization import GRID
from barlow.evaluation.results import Comparison, Confusion, Evaluation
from barlow.progress import Track, silent

with errors.extra("cli", "Evaluation"):
    from sklearn.metrics import confusion_matrix

_RANKED = 10_000  # images

Sides = tuple[Side, Side]


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An encoder with the images as it takes them, or vectors that it has made already.

    Args:
        train: Labelled images to learn from; or :class:`barlow.Embeddings`, with labels.
        test: Labelled images to test on, none of them in ``train``; or embeddings.
        encoder: Model from images to ``[batch, features]``; ``None`` for embeddings, the default.
        views: Layer from images to two views of each, such as :func:`barlow.runs.load_views`; for
            LiDAR. Defaults to ``None``: it is left out.
    """

    train: Images | Embeddings
    test: Images | Embeddings
    encoder: keras.Model | None = None
    views: keras.layers.Layer | None = None


def compare(
    candidates: Mapping[str, Candidate],
    *,
    labels_per_class: Sequence[int] = LABELS_PER_CLASS,
    regularization: Sequence[float] = GRID,
    seed: int = 0,
    track: Track = silent,
) -> Comparison:
    """All that an evaluation tells, of one or of several candidates on the same images.

    Beside the accuracies of :func:`evaluate`: retrieval, ranks, confusions, and whether the
    differences between candidates are more than chance. Images that one of them cannot read are
    left out of all. Candidates of the same ``train`` and ``test`` share the rows of the pixels.

    Args:
        candidates: By name. All must have the same images, by name and in the same order, in
            whatever size each takes: :func:`split_alike` makes such sets.
        labels_per_class: As for :func:`probe`. Defaults to ``(1, 5, 10, 100)``.
        regularization: As for :func:`evaluate`.
        seed: Seed of the draws of labels and images. Defaults to 0.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Raises:
        FloatingPointError: If learned features are NaN or Inf; the message names the candidate.
        ValueError: If there is no candidate; if they have other images or other labels; and as
            :func:`evaluate` says.

    Example:
        >>> from barlow import evaluation
        >>> train, test = evaluation.split(barlow.data.digits()[:200])
        >>> one, other = (barlow.models.encoder("conv", (8, 8, 1)) for _ in range(2))
        >>> compared = evaluation.compare(
        ...     {
        ...         "one": evaluation.Candidate(train, test, one),
        ...         "other": evaluation.Candidate(train, test, other),
        ...     },
        ...     regularization=(1.0,),
        ... )
        >>> compared.differences[0].low < compared.differences[0].high
        True
    """
    if not candidates:
        raise InvalidInput("There is nothing to evaluate. Give at least one candidate.")
    how = How(labels_per_class=labels_per_class, regularization=regularization, seed=seed)
    found = _aligned(_sides(candidates, track))
    evaluations: dict[str, Evaluation] = {}
    for name, candidate in candidates.items():
        first = _first_of_images(candidates, name)
        shared = None if first == name else evaluations[first]
        evaluations[name] = _evaluation(candidate, found.pop(name), how, track, shared)
    right = {name: each.right for name, each in evaluations.items() if each.right is not None}
    return Comparison(evaluations, differences(right) if len(right) > 1 else [])


def _first_of_images(candidates: Mapping[str, Candidate], name: str) -> str:
    """The first candidate with the same images; itself, if it has vectors."""
    own = candidates[name]
    same = (
        each
        for each, other in candidates.items()
        if own.encoder and other.encoder and (other.train is own.train and other.test is own.test)
    )
    return next(same, name)


def _sides(candidates: Mapping[str, Candidate], track: Track) -> dict[str, Sides]:
    """Features of each candidate, without pixels that an earlier one has."""
    found = {}
    for name, candidate in candidates.items():
        train, test, encoder = candidate.train, candidate.test, candidate.encoder
        try:
            if isinstance(train, Embeddings) and isinstance(test, Embeddings):
                found[name] = extraction.side_of(train), extraction.side_of(test)
            elif encoder and isinstance(train, Images) and isinstance(test, Images):
                own = _first_of_images(candidates, name) == name
                found[name] = extraction.extract(encoder, train, test, track, pixels=own)
            else:
                raise InvalidInput(
                    f"The candidate {name} must have an encoder and images, or else embeddings."
                )
        except FloatingPointError as error:
            raise FloatingPointError(f"{name}: {error}") from error
    return found


def _aligned(found: dict[str, Sides]) -> dict[str, Sides]:
    """The images that all candidates have."""
    aligned: dict[str, list[Side]] = {name: [] for name in found}
    for number in range(2):
        sides = {name: _with_texts(both[number]) for name, both in found.items()}
        first, *others = sides.values()
        if all(np.array_equal(first.names, other.names) for other in others):
            kept = dict(sides)
        else:
            common = set.intersection(*(set(side.names.tolist()) for side in sides.values()))
            kept = {
                name: side.only(np.flatnonzero([each in common for each in side.names]))
                for name, side in sides.items()
            }
        names = [(side.names.tolist(), [*map(as_utf8, side.labels)]) for side in kept.values()]
        if any(each != names[0] for each in names) or not names[0][0]:
            raise InvalidInput(
                "Candidates must have the same images with the same labels, in the same order. "
                "`evaluation.split_alike` makes such sets."
            )
        lost = max(len(side.names) for side in sides.values()) - len(names[0][0])
        if lost:
            warnings.warn(f"{lost} images that one cannot read are left out of all.", stacklevel=3)
        for name, side in kept.items():
            aligned[name].append(side)
    return {name: (sides[0], sides[1]) for name, sides in aligned.items()}


def _with_texts(side: Side) -> Side:
    """The same, with names as files of vectors have them."""
    return side._replace(names=np.array([*map(as_utf8, side.names)], dtype=object))


def _evaluation(
    candidate: Candidate, sides: Sides, how: How, track: Track, shared: Evaluation | None
) -> Evaluation:
    """All of one candidate; the pixels' from one that has the same."""
    train, test = sides
    features = {name: (x, test.features[name]) for name, x in train.features.items()}
    said = answers(features, train.labels, test.labels, how, track)
    rows = [each.row for each in said]
    ranked: dict[str, Retrieval] = {}
    for name, (x, x_test) in features.items():
        with errors.as_warning(f"Retrieval on {name} is left out", but=()):
            ranked[name] = retrieval(x, train.labels, x_test, test.labels, track=track)
    if shared:
        pixels = next(iter(shared.retrieval))
        rows = [row for row in shared.rows if row.features == pixels] + rows
        ranked = {pixels: shared.retrieval[pixels], **ranked}
    of_views = None
    if candidate.encoder and candidate.views and isinstance(candidate.train, Images):
        with errors.as_warning("LiDAR is left out", but=()):
            views = extraction.of_views(
                candidate.encoder, candidate.views, candidate.train, how.seed
            )
            of_views = lidar(views)
    chosen = np.random.default_rng(how.seed).permutation(len(train.names))[:_RANKED]
    learned = train.features[LEARNED][chosen]
    confusion, right = _confusion(said, train.labels, test.labels)
    return Evaluation(
        rows, ranked, rank_me(learned), alpha_req(learned), of_views, learned.shape[1],
        confusion, right, np.bincount(class_numbers(test.labels)[0]),
    )  # fmt: skip


def _confusion(
    said: Sequence[Answers], labels: NDArray[Any], test_labels: NDArray[Any]
) -> tuple[Confusion, NDArray[np.bool_]] | tuple[None, None]:
    """Of the linear probe on all labels of the learned features."""
    _, numbers, classes = common_numbers(labels, test_labels)
    for row, predicted in said:
        if (row.features, row.probe, row.labels_per_class) == (LEARNED, "linear", None):
            counts = confusion_matrix(numbers, predicted, labels=np.arange(len(classes)))
            return Confusion(tuple(map(str, classes)), counts), predicted == numbers
    return None, None
