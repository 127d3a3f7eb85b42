"""Small trainings, one after the other in a process; see `many_trainings.py`."""

import gc
import os
import pathlib
import sys
import tempfile
import threading

import _workers

SIDE, IMAGES, BATCH = 8, 64, 32


class Trainings:
    """Trainings of one network on the same few images, by barlow or by Keras alone."""

    def __init__(self, implementation: str):
        self._by, os.environ["KERAS_BACKEND"] = implementation.split()
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import numpy as np

        rng = np.random.default_rng(0)
        self._images = rng.integers(0, 256, (IMAGES, SIDE, SIDE, 1)).astype("uint8")
        self._folder = tempfile.TemporaryDirectory()
        self._done = 0

    def train(self) -> dict[str, float]:
        """Train once; returns what the process has afterwards."""
        run = pathlib.Path(self._folder.name) / str(self._done)
        self._with_barlow(run) if self._by == "barlow" else self._with_keras(run)
        self._done += 1
        gc.collect()
        status = pathlib.Path("/proc/self/status").read_text().splitlines()
        resident = next(line for line in status if line.startswith("VmRSS"))
        return {
            "megabytes": int(resident.split()[1]) / 1024,
            # Python also knows threads that the backend made and that called it once.
            "threads": sum(not each.name.startswith("Dummy") for each in threading.enumerate()),
            "files": len(list(pathlib.Path("/proc/self/fd").iterdir())),
        }

    def _with_barlow(self, run: pathlib.Path) -> None:
        import barlow

        settings = barlow.Settings(epochs=1, batch_size=BATCH, seed=self._done)
        barlow.pretrain(self._images, run, settings)

    def _with_keras(self, run: pathlib.Path) -> None:
        import keras
        import numpy as np

        from barlow import models

        images, model_file = self._images, run.with_suffix(".keras")

        class Batches(keras.utils.PyDataset):
            def __len__(self) -> int:
                return IMAGES // BATCH

            def __getitem__(self, index: int) -> tuple:
                return images[index * BATCH :][:BATCH], np.zeros((BATCH, 512))

        encoder = models.encoder("conv", (SIDE, SIDE, 1))
        model = keras.Sequential([encoder, models.projector(encoder.output_shape[1])])
        model.compile("adamw", "mse")
        model.fit(Batches(), verbose=0)
        model.predict(images, verbose=0)
        model.save(model_file)


if __name__ == "__main__":
    _workers.answer(Trainings(sys.argv[1]))
