"""One way to two views of every image of a batch in a process of its own, over standard input.

    python benchmarks/_views_worker.py IMPLEMENTATION

needs no more than what that implementation needs, so that each can live in its own environment.
Every line of input is a request in JSON, every line of output the answer:

    {"do": "prepare", "images": P, "size": S}   load the batch in P, compile; mean and deviation
    {"do": "time", "seconds": S}                views per second over S seconds or more, and those
    {"do": "show", "count": N, "path": Q}       the first N images' views, 0 .. 255, into Q

Every implementation takes a batch ``[n, height, width, 3]`` of bytes that is already in memory, as
what it asks for (tensors of the backend, tensors with the channels first, PIL images), and makes
two batches of float32 of it.
"""

import functools
import importlib.metadata
import os
import sys
import time
from typing import NamedTuple

import _workers
import numpy as np

THREADS = 2  # or processes
BATCHES = 4  # of an epoch of a DataLoader


class View(NamedTuple):
    """What a view is made with, besides what all views have."""

    size: int
    area: float  # of the smallest crop
    bicubic: bool
    blur: float  # probability
    solarize: float  # probability


# The recipe for small photographs, and the paper's; both have two different views.
VIEWS = {
    32: (View(32, 0.2, False, 0.0, 0.0), View(32, 0.2, False, 0.0, 0.2)),
    224: (View(224, 0.08, True, 1.0, 0.0), View(224, 0.08, True, 0.1, 0.2)),
}
RATIO = (3 / 4, 4 / 3)
JITTER = (0.4, 0.4, 0.2, 0.1)  # brightness, contrast, saturation, hue
SIGMA = (0.1, 2.0)
KERNEL = 13  # pixels: three of the largest deviations to either side


def barlow(backend, images, size, jit_compile=False):
    """`ImageViews`, as it runs inside the training step."""
    os.environ["KERAS_BACKEND"] = backend
    from barlow.views import ImageViews

    recipe = {32: "photos", 224: "imagenet"}[size]
    return in_keras(ImageViews(recipe, size=(size, size)), images, jit_compile)


def keras_layers(backend, images, size):
    """The preprocessing layers of Keras, on JAX eager, since jitted they are slower."""
    os.environ["KERAS_BACKEND"] = backend
    import keras
    from keras import layers, ops

    class Sometimes(layers.Layer):
        """A layer on some of the images: the preprocessing layers have no probability."""

        def __init__(self, layer, probability):
            super().__init__()
            self.layer, self.probability = layer, probability
            self.generator = keras.random.SeedGenerator()

        def call(self, images):
            draws = keras.random.uniform((images.shape[0], 1, 1, 1), seed=self.generator)
            return ops.where(draws < self.probability, self.layer(images), images)

    def view(of):
        side = of.area**0.5
        shift = (1 - side) / 4
        brightness, contrast, saturation, hue = JITTER
        jitter = layers.RandomColorJitter(
            value_range=(0, 1),
            brightness_factor=brightness,
            contrast_factor=contrast,
            # Keras' factor is f / (1 - f) of the saturation, and half a turn of the hue.
            saturation_factor=tuple(f / (1 + f) for f in (1 - saturation, 1 + saturation)),
            hue_factor=(0.0, 2 * hue),
        )
        steps = [layers.Rescaling(1 / 255)]
        if images.shape[1] != of.size:
            steps.append(layers.Resizing(of.size, of.size))
        steps += [
            layers.RandomTranslation(shift, shift),
            layers.RandomZoom((side - 1, 0.0), (side - 1, 0.0)),
            layers.RandomFlip("horizontal"),
            Sometimes(jitter, 0.8),
            layers.RandomGrayscale(0.2),
        ]
        if of.blur:
            steps.append(
                layers.RandomGaussianBlur(
                    (of.blur, of.blur), 7, (SIGMA[0], 1.0), value_range=(0, 1)
                )
            )
        if of.solarize:
            solarization = layers.Solarization(threshold_factor=(0.5, 0.5), value_range=(0, 1))
            steps.append(Sometimes(solarization, of.solarize))
        return steps

    class Views(layers.Layer):
        """Two views, each by its own layers."""

        def __init__(self):
            super().__init__()
            self.views = [view(of) for of in VIEWS[size]]

        def call(self, images):
            return [
                functools.reduce(lambda x, step: step(x), steps, images) for steps in self.views
            ]

    return in_keras(Views(), images, compiled=backend != "jax", scale=255)


def in_keras(layer, images, jit_compile=False, compiled=True, scale=1):
    """A layer as a training step has it: compiled where the backend compiles, seeds handed on."""
    import keras

    batch = keras.ops.convert_to_tensor(images)

    def show(view):
        return scale * keras.ops.convert_to_numpy(view)

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        function = tf.function(layer, jit_compile=jit_compile)

        def run():
            views = function(batch)
            tf.test.experimental.sync_devices()
            return views

    elif keras.backend.backend() == "jax" and not compiled:
        import jax

        def run():
            return jax.block_until_ready(layer(batch))

    elif keras.backend.backend() == "jax":
        import jax

        @jax.jit
        def step(state, batch):
            with keras.StatelessScope(list(zip(layer.variables, state, strict=True))) as scope:
                views = layer(batch)
            return views, [scope.get_current_value(variable) for variable in layer.variables]

        state = [variable.value for variable in layer.variables]

        def run():
            nonlocal state
            views, state = jax.block_until_ready(step(state, batch))
            return views

    else:
        import torch

        from barlow import backend

        torch.set_num_threads(THREADS)
        backend.keep_freed_memory()  # as `fit` does

        @torch.no_grad()
        def run():
            return layer(batch)

    return run, 1, show


def torchvision(kind, images, size):
    """The second version of torchvision's transforms."""
    import torch
    from PIL import Image, ImageFilter
    from torchvision.transforms import InterpolationMode, v2

    def blur(image):
        """The blur of the paper's own code, which is faster than torchvision's on PIL images."""
        return image.filter(ImageFilter.GaussianBlur(torch.empty(1).uniform_(*SIGMA).item()))

    def view(of):
        mode = InterpolationMode.BICUBIC if of.bicubic else InterpolationMode.BILINEAR
        steps = [
            v2.RandomResizedCrop(of.size, (of.area, 1.0), RATIO, interpolation=mode),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(*JITTER)], 0.8),
            v2.RandomGrayscale(0.2),
        ]
        if of.blur:
            step = blur if kind == "PIL" else v2.GaussianBlur(KERNEL, SIGMA)
            steps.append(v2.RandomApply([step], of.blur))
        if of.solarize:
            steps.append(v2.RandomSolarize(128, of.solarize))
        return v2.Compose([*steps, v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])

    if kind == "PIL":
        return in_processes([Image.fromarray(image) for image in images], map(view, VIEWS[size]))
    return in_processes(list(channels_first(images)), map(view, VIEWS[size]))


def lightly(images, size):
    """The two transforms of BYOL, whose recipe the paper took over."""
    from lightly.transforms import BYOLView1Transform, BYOLView2Transform
    from PIL import Image

    transforms = [
        transform(
            of.size,
            min_scale=of.area,
            gaussian_blur=of.blur,
            solarization_prob=of.solarize,
            normalize=None,
        )
        for transform, of in zip((BYOLView1Transform, BYOLView2Transform), VIEWS[size], strict=True)
    ]
    return in_processes([Image.fromarray(image) for image in images], transforms)


def kornia(images, size):
    """The augmentations of kornia, each image with its own draws."""
    import torch
    from kornia import augmentation

    torch.set_num_threads(THREADS)
    batch = channels_first(images)

    def view(of):
        steps = [
            augmentation.RandomResizedCrop(
                (of.size, of.size),
                (of.area, 1.0),
                RATIO,
                resample="bicubic" if of.bicubic else "bilinear",
                align_corners=False,
            ),
            augmentation.RandomHorizontalFlip(),
            augmentation.ColorJitter(*JITTER, p=0.8),
            augmentation.RandomGrayscale(p=0.2),
        ]
        if of.blur:
            steps.append(augmentation.RandomGaussianBlur((KERNEL, KERNEL), SIGMA, p=of.blur))
        if of.solarize:
            steps.append(augmentation.RandomSolarize((0.5, 0.5), (0.0, 0.0), p=of.solarize))
        return augmentation.AugmentationSequential(*steps, data_keys=["input"], same_on_batch=False)

    views = [view(of) for of in VIEWS[size]]

    @torch.no_grad()
    def run():
        unit = batch.to(torch.float32) / 255
        return [view(unit) for view in views]

    return run, 1, channels_last


def in_processes(items, transforms):
    """Two transforms of each item, by the processes of a `DataLoader`; a run is a whole epoch."""
    import torch

    transforms = list(transforms)

    class Pairs(torch.utils.data.Dataset):
        def __len__(self):
            return BATCHES * len(items)

        def __getitem__(self, i):
            return [transform(items[i % len(items)]) for transform in transforms]

    loader = torch.utils.data.DataLoader(
        Pairs(), batch_size=len(items), num_workers=THREADS, persistent_workers=True
    )

    def run():
        for views in loader:
            last = views
        return last

    return run, BATCHES, channels_last


def channels_first(images):
    """A tensor of PyTorch."""
    import torch

    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def channels_last(view):
    """An array of 0 .. 255 from a tensor of 0 .. 1 of PyTorch."""
    return 255 * view.permute(0, 2, 3, 1).numpy()


IMPLEMENTATIONS = {
    "barlow JAX": functools.partial(barlow, "jax"),
    "barlow TensorFlow XLA": functools.partial(barlow, "tensorflow", jit_compile=True),
    "barlow TensorFlow graph": functools.partial(barlow, "tensorflow"),
    "barlow PyTorch": functools.partial(barlow, "torch"),
    "Keras layers JAX eager": functools.partial(keras_layers, "jax"),
    "Keras layers TensorFlow graph": functools.partial(keras_layers, "tensorflow"),
    "Keras layers PyTorch": functools.partial(keras_layers, "torch"),
    "torchvision tensors": functools.partial(torchvision, "tensors"),
    "torchvision PIL": functools.partial(torchvision, "PIL"),
    "lightly PIL": lightly,
    "kornia": kornia,
}


class Worker:
    """One implementation and what it does on request."""

    def __init__(self, implementation):
        self.make = IMPLEMENTATIONS[implementation]

    def prepare(self, images, size):
        """Compile and warm up; mean and deviation of the views, and that they are views."""
        images = np.load(images)
        self.run, batches, show = self.make(images=images, size=size)
        self.count = 2 * batches * len(images)
        self.arrays = lambda: [np.asarray(show(view), "float32") for view in self.run()]
        once, again = self.arrays(), self.arrays()
        for views in (once, again):
            assert [view.shape for view in views] == [(len(images), size, size, 3)] * 2
        changes = [
            # The image that changes least; a bright sky may be all white in both.
            np.abs(a - b).mean((1, 2, 3))[a.std((1, 2, 3)) > 0].min()
            for a, b in (once, again, *zip(once, again, strict=True))
        ]
        assert min(changes) > 0, f"Some image has the same view twice; changes: {changes}"
        together = np.stack(once + again)
        installed = importlib.metadata.distributions()
        versions = {package.name.lower(): package.version for package in installed}
        return {
            "mean": float(together.mean()),
            "deviation": float(together.std()),
            "versions": {name: versions[name] for name in PACKAGES if name in versions},
        }

    def time(self, seconds):
        """Views per second."""
        runs, start = 0, time.perf_counter()
        while time.perf_counter() < start + seconds:
            self.run()
            runs += 1
        spent = time.perf_counter() - start
        return {"views_per_second": runs * self.count / spent, "seconds": spent}

    def show(self, count, path):
        """Views of the first images, into a file."""
        np.save(path, np.stack([view[:count] for view in self.arrays()]))
        return {}


PACKAGES = ("torch", "torchvision", "lightly", "kornia", "pillow")

if __name__ == "__main__":
    _workers.answer(Worker(sys.argv[1]))
