"""One training of `quality_fashion_mnist.py`: images in, features out.

    python _fashion_worker.py barlow|supervised|lightly FOLDER SECONDS SETTINGS

reads `images.npz` of the folder and writes `features.npz` and `about.json`. How many epochs fit
into the time is measured on some first steps, of a training that is thrown away.
"""

import json
import os
import pathlib
import sys
import time
from typing import Any

if sys.argv[1] == "lightly":  # for the views; the network is plain PyTorch
    os.environ["KERAS_BACKEND"] = "torch"
    sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "src"))

import keras
import numpy as np

import barlow

WARM, TIMED = 5, 40  # steps
MARGIN = 0.95  # of the time is planned for


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
    """`barlow.pretrain` by its own settings, but for the epochs."""
    train, test = images["train"], images["test"]
    trial, rate = work / "trial", Rate()
    barlow.pretrain(
        train, trial, barlow.Settings(epochs=2, **given), callbacks=[rate], overwrite=True
    )
    batch_size = barlow.runs.read_config(trial)["batch_size"]
    epochs = epochs_in(seconds, rate.value, len(train) // batch_size)
    settings = barlow.Settings(epochs=epochs, **given)
    run = barlow.pretrain(train, work / "run", settings, overwrite=True)
    metrics, config = barlow.runs.read_metrics(run), barlow.runs.read_config(run)
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
        "training_seconds": sum(row["seconds"] for row in metrics),
        "epochs": epochs,
        "loss": metrics[-1]["loss"],
        "config": config,
    }


def recommended(train: np.ndarray, epochs: int) -> Any:
    return barlow.recipes.recommend(len(train), train.shape[1:], barlow.Settings(epochs=epochs))


def supervised(images: Any, work: pathlib.Path, seconds: float, _: Any) -> dict[str, Any]:
    """The same encoder and views, with the labels of all images and a linear classifier on top."""
    train, test, labels = (images[name] for name in ("train", "test", "labels"))

    def make(epochs: int) -> tuple[keras.Model, keras.Model, Any]:
        settings = recommended(train, epochs)
        keras.utils.set_random_seed(settings.seed)
        encoder = barlow.models.encoder(settings.encoder, train.shape[1:])
        inputs = keras.Input(train.shape[1:])
        first, _ = barlow.views.ImageViews(settings.views)(inputs)
        model = keras.Model(inputs, keras.layers.Dense(int(labels.max()) + 1)(encoder(first)))
        model.compile(
            barlow.recipes.optimizer(settings, len(train)),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        return encoder, model, settings

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


def lightly(images: Any, work: pathlib.Path, seconds: float, _: Any) -> dict[str, Any]:
    """The same network in plain PyTorch, channels last, and lightly's loss; barlow's views."""
    import torch
    from lightly.loss import BarlowTwinsLoss
    from torch import nn

    train, test = images["train"], images["test"]
    settings = recommended(train, 2)
    views = barlow.views.ImageViews(settings.views, seed=settings.seed)
    steps_per_epoch = len(train) // settings.batch_size

    def encoder() -> nn.Module:
        """`barlow.models.encoder("conv", (28, 28, 1))`, but for where the padding goes."""
        layers, channels = [], 1
        for filters, size in ((64, 5), (128, 3), (256, 3), (256, 3)):
            layers += [
                nn.Conv2d(channels, filters, size, stride=2, padding=size // 2, bias=False),
                nn.BatchNorm2d(filters),
                nn.ReLU(),
            ]
            channels = filters
        pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return nn.Sequential(*layers, pooled).to(memory_format=torch.channels_last)

    def projector(features: int) -> nn.Module:
        *hidden, last = settings.projector
        layers = []
        for width in hidden:
            layers += [nn.Linear(features, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
            features = width
        return nn.Sequential(*layers, nn.Linear(features, last, bias=False))

    def to_inputs(pixels: torch.Tensor) -> torch.Tensor:
        return (pixels / 127.5 - 1).permute(0, 3, 1, 2)

    def train_for(steps: int, epochs: int) -> tuple[nn.Module, float]:
        torch.manual_seed(settings.seed)
        network, head, criterion = encoder(), projector(256), BarlowTwinsLoss(settings.lambda_)
        optimizer = torch.optim.AdamW(
            [*network.parameters(), *head.parameters()],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        rates = barlow.recipes.schedule(recommended(train, epochs), len(train))
        random = np.random.default_rng(settings.seed)
        for step in range(steps):
            if step == WARM:
                begin = time.perf_counter()
            if step % steps_per_epoch == 0:
                order = random.permutation(len(train))
            start = step % steps_per_epoch * settings.batch_size
            batch = train[order[start : start + settings.batch_size]]
            with torch.no_grad():
                pair = [to_inputs(view) for view in views(batch)]
            loss = criterion(*(head(network(view)) for view in pair))
            for group in optimizer.param_groups:
                group["lr"] = float(rates(step))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return network, (steps - WARM) / (time.perf_counter() - begin)

    _, rate = train_for(WARM + TIMED, epochs=2)
    epochs = epochs_in(seconds, rate, steps_per_epoch)
    begin = time.perf_counter()
    network, _ = train_for(epochs * steps_per_epoch, epochs)
    training_seconds = time.perf_counter() - begin
    network.eval()
    with torch.no_grad():
        learned, learned_test = (
            np.concatenate(
                [
                    network(to_inputs(torch.from_numpy(pixels[i : i + 500]).float())).numpy()
                    for i in range(0, len(pixels), 500)
                ]
            )
            for pixels in (train, test)
        )
    np.savez(work / "features.npz", train=learned, test=learned_test)
    return {"training_seconds": training_seconds, "epochs": epochs}


def main() -> None:
    part, folder, seconds, given = sys.argv[1:]
    work = pathlib.Path(folder)
    with np.load(work / "images.npz") as file:
        images = dict(file)
    ways = {"barlow": learn, "supervised": supervised, "lightly": lightly}
    about = ways[part](images, work, float(seconds), json.loads(given))
    about["backend"] = keras.backend.backend()
    (work / "about.json").write_text(json.dumps(about))


if __name__ == "__main__":
    main()
