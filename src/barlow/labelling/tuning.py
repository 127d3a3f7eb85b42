"""Fine-tuning: the encoder trained on with the labels, and kept only if that is plainly better.

Three tenths of the labels are held out. The others, and the images of which their classifier is
surest, with its probabilities as labels (at half the weight), train encoder and a linear layer on
random views, at a small learning rate. One half of what is held out says when to stop, the other
one whether the result is better than the classifier on the frozen encoder, from the same labels.
"""

import copy
import dataclasses
import math
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from barlow import backend, data, embedding, errors, runs, vectors, views
from barlow.embedding import Embeddings
from barlow.errors import InvalidInput
from barlow.evaluation import paired_interval
from barlow.labelling import choosing
from barlow.labelling.choosing import Choice
from barlow.labelling.fitting import Fitted, fit_some, some_of, sure_of_others
from barlow.labelling.given import NONE, Given
from barlow.labelling.heads import log_softmax
from barlow.labelling.learning import HeldOut
from barlow.labelling.model import linear_logits
from barlow.labelling.space import Space
from barlow.progress import Track, silent

with errors.extra("cli", "Labelling"):
    from sklearn.model_selection import train_test_split

HELD_OUT = 0.3
"""Fraction of the labels that train nothing."""

LEAST = 40
"""Labels below which nothing could be said of the result."""

_RATE, _DECAY = 1e-4, 1e-4
_EPOCHS, _PATIENCE, _STEPS, _BATCH = 20, 4, 40, 64
_SURE = 2000  # images without labels, at most, that learn from the classifier
_WEIGHT = 0.5  # of these


class Tuned(NamedTuple):
    """What fine-tuning gave."""

    fitted: Fitted
    """The classifier to take: the tuned one, or the one that was given."""
    encoder: keras.Model | None
    """The tuned encoder, if it is taken."""
    accuracy: float
    """Of the tuned one on labels held out."""
    before: float
    """Of the one on the frozen encoder, on the same."""
    low: float
    high: float
    """95 % interval of the difference."""
    verdict: str
    """One sentence."""


@backend.keeping_random_state()
def fine_tune(
    fitted: Fitted,
    encoder: Any = None,
    images: Any = None,
    *,
    seed: int = 0,
    track: Track = silent,
) -> Tuned:
    """Train the encoder on with the labels, and take the result if it is better by its interval.

    Args:
        fitted: Of :func:`barlow.labelling.fit`, with at least 40 labels.
        encoder: As for :func:`barlow.labelling.write`. It stays as it is.
        images: Where the images are, as for :func:`barlow.vectors.images_of`.
        seed: Seed of the training. Defaults to 0.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Raises:
        FileNotFoundError: If encoder or images are gone.
        InvalidInput: If there are fewer than 40 labels, or two for each class, or it is not known
            where the images are.

    Example:
        >>> encoder, images = barlow.models.encoder("conv", (8, 8, 1)), barlow.data.digits()[:200]
        >>> some = [str(label) if row < 60 else "" for row, label in enumerate(images.labels)]
        >>> fitted = barlow.labelling.fit(barlow.embed(encoder, images), some)
        >>> tuned = barlow.labelling.fine_tune(fitted, encoder, images)
        >>> tuned.low <= tuned.accuracy - tuned.before + 0.1
        True
    """
    given = fitted.given
    if len(given.rows) < max(LEAST, 2 * len(fitted.classes)):
        raise InvalidInput(
            f"Fine-tuning needs at least {LEAST} labels, and two for each class: three tenths are "
            f"held out to tell whether it is better. Received: {len(given.rows)} of "
            f"{len(fitted.classes)} classes."
        )
    errors.check_seed(seed)
    keras.utils.set_random_seed(seed)
    collection, classes = fitted.embeddings, np.array(fitted.classes)
    model = vectors.encoder_of(collection, encoder)
    model = copy.deepcopy(model) if model is encoder else model
    train, stop, test = _parts(given, seed)
    fewer = _without(given, np.concatenate([stop, test]))
    frozen = fit_some(collection, fewer, some_of(collection, fewer.rows, seed), seed=seed)
    rows, targets, weights = _lessons(fitted, frozen, train)
    pixels = _pixels(collection, np.concatenate([rows, stop, test]), images)
    true = np.searchsorted(classes, given.labels.astype(str))
    stopping = pixels[len(rows) : len(rows) + len(stop)], true[stop]
    network = _network(model, frozen, classes)
    _train(
        network,
        _augmented(network, collection, encoder, seed),
        pixels[: len(rows)],
        targets,
        weights,
        stopping,
        track,
    )
    logits = backend.predict(network, pixels[len(rows) + len(stop) :]).astype("float64")
    right = logits.argmax(axis=1) == true[test]
    right_before = classes[frozen.probabilities[test].argmax(axis=1)] == given.labels[test]
    low, high = paired_interval(right, right_before)
    figures = float(right.mean()), float(right_before.mean()), low, high
    said = (
        f"On {len(test)} labels held out the fine-tuned encoder gets {figures[0]:.3f} right, the "
        f"frozen one {figures[1]:.3f}; difference {100 * low:+.1f} to {100 * high:+.1f} points"
    )
    if low <= 0:
        return Tuned(fitted, None, *figures, f"{said}: not plainly better, so it is not taken.")
    logits = np.concatenate([backend.predict(network, stopping[0]).astype("float64"), logits])
    is_test = np.arange(len(logits)) >= len(stop)
    taken = _taken(fitted, network, logits, np.concatenate([stopping[1], true[test]]))
    taken = _scored(_embedded(taken, model, images), logits[is_test], true[test])
    return Tuned(taken, model, *figures, f"{said}: it is taken.")


def _parts(given: Given, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Labelled rows to train with, to stop by, and to test with; every class trains."""
    rows, labels = given.rows, given.labels[given.rows].astype(str)
    _, first = np.unique(labels, return_index=True)
    others = np.setdiff1d(np.arange(len(rows)), first)
    kept, out = train_test_split(others, test_size=HELD_OUT, random_state=seed)
    half = len(out) // 2
    return rows[np.concatenate([first, kept])], rows[out[:half]], rows[out[half:]]


def _without(given: Given, rows: NDArray[np.intp]) -> Given:
    labels = given.labels.copy()
    labels[rows] = NONE
    return Given(labels, given.listed)


def _lessons(
    fitted: Fitted, frozen: Fitted, train: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]:
    """Rows to learn from, the probabilities to learn, and their weights."""
    classes = np.array(fitted.classes)
    columns = np.searchsorted(classes, np.array(frozen.classes))
    sure = np.zeros((len(fitted.embeddings), len(classes)), "float32")
    sure[:, columns] = frozen.probabilities
    free = np.flatnonzero(fitted.given.labels == NONE)
    surest = free[np.argsort(-sure[free].max(axis=1), kind="stable")]
    surest = surest[: min(_SURE, len(surest) // 2)]
    numbers = np.searchsorted(classes, fitted.given.labels[train].astype(str))
    targets = np.concatenate([np.eye(len(classes), dtype="float32")[numbers], sure[surest]])
    # The labels, however few, weigh as much as all the others at their weight.
    scale = max(1.0, _WEIGHT * len(surest) / len(train))
    weights = np.repeat([scale, _WEIGHT], [len(train), len(surest)]).astype("float32")
    return np.concatenate([train, surest]), targets, weights / weights.mean()


def _pixels(collection: Embeddings, rows: NDArray[np.intp], images: Any) -> NDArray[Any]:
    found = vectors.images_of(collection, rows, images)
    vectors.warn_of_changed(collection, rows, found)
    chunks = [chunk.pixels[:] for chunk, _ in data.read_in_order(found, 256) if len(chunk)]
    _check_all(sum(map(len, chunks)), len(rows))
    return np.concatenate(chunks)


def _network(encoder: keras.Model, frozen: Fitted, classes: NDArray[np.str_]) -> keras.Model:
    """The encoder and the linear classifier of the frozen one, from images to logits."""
    columns = np.searchsorted(classes, np.array(frozen.classes))
    weights = np.zeros((len(frozen.head.weights), len(classes)))
    bias = np.full(len(classes), frozen.head.bias.min())  # of classes that it has not seen
    weights[:, columns], bias[columns] = frozen.head.weights, frozen.head.bias
    head = dataclasses.replace(frozen.head, weights=weights, bias=bias)
    return keras.Model(encoder.inputs, linear_logits(encoder.outputs[0], head))


def _augmented(
    network: keras.Model, collection: Embeddings, encoder: Any, seed: int
) -> keras.Model:
    """The network on random views, those of the run if they are known."""
    run = encoder if encoder is not None else collection.origin.get("run")
    own = None
    if run is not None and not isinstance(run, keras.Model):
        own = runs.load_views(vectors.placed(collection.origin, run) if encoder is None else run)
    if own is None:
        own = views.ImageViews(views.recipe_for(collection.image_shape), seed=seed)
    inputs = keras.Input(collection.image_shape)
    return keras.Model(inputs, network(own(inputs)[0]))


def _train(
    network: keras.Model,
    augmented: keras.Model,
    pixels: NDArray[Any],
    targets: NDArray[np.float32],
    weights: NDArray[np.float32],
    stopping: tuple[NDArray[Any], NDArray[np.intp]],
    track: Track,
) -> None:
    """Train until the log loss of what says when to stop has not become smaller for some epochs."""
    augmented.compile(
        keras.optimizers.AdamW(_RATE, weight_decay=_DECAY),
        keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    images, true = stopping
    batches = math.ceil(len(pixels) / _BATCH)
    best, since, kept = math.inf, 0, network.get_weights()
    random = np.random.default_rng(0)
    for _ in track(range(_EPOCHS), "Fine-tuning"):
        if since >= _PATIENCE:
            continue
        order = random.permutation(len(pixels))[: _BATCH * min(_STEPS, batches)]
        augmented.fit(
            pixels[order],
            targets[order],
            sample_weight=weights[order],
            batch_size=_BATCH,
            verbose=0,
        )
        logits = log_softmax(backend.predict(network, images))
        loss = -float(logits[np.arange(len(true)), true].mean())
        since = 0 if loss < best else since + 1
        if since == 0:
            best, kept = loss, network.get_weights()
    network.set_weights(kept)


def _taken(
    fitted: Fitted,
    network: keras.Model,
    logits: NDArray[np.float64],
    true: NDArray[np.intp],
) -> Fitted:
    """The classifier of the tuned network: a linear head and its temperature."""
    space = Space(*network.get_layer("space").get_weights())
    weights, bias = network.get_layer("linear").get_weights()
    temperature = choosing.temperature_for(logits, true, "linear")
    why = "fine-tuned, and plainly better on labels held out"
    choice = Choice("linear", temperature, why, {"linear": math.nan})
    return dataclasses.replace(
        fitted,
        head=dataclasses.replace(
            fitted.head,
            method="linear",
            space=space,
            weights=weights,
            bias=bias,
            temperature=temperature,
        ),
        choice=choice,
    )


def _embedded(fitted: Fitted, encoder: keras.Model, images: Any) -> Fitted:
    """The same, of the vectors of the tuned encoder."""
    collection = fitted.embeddings
    every = vectors.images_of(collection, np.arange(len(collection)), images)
    found = embedding.embed(encoder, every)
    _check_all(len(found), len(collection))
    embeddings = dataclasses.replace(collection, vectors=found.vectors, encoder=found.encoder)
    return dataclasses.replace(
        fitted, embeddings=embeddings, probabilities=fitted.head(found.vectors)
    )


def _scored(fitted: Fitted, logits: NDArray[np.float64], true: NDArray[np.intp]) -> Fitted:
    """The same with its figures, from what has not been learned from."""
    held_out = HeldOut({"linear": logits}, np.ones(len(true), bool))
    others = sure_of_others(fitted.probabilities, fitted.given)
    scores = choosing.score(held_out, true, fitted.choice, others)
    return dataclasses.replace(fitted, scores=scores)


def _check_all(found: int, wanted: int) -> None:
    if found < wanted:
        raise InvalidInput(
            f"{wanted - found} images can no longer be read. Embed them again, and label again."
        )
