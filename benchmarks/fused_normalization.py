"""What batch normalisation as one operation saves of a training step: see `barlow.models.fused`.

    python benchmarks/fused_normalization.py [--rounds 5]

A step is `train_on_batch` of the whole model, views included, with AdamW and batches of 256. Every
backend is a process of its own with two equal models, of which one has Keras' own layers in
training. In every round each trains in turn, so that drift of the machine hits both alike. The
share is the median over the rounds of 1 - (time fused) / (time with Keras' layers). JAX has no such
operation.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from _results import save
from _tables import table

BATCH = 256
ENCODERS = {"conv": (32, 32, 3), "resnet18": (16, 16, 3)}
SECONDS = 2.0  # of one model in one round, but at least one step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--backend", help=argparse.SUPPRESS)  # in the process of a backend
    arguments = parser.parse_args()
    if arguments.backend:
        measure(arguments.backend, arguments.rounds)
        return
    rows = []
    for backend in ("tensorflow", "torch"):
        command = [sys.executable, __file__, "--backend", backend]
        output = subprocess.run(
            [*command, "--rounds", str(arguments.rounds)],
            env={**os.environ, "KERAS_BACKEND": backend},
            stdout=subprocess.PIPE,
            check=True,
        )
        found = [json.loads(line) for line in output.stdout.splitlines()]
        print(table(found), flush=True)
        rows += found
    save("fused_normalization", rows, batch_size=BATCH, rounds=arguments.rounds)


def measure(backend: str, rounds: int) -> None:
    for encoder, image_shape in ENCODERS.items():
        models = {"fused": make(encoder, image_shape), "keras": make(encoder, image_shape)}
        models["keras"]._fused = None  # before the first step is traced
        times = {name: [] for name in models}
        for model in models.values():
            step(model, 1)  # compiles
        steps = {name: max(1, round(SECONDS / step(model, 1))) for name, model in models.items()}
        for _ in range(rounds):
            for name, model in models.items():
                times[name].append(step(model, steps[name]))
        pairs = zip(times["fused"], times["keras"], strict=True)
        row = {
            "backend": backend,
            "encoder": encoder,
            "image_shape": image_shape,
            "fused_ms": 1000 * statistics.median(times["fused"]),
            "keras_ms": 1000 * statistics.median(times["keras"]),
            "share_saved": statistics.median(1 - fused / keras for fused, keras in pairs),
        }
        print(json.dumps(row))


def make(encoder: str, image_shape: tuple[int, int, int]):
    import keras

    import barlow

    keras.utils.set_random_seed(0)
    views = barlow.views.ImageViews("photos", seed=0)
    model = barlow.BarlowTwins(barlow.models.encoder(encoder, image_shape), (512, 2048), views)
    model.compile(keras.optimizers.AdamW(1e-3))
    return model


def step(model, steps: int) -> float:
    """Seconds of a step."""
    import numpy as np

    image_shape = model.encoder.input_shape[1:]
    images = np.random.default_rng(0).integers(0, 256, (BATCH, *image_shape), dtype="uint8")
    begin = time.perf_counter()
    for _ in range(steps):
        model.train_on_batch(images)
    return (time.perf_counter() - begin) / steps


if __name__ == "__main__":
    main()
