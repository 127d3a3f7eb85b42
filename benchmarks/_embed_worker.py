"""One way to embed in a process of its own, driven over standard input; see `embed_speed.py`.

    python benchmarks/_embed_worker.py BACKEND

Every line of input is a request in JSON, every line of output the answer.
"""

import os
import pathlib
import shutil
import sys
import tempfile
import time

import _workers

BATCH = 256


class Embedding:
    """Ways to embed the same images with the same encoder; each returns seconds."""

    def __init__(self, backend: str):
        os.environ["KERAS_BACKEND"] = backend
        import keras
        import numpy as np

        import barlow

        self._barlow, self._keras, self._np = barlow, keras, np
        self._out = pathlib.Path(tempfile.mkdtemp())

    def prepare(self, images: str, encoder: str, folder: str | None = None) -> dict:
        self._images = self._np.load(images)
        self._encoder_path, self._folder = encoder, folder
        self._encoder = self._keras.models.load_model(encoder, compile=False)
        for way in ("predict", "embed", "write"):  # compiled once
            self.run(way)
        return {}

    def run(self, way: str) -> dict:
        for path in self._out.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        start = time.perf_counter()
        number = getattr(self, f"_{way}")()
        return {"seconds": time.perf_counter() - start, "images": number}

    def _predict(self) -> int:
        return len(self._encoder.predict(self._images, batch_size=BATCH, verbose=0))

    def _embed(self) -> int:
        return len(self._barlow.embed(self._encoder, self._images, batch_size=BATCH))

    def _write(self) -> int:
        out = self._out / "x.parquet"
        return self._barlow.vectors.write(self._encoder, self._images, out, batch_size=BATCH).rows

    def _folder_write(self) -> int:
        out = self._out / "x.parquet"
        return self._barlow.vectors.write(self._encoder, self._folder, out, batch_size=BATCH).rows

    def _folder_ray(self) -> int:
        vectors, out = self._barlow.vectors, self._out / "x.parquet"
        engine = vectors.Ray(workers=2)
        return vectors.write(
            self._encoder_path, self._folder, out, batch_size=BATCH, engine=engine
        ).rows

    def _folder_loader(self) -> int:
        """What one writes without barlow: Dataset, DataLoader of two processes, a loop."""
        import torch
        from PIL import Image

        files = sorted(pathlib.Path(self._folder).rglob("*.jpg"))
        height, width, _ = self._encoder.input_shape[1:]

        class Files(torch.utils.data.Dataset):
            def __len__(self):
                return len(files)

            def __getitem__(self, row):
                with Image.open(files[row]) as image:
                    image.draft("RGB", (2 * width, 2 * height))
                    side = min(image.size)
                    left, top = (image.width - side) / 2, (image.height - side) / 2
                    box = (left, top, left + side, top + side)
                    small = image.convert("RGB").resize((width, height), BICUBIC, box=box)
                    return torch.from_numpy(numpy.array(small))

        numpy, BICUBIC = self._np, Image.Resampling.BICUBIC
        loader = torch.utils.data.DataLoader(Files(), BATCH, num_workers=2)
        with torch.inference_mode():
            parts = [self._encoder(batch, training=False).numpy() for batch in loader]
        self._np.save(self._out / "x.npy", self._np.concatenate(parts))
        return len(files)


_workers.answer(Embedding(sys.argv[1]))
