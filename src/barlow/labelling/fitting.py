"""`fit`: from a collection and some labels to a classifier with honest figures."""

import dataclasses
import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from barlow import errors, neighbours, vectors
from barlow.embedding import Embeddings
from barlow.errors import InvalidInput, did_you_mean
from barlow.labelling import choosing
from barlow.labelling import given as reading
from barlow.labelling import space as spaces
from barlow.labelling.choosing import Choice, Scores
from barlow.labelling.given import Given
from barlow.labelling.heads import METHODS, Head
from barlow.labelling.learning import HeldOut, Task, learn
from barlow.labelling.mistakes import Doubt, doubts
from barlow.progress import Track, silent
from barlow.text import printable

ENOUGH = 10_000
"""Images from which a classifier learns, beside those that have labels."""

_NEIGHBOURS = 20


class Prediction(NamedTuple):
    """What a classifier says of an image without a label."""

    path: str
    label: str
    probability: float
    second: str
    """The class that is the next likely."""
    margin: float
    """By how much the probability of the first is larger."""


class Class(NamedTuple):
    """A class, and what the classifier makes of it."""

    name: str
    labels: int
    """Images with this label."""
    held_out: int
    """Those of them that were held out; 0 if nothing could be."""
    right: int
    """Those of these that it got right."""
    predicted: int
    """Images without a label that it takes for this class."""


@dataclasses.dataclass(frozen=True, eq=False)
class Fitted:
    """A classifier, and what is known of it.

    Args:
        embeddings: The collection.
        given: Its labels.
        head: From vectors to probabilities.
        choice: The method, and why it was taken.
        scores: What it gets right, estimated; ``None`` if there are too few labels to tell.
        probabilities: Of all images of the collection, ``[images, classes]``.
        held_out: What the graph says of each labelled image from the other labels, whichever method
            was chosen: probabilities, ``[labels, classes]``; NaN where its class has no other one.
    """

    embeddings: Embeddings
    given: Given
    head: Head
    choice: Choice
    scores: Scores | None
    probabilities: NDArray[np.float64]
    held_out: NDArray[np.float64]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the columns."""
        return self.head.classes

    @property
    def numbers(self) -> NDArray[np.intp]:
        """Numbers of the classes of the labelled images, ``[labels]``."""
        return np.searchsorted(
            np.array(self.classes), self.given.labels[self.given.rows].astype(str)
        )

    def by_class(self) -> list[Class]:
        """The classes, in the order of the columns."""
        count, free = len(self.classes), self.given.labels == reading.NONE
        predicted = np.bincount(self.probabilities[free].argmax(axis=1), minlength=count)
        confusion = np.zeros((count, count), int) if self.scores is None else self.scores.confusion
        columns = (
            np.bincount(self.numbers, minlength=count),
            confusion.sum(axis=1),
            np.diag(confusion),
            predicted,
        )
        figures = np.stack(columns, axis=1).tolist()
        return [Class(name, *row) for name, row in zip(self.classes, figures, strict=True)]

    def predictions(self) -> list[Prediction]:
        """What it says of the images without a label, the most doubtful first."""
        rows = np.flatnonzero(self.given.labels == reading.NONE)
        order = np.argsort(-self.probabilities[rows], axis=1, kind="stable")[:, :2]
        first, second = np.take_along_axis(self.probabilities[rows], order, axis=1).T
        margins = first - second
        return [
            Prediction(
                str(self.embeddings.names[rows[place]]),
                self.classes[order[place, 0]],
                float(first[place]),
                self.classes[order[place, 1]],
                float(margins[place]),
            )
            for place in np.argsort(margins, kind="stable")
        ]

    def doubts(self) -> list[Doubt]:
        """Labels that the other labels contradict, the most doubtful first; see :class:`Doubt`."""
        return doubts(self.embeddings.names, self.classes, self.given, self.held_out)


def fit(
    collection: Embeddings | str | os.PathLike[str],
    labels: Any = None,
    *,
    method: str = "auto",
    seed: int = 0,
    track: Track = silent,
) -> Fitted:
    """A classifier of all images of a collection, from labels of some.

    Args:
        collection: File of vectors, or vectors of anything (:class:`barlow.Embeddings`).
        labels: CSV with the columns ``path`` and ``label``, another list, or a folder with one
            subfolder per class; several of these as a list of :class:`pathlib.Path`. A mapping
            from names of images to labels, or a series of pandas that has them as its index. Or a
            label for every image, ``[images]``. ``None``, ``""``, NaN, and ``-1`` among whole
            numbers, are none. Defaults to ``None``: the labels that the collection has.
        method: ``"graph"``, ``"linear"`` or ``"both"``, see :mod:`barlow.labelling.heads`. Defaults
            to ``"auto"``, see :mod:`barlow.labelling.choosing`.
        seed: Seed of folds and draws. Defaults to 0.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        The classifier, its figures and its predictions.

    Raises:
        FileNotFoundError: If there is no file of vectors or of labels.
        InvalidInput: If the labels do not belong to the collection, or are all of one class; or if
            the seed is not one of NumPy, or a vector holds NaN or Inf.

    Example:
        >>> images = barlow.data.digits()
        >>> digits = barlow.embed(barlow.models.encoder("conv", (8, 8, 1)), images)
        >>> some = [str(label) if row < 100 else "" for row, label in enumerate(images.labels)]
        >>> fitted = barlow.labelling.fit(digits, some)
        >>> len(fitted.predictions()), fitted.probabilities.shape, fitted.scores.labels
        (1697, (1797, 10), 100)
    """
    if method not in ("auto", *METHODS):
        raise InvalidInput(
            f"`method` is auto, {', '.join(METHODS)}. Received: {method!r}."
            f"{did_you_mean(str(method), METHODS)}"
        )
    errors.check_seed(seed)
    embeddings = vectors.as_embeddings(collection)
    given = reading.read(embeddings, labels)
    check_classes(given)
    some = some_of(embeddings, given.rows, seed)
    return fit_some(embeddings, given, some, method, seed, track)


def fit_some(
    embeddings: Embeddings,
    given: Given,
    some: "Some",
    method: str = "auto",
    seed: int = 0,
    track: Track = silent,
) -> Fitted:
    """As :func:`fit`, of labels that are read, from some images that have all labelled ones."""
    head, choice, held_out = learned(embeddings, given, some, method, seed, track)
    _, numbers = check_classes(given)
    probabilities = head(embeddings.vectors)
    scores = choosing.score(held_out, numbers, choice, sure_of_others(probabilities, given))
    graph = choosing.choose(held_out, numbers, "graph")
    said = np.exp(choosing.log_softmax(held_out.logits["graph"] / graph.temperature))
    said[~held_out.can] = np.nan
    return Fitted(embeddings, given, head, choice, scores, probabilities, said)


def learned(
    embeddings: Embeddings,
    given: Given,
    some: "Some",
    method: str = "auto",
    seed: int = 0,
    track: Track = silent,
) -> tuple[Head, Choice, HeldOut]:
    """The classifier alone, as :func:`fit_some` has it, and what it says of labels held out."""
    classes, numbers = check_classes(given)
    task = Task(
        embeddings.vectors[some.rows],
        some.space,
        some.units,
        some.near.rows,
        np.searchsorted(some.rows, given.rows),
        numbers,
        tuple(map(str, classes)),
        seed,
    )
    head, held_out = learn(task, track)
    choice = choosing.choose(held_out, numbers, method)
    return head.with_choice(choice.method, choice.temperature), choice, held_out


def sure_of_others(probabilities: NDArray[Any], given: Given) -> NDArray[Any]:
    """Probability of the predicted class of every image without a label, ``[others]``."""
    return probabilities.max(axis=1)[given.labels == reading.NONE]


def check_classes(given: Given) -> tuple[NDArray[np.str_], NDArray[np.intp]]:
    """Names of the classes, and the number of that of every labelled image.

    Raises:
        InvalidInput: If there are fewer than two classes.
    """
    classes, numbers = np.unique(given.labels[given.rows].astype(str), return_inverse=True)
    if len(classes) < 2:
        what = f"all are {printable(classes[0])!r}" if len(classes) else "there are none"
        raise InvalidInput(
            f"A classifier needs labels of at least two classes. Received: {len(numbers)} labels; "
            f"{what}. `barlow suggest` says which images to label next."
        )
    return classes, numbers


class Some(NamedTuple):
    """Some images of a collection, and where they lie."""

    rows: NDArray[np.intp]
    """Their rows, in rising order."""
    space: spaces.Space
    units: NDArray[np.float32]
    """Their vectors in that space, ``[some, components]``."""
    near: neighbours.Neighbours
    """Their neighbours in that space, numbers of these images."""


def some_of(embeddings: Embeddings, rows: NDArray[np.intp], seed: int, count: int = ENOUGH) -> Some:
    """Images from which a classifier learns: those of some rows and a sample of all.

    Of more than 10,000 images labels would spread less far, and all would take longer.

    Args:
        embeddings: The collection.
        rows: Rows that are needed.
        seed: Of the sample.
        count: Images of the sample, at most. Defaults to 10,000.

    Raises:
        InvalidInput: If a vector holds NaN or Inf, drawn or not: nothing can be said of its image.
    """
    bad = np.flatnonzero(~np.isfinite(embeddings.vectors).all(axis=1))
    if len(bad):
        raise InvalidInput(
            f"{len(bad)} of {len(embeddings)} vectors hold NaN or Inf, such as that of "
            f"{printable(embeddings.names[bad[0]])}. Leave these images out, or embed them again."
        )
    drawn = np.random.default_rng(seed).permutation(len(embeddings))[:count]
    chosen = np.union1d(rows, drawn)
    vectors = embeddings.vectors[chosen]
    space = spaces.fit(vectors, seed)
    units = space(vectors)
    near = neighbours.nearest(units, units, _NEIGHBOURS, own=np.arange(len(units)))
    return Some(chosen, space, units, near)
