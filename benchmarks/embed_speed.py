"""Images per second of `embed`: beside `predict`, a plain PyTorch loop, and on Ray.

    python benchmarks/embed_speed.py [--images 16384] [--rounds 5]

Images are 32 x 32 in colour, weights are random. Two tables:

- arrays in memory, on every backend, with the smallest encoder, "conv", and with "resnet18" (an
  eighth of the images): `encoder.predict`, `barlow.embed`, and `barlow.vectors.write`, which also
  hashes every image and writes the file;
- a folder of JPEGs of 250 x 188 pixels, with "conv" on PyTorch: `vectors.write`; a `Dataset` of
  Pillow, a `DataLoader` of two processes and a loop over the same Keras network; `vectors.write`
  with Ray and two workers on the same two cores, the start of Ray included.

In every round each way is taken once, in turn; figures are medians over the rounds, and ratios
medians of the ratios within a round.
"""

import argparse
import contextlib
import itertools
import os
import pathlib
import statistics
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "torch")

import _workers
import numpy as np
from _results import save
from _tables import table
from PIL import Image
from sklearn.datasets import load_sample_images

ARRAYS = ("predict", "embed", "write")
FOLDER = ("folder_write", "folder_loader", "folder_ray")
NAMES = {
    "predict": "encoder.predict",
    "embed": "barlow.embed",
    "write": "barlow.vectors.write",
    "folder_write": "barlow.vectors.write",
    "folder_loader": "DataLoader and a loop",
    "folder_ray": "barlow.vectors.write, Ray, 2 workers",
}


def write_jpegs(folder: pathlib.Path, number: int) -> None:
    photos = load_sample_images().images
    random = np.random.default_rng(0)
    for row in range(number):
        photo = photos[row % len(photos)]
        top, left = random.integers(0, photo.shape[0] - 188), random.integers(0, 640 - 250)
        crop = photo[top : top + 188, left : left + 250]
        Image.fromarray(crop).save(folder / f"{row:05}.jpg", quality=90)


def measure(worker, ways, rounds: int) -> dict[str, list[float]]:
    """Images per second of every way, by round."""
    speeds = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            done = worker("run", way=way)
            speeds[way].append(done["images"] / done["seconds"])
    return speeds


def rows_of(name: str, network: str, backend: str, speeds: dict[str, list[float]]) -> list[dict]:
    first = next(iter(speeds))
    return [
        {
            "images": name,
            "encoder": network,
            "backend": backend,
            "way": NAMES[way],
            "images_per_second": statistics.median(each),
            f"of {NAMES[first]}": statistics.median(
                one / other for one, other in zip(each, speeds[first], strict=True)
            ),
        }
        for way, each in speeds.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=16_384)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    import barlow

    rows = []
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        folder = pathlib.Path(place)
        (folder / "photos").mkdir()
        write_jpegs(folder / "photos", arguments.images)
        pixels = np.random.default_rng(0).integers(0, 256, (arguments.images, 32, 32, 3))
        for network, images in (
            ("resnet18", pixels[: arguments.images // 8]),
            ("conv", pixels),
        ):
            np.save(folder / f"{network}.npy", images.astype("uint8"))
            barlow.models.encoder(network, (32, 32, 3)).save(folder / f"{network}.keras")
        for network, backend in itertools.product(
            ("resnet18", "conv"), ("tensorflow", "jax", "torch")
        ):
            worker = stack.enter_context(
                _workers.start(sys.executable, backend, "_embed_worker.py")
            )
            worker(
                "prepare",
                images=str(folder / f"{network}.npy"),
                encoder=str(folder / f"{network}.keras"),
                folder=str(folder / "photos"),
            )
            speeds = measure(worker, ARRAYS, arguments.rounds)
            rows += rows_of("arrays in memory", network, backend, speeds)
            if (network, backend) == ("conv", "torch"):
                print(table(rows), flush=True)
                speeds = measure(worker, FOLDER, max(2, arguments.rounds // 2))
                rows += rows_of("JPEGs", network, backend, speeds)
                print(table(rows[-len(FOLDER) :]))
            worker.close()
    save("embed_speed", rows, number_of_images=arguments.images)


if __name__ == "__main__":
    main()
