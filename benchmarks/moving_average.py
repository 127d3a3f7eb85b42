"""What an encoder of the digits is worth that ends with a moving average of its weights.

    pip install 'barlow[torch,bench]'
    python benchmarks/moving_average.py

Trains for 300 and for 1,200 steps without an average and with `--ema` 0.99 and 0.999, on three
splits with a seed each. Beside them, of the same trainings: Keras' average, whose momentum does not
grow, and barlow's, both with the statistics of batch normalisation of the last weights.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import pathlib
import tempfile
from typing import Any

import keras
import numpy as np
from _results import save

import barlow
from barlow import data, evaluation, runs

BATCH, STEPS_PER_EPOCH = 64, 20
STEPS, MOMENTUMS, SEEDS = (300, 1200), (0.99, 0.999), (0, 1, 2)


class KerasAverages(keras.callbacks.Callback):
    """The averages of the encoder's weights that Keras keeps, by their momentum."""

    def __init__(self) -> None:
        super().__init__()
        self.averages: dict[float, list[np.ndarray]] = {}

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Average the weights after a step."""
        variables = self.model.encoder.trainable_variables
        weights = [np.array(keras.ops.convert_to_numpy(w), "float64") for w in variables]
        for m in MOMENTUMS:
            before = self.averages.get(m, weights)
            pairs = zip(before, weights, strict=True)
            self.averages[m] = [m * average + (1 - m) * weight for average, weight in pairs]


def main() -> None:
    rows: list[dict[str, Any]] = []
    for steps in STEPS:
        found = [accuracies(steps, seed) for seed in SEEDS]
        for name in found[0]:
            values = {key: [each[name][key] for each in found] for key in found[0][name]}
            row = {"steps": steps, "average": name, "accuracies": values}
            rows.append(row | {key: np.mean(each) for key, each in values.items()})
            shown = ", ".join(f"{key} {np.mean(each):.3f}" for key, each in values.items())
            print(f"{steps:5} steps, {name}: {shown}", flush=True)
    save("moving_average", rows, seeds=SEEDS, batch_size=BATCH, backend=keras.backend.backend())


def accuracies(steps: int, seed: int) -> dict[str, dict[str, float]]:
    """Of every way to end a training of so many steps: accuracies by probe."""
    train, test = evaluation.split(data.digits(), seed=seed)
    train = train[: BATCH * STEPS_PER_EPOCH]

    def learned(ema: float | None, *callbacks: keras.callbacks.Callback) -> keras.Model:
        settings = barlow.Settings(
            epochs=steps // STEPS_PER_EPOCH, batch_size=BATCH, seed=seed, ema=ema
        )
        with tempfile.TemporaryDirectory() as folder:
            run = barlow.pretrain(train.pixels, pathlib.Path(folder) / "run", settings, callbacks)
            return runs.load_encoder(run)

    def worth(encoder: keras.Model) -> dict[str, float]:
        how: Any = {"labels_per_class": (1, 10), "regularization": (1.0,)}
        probes = evaluation.evaluate(encoder, train, test, seed, **how)
        return {
            f"{row.probe} {row.labels_per_class or 'all'}": row.accuracy
            for row in probes
            if row.features == "learned"
        }

    keras_averages = KerasAverages()
    encoder = learned(None, keras_averages)
    found = {"none": worth(encoder)}
    for momentum in MOMENTUMS:
        average = learned(momentum)
        found[f"barlow {momentum}"] = worth(average)
        weights = [keras.ops.convert_to_numpy(w) for w in average.trainable_variables]
        for name, values in (
            (f"barlow {momentum}, statistics of the last weights", weights),
            (f"Keras alone {momentum}", keras_averages.averages[momentum]),
        ):
            for variable, value in zip(encoder.trainable_variables, values, strict=True):
                variable.assign(value)
            found[name] = worth(encoder)
    return found


if __name__ == "__main__":
    main()
