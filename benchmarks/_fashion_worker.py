"""One training of `quality_fashion_mnist.py`: images in, features out.

    python _fashion_worker.py barlow|supervised|few|METHOD|example FOLDER SECONDS SETTINGS

(a method of `_plain_torch.METHODS`)

reads `images.npz` of the folder and writes `features.npz` and `about.json`. How many epochs fit
into the time, where the settings do not say, barlow plans itself, and all that it does is in that
time; for the others it is measured on some first steps, of a training that is thrown away.
"""

import functools
import json
import math
import os
import pathlib
import sys
import time
from typing import Any

if sys.argv[1] not in {
    "barlow",
    "supervised",
    "few",
}:  # for the views; the network is plain PyTorch
    os.environ["KERAS_BACKEND"] = "torch"
    sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "src"))

import keras
import numpy as np

import barlow

WARM, TIMED = 10, 100  # steps
MARGIN = 0.95  # of the time is planned for
FEW, DRAWS = (10, 100), 3  # labels per class


class Rate(keras.callbacks.Callback):
    """Stops after some steps, and knows how many a second there were."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps += 1
        if self.steps == WARM:
            self.begin = time.perf_counter()
        if self.steps == WARM + TIMED:
            self.value = TIMED / (time.perf_counter() - self.begin)
            self.model.stop_training = True


def epochs_in(seconds: float, rate: float, steps_per_epoch: int) -> int:
    return max(1, int(MARGIN * seconds * rate / steps_per_epoch))


def features_of(encoder: keras.Model, *images: np.ndarray) -> list[np.ndarray]:
    return [encoder.predict(each, batch_size=500, verbose=0) for each in images]


def learn(images: Any, work: pathlib.Path, seconds: float, given: dict[str, Any]) -> dict[str, Any]:
    """`barlow.pretrain` by its own settings, in the time."""
    train, test = images["train"], images["test"]
    if "epochs" not in given:
        given = {**given, "minutes": seconds / 60}
    begin = time.perf_counter()
    run = barlow.pretrain(train, work / "run", barlow.Settings(**given), overwrite=True)
    training_seconds = time.perf_counter() - begin
    config, metrics = barlow.runs.read_config(run), barlow.runs.read_metrics(run)
    encoder = barlow.runs.load_encoder(run)
    learned, learned_test = features_of(encoder, train, test)
    random, random_test = features_of(keras.models.clone_model(encoder), train, test)
    np.savez(
        work / "features.npz",
        train=learned,
        test=learned_test,
        random_train=random,
        random_test=random_test,
    )
    return {
        "training_seconds": training_seconds,
        "epochs": config["epochs"],
        "precision": config["dtype_policy"],
        "loss": metrics[-1]["loss"],
        "given": given,
    }


def recommend(train: np.ndarray, epochs: int, optimizer: str = "auto", seed: int = 0) -> Any:
    # PyTorch has Muon for matrices alone.
    settings = barlow.Settings(epochs=epochs, optimizer=optimizer, seed=seed)
    return barlow.recommend(len(train), train.shape[1:], settings)


def classifier(settings: Any, train: np.ndarray, classes: int) -> tuple[keras.Model, keras.Model]:
    """The encoder, and with random views before it and a linear classifier on top."""
    keras.utils.set_random_seed(settings.seed)
    encoder = barlow.models.encoder(settings.encoder, train.shape[1:])
    inputs = keras.Input(train.shape[1:])
    first, _ = barlow.views.ImageViews(settings.views)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(classes)(encoder(first)))
    model.compile(
        barlow.recommendation.optimizer(settings, len(train)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return encoder, model


def few(images: Any, work: pathlib.Path, seconds: float, _: Any) -> dict[str, Any]:
    """The same network from scratch on few labelled images alone, a sixth of the time for each."""
    train, test, labels = (images[name] for name in ("train", "test", "labels"))
    classes, rows = np.unique(labels), []
    for number in FEW:
        accuracies = []
        for seed in range(DRAWS):
            random = np.random.default_rng(seed)
            chosen = np.concatenate(
                [random.permutation(np.flatnonzero(labels == each))[:number] for each in classes]
            )
            own = seconds / len(FEW) / DRAWS
            predicted = predict_from(train[chosen], labels[chosen], test, own, seed)
            accuracies.append(float(np.mean(predicted == images["test_labels"])))
        accuracy, std = float(np.mean(accuracies)), float(np.std(accuracies))
        about = {"probe": "its own classifier", "labels_per_class": number}
        rows.append({**about, "accuracy": accuracy, "std": std})
    return {"rows": rows}


def predict_from(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, seconds: float, seed: int
) -> np.ndarray:
    """Classes of the test images, learned from these labelled images alone."""
    options = {"batch_size": min(128, len(train)), "verbose": 0}

    def make(epochs: int) -> tuple[keras.Model, keras.Model]:
        given = barlow.Settings(epochs=epochs, batch_size=options["batch_size"], seed=seed)
        settings = barlow.recommend(len(train), train.shape[1:], given)
        return classifier(settings, train, int(labels.max()) + 1)

    rate, (_, model) = Rate(), make(1000)
    model.fit(train, labels, epochs=1000, callbacks=[rate], **options)
    epochs = epochs_in(seconds, rate.value, math.ceil(len(train) / options["batch_size"]))
    encoder, model = make(epochs)
    model.fit(train, labels, epochs=epochs, **options)
    without_views = keras.Sequential([encoder, model.layers[-1]])
    return without_views.predict(test, batch_size=500, verbose=0).argmax(axis=1)


def supervised(
    images: Any, work: pathlib.Path, seconds: float, given: dict[str, Any]
) -> dict[str, Any]:
    """The same encoder and views, with the labels of all images and a linear classifier on top."""
    train, test, labels = (images[name] for name in ("train", "test", "labels"))

    def make(epochs: int) -> tuple[keras.Model, keras.Model, Any]:
        settings = recommend(train, epochs, seed=given.get("seed", 0))
        return *classifier(settings, train, int(labels.max()) + 1), settings

    rate = Rate()
    _, model, settings = make(2)
    options = {"batch_size": settings.batch_size, "verbose": 0}
    model.fit(train, labels, callbacks=[rate], **options)
    epochs = epochs_in(seconds, rate.value, len(train) // settings.batch_size)
    encoder, model, _ = make(epochs)
    begin = time.perf_counter()
    model.fit(train, labels, epochs=epochs, **options)
    training_seconds = time.perf_counter() - begin
    learned, learned_test = features_of(encoder, train, test)
    np.savez(work / "features.npz", train=learned, test=learned_test)
    return {"training_seconds": training_seconds, "epochs": epochs}


def lightly(
    images: Any, work: pathlib.Path, seconds: float, given: dict[str, Any], method: str = "lightly"
) -> dict[str, Any]:
    """The same network in plain PyTorch, and a loss of lightly; the rest as here or its example."""
    import _plain_torch
    import torch

    train, test = images["train"], images["test"]

    def constant(_: int) -> float:
        return _plain_torch.EXAMPLE_RATE

    def train_for(epochs: int, steps: int | None = None) -> tuple[torch.nn.Module, float]:
        """The network, and how many steps there were a second."""
        recommended = recommend(train, epochs, "adamw", given.get("seed", 0))
        torch.manual_seed(recommended.seed)
        network = _plain_torch.encoder()
        if method == "example":
            step, rates = _plain_torch.example_training(network, recommended), constant
        else:
            step = _plain_torch.METHODS[method](network, recommended)
            rates = barlow.recommendation.schedule(recommended, len(train))
        batches = barlow.data.Batches(train, recommended.batch_size, recommended.seed)
        number = steps or epochs * (len(train) // recommended.batch_size)
        for i in range(number):
            if i == WARM:
                begin = time.perf_counter()
            step(batches[i][0], float(rates(i)))
        return network, (number - WARM) / (time.perf_counter() - begin)

    epochs = given.get("epochs")
    if epochs is None:
        _, rate = train_for(2, WARM + TIMED)
        epochs = epochs_in(seconds, rate, len(train) // recommend(train, 2).batch_size)
    begin = time.perf_counter()
    network, _ = train_for(epochs)
    training_seconds = time.perf_counter() - begin
    learned, learned_test = (_plain_torch.features(network, each) for each in (train, test))
    np.savez(work / "features.npz", train=learned, test=learned_test)
    return {"training_seconds": training_seconds, "epochs": epochs}


def main() -> None:
    part, folder, seconds, given = sys.argv[1:]
    work = pathlib.Path(folder)
    with np.load(work / "images.npz") as file:
        images = dict(file)
    ways = {"barlow": learn, "supervised": supervised, "few": few}
    way = ways.get(part) or functools.partial(lightly, method=part)
    about = way(images, work, float(seconds), json.loads(given))
    about["backend"] = keras.backend.backend()
    (work / "about.json").write_text(json.dumps(about))


if __name__ == "__main__":
    main()
