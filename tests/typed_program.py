# pyright: strict
"""What a user writes against barlow's types: checked in strict mode, with the installed wheel."""

import pathlib

import numpy as np

import barlow
from barlow.losses import Barlow


def learn(folder: pathlib.Path) -> barlow.Embeddings:
    """Vectors of the images in a folder, by an encoder that is trained on them."""
    images = barlow.data.load(folder, image_size=(32, 32))
    settings = barlow.Settings(epochs=10, batch_size=min(256, len(images)), projector=(64, 64))
    recommended = barlow.recommend(len(images), images.pixels.shape[1:], settings)
    epochs: int = recommended.epochs
    run: pathlib.Path = barlow.pretrain(images, folder / "run", settings)
    summary = barlow.runs.summary(run)
    if not summary.complete or summary.epochs < epochs:
        raise RuntimeError(f"Only {summary.epochs} of {epochs} epochs: {summary.metrics['loss']}")
    return barlow.embed(run, images)


def nearest(embeddings: barlow.Embeddings, row: int) -> str:
    """Name of the image whose vector is the nearest."""
    distances = np.linalg.norm(embeddings.vectors - embeddings.vectors[row], axis=1)
    distances[row] = np.inf
    return str(embeddings[distances == distances.min()].names[0])


def accuracy(labelled: barlow.data.Images, run: pathlib.Path) -> float:
    """Accuracy of a linear classifier on features of a run."""
    train, test = barlow.evaluation.split(labelled, seed=1)
    features = {"learned": (barlow.embed(run, train).vectors, barlow.embed(run, test).vectors)}
    assert train.labels is not None
    assert test.labels is not None
    rows = barlow.evaluation.probe(features, train.labels, test.labels)
    return max(row.accuracy for row in rows if row.probe == "linear")


def loss(za: np.ndarray, zb: np.ndarray) -> float:
    """Value of the loss, as one who comes from TensorFlow Similarity writes it."""
    barlow_loss = Barlow(lambda_=0.005, reduction="none")
    start: float = barlow.losses.levels(batch=len(za), features=za.shape[1]).start
    values = np.asarray(barlow_loss(za, zb), dtype="float32")
    return float(values.mean()) / start


def views(images: np.ndarray) -> None:
    """A model of the user's own parts."""
    model = barlow.BarlowTwins(
        barlow.models.encoder("conv", (32, 32, 3)),
        projector=(64, 64),
        views=barlow.views.ImageViews("photos", flip=0.5),
        loss=Barlow(),
    )
    model.compile("adamw", micro_batch_size=32)
    model.fit(images, batch_size=64)
