"""One way from a folder of JPEGs to batches in a process of its own, driven over standard input.

    python benchmarks/_loading_worker.py IMPLEMENTATION

needs no more than what that implementation needs, so that each can live in its own environment.
Every line of input is a request in JSON, every line of output the answer:

    {"do": "prepare", "folder": F, "size": S, "batch": B}   open the folder, read one epoch
    {"do": "epoch"}     images, seconds, and peak bytes of the process and those that it started

An epoch begins with nothing read and ends with the last batch as a tensor of the backend.
"""

import concurrent.futures
import functools
import importlib.metadata
import os
import pathlib
import sys
import time

import _workers

WORKERS = 2


def barlow(backend, folder, size, batch):
    """`barlow.data.load` and `Batches`, to tensors of a backend."""
    os.environ["KERAS_BACKEND"] = backend
    import keras

    from barlow import data

    pixels = data.load(folder, (size, size), memory=0).pixels
    steps = len(pixels) // batch

    def epoch(number):
        batches = data.Batches(pixels, batch, seed=0, start=number * steps, workers=WORKERS)
        for step in range(steps):
            last = keras.ops.convert_to_tensor(batches[step][0])
        keras.ops.convert_to_numpy(last)  # wait for it
        return steps * batch

    return epoch


def decoding(folder, size, batch):
    """The reading that barlow does, alone: no batches, no order, nothing kept."""
    from barlow import data

    pixels = data.load(folder, (size, size), memory=0).pixels

    def epoch(number):
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as threads:
            for _ in threads.map(pixels.read, pixels.files):
                pass
        return len(pixels)

    return epoch


def torchvision(folder, size, batch):
    """`ImageFolder` and `DataLoader`, with processes, to the same crop and size."""
    import torch
    from torchvision import datasets, transforms

    bicubic = transforms.InterpolationMode.BICUBIC
    transform = transforms.Compose(
        [
            transforms.Resize(size, bicubic),
            transforms.CenterCrop(size),
            transforms.PILToTensor(),
        ]
    )
    loader = torch.utils.data.DataLoader(
        datasets.ImageFolder(folder, transform),
        batch_size=batch,
        shuffle=True,
        drop_last=True,
        num_workers=WORKERS,
        persistent_workers=True,
    )

    def epoch(number):
        images = 0
        for pixels, _ in loader:
            images += len(pixels)
        return images

    return epoch


IMPLEMENTATIONS = {
    "barlow JAX": functools.partial(barlow, "jax"),
    "barlow TensorFlow": functools.partial(barlow, "tensorflow"),
    "barlow PyTorch": functools.partial(barlow, "torch"),
    "decoding alone": decoding,
    "torchvision": torchvision,
}


def processes():
    """This process and those that it started."""
    own = os.getpid()
    stats = pathlib.Path("/proc").glob("[0-9]*/stat")
    parents = {
        int(stat.parent.name): int(stat.read_text().rsplit(")", 1)[1].split()[1]) for stat in stats
    }
    return [own, *(child for child, parent in parents.items() if parent == own)]


def peak():
    """Peak bytes of the processes since the last call; then forget it."""
    total = 0
    for process in processes():
        folder = pathlib.Path("/proc") / str(process)
        lines = (folder / "status").read_text().splitlines()
        total += next(int(x.split()[1]) * 1024 for x in lines if x.startswith("VmHWM:"))
        (folder / "clear_refs").write_text("5")
    return total


class Worker:
    """One implementation and what it does on request."""

    def __init__(self, implementation):
        self.make = IMPLEMENTATIONS[implementation]

    def prepare(self, folder, size, batch):
        """Open the folder; one epoch, so that everything has been loaded and started."""
        self.run, self.number = self.make(folder, size, batch), 0
        self.epoch()
        installed = importlib.metadata.distributions()
        versions = {package.name.lower(): package.version for package in installed}
        return {name: versions[name] for name in ("pillow", "torchvision") if name in versions}

    def epoch(self):
        """Images and seconds of an epoch, and the peak of memory in it."""
        peak()
        start = time.perf_counter()
        images = self.run(self.number)
        seconds = time.perf_counter() - start
        self.number += 1
        return {"images": images, "seconds": seconds, "peak_bytes": peak()}


if __name__ == "__main__":
    _workers.answer(Worker(sys.argv[1]))
