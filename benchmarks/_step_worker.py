"""Training steps of one implementation in a process of its own, driven over standard input.

    python benchmarks/_step_worker.py IMPLEMENTATION

With " in bfloat16" after its name, one of barlow's trains in Keras' policy mixed_bfloat16.

Every line of input is a request in JSON, every line of output the answer:

    {"do": "prepare", "images": FILE, "batch_size": B}   make the model and its first steps
    {"do": "whole", "steps": S}    seconds of a step with all that belongs to training
    {"do": "bare", "steps": S}     of encoder, projector, loss, gradient and optimizer alone
    {"do": "part", "name": P, "steps": S}    of one of PARTS
"""

import os
import pathlib
import sys
import tempfile
import time

import _workers

NAMES = {
    "barlow TensorFlow graph": ("tensorflow", False),
    "barlow TensorFlow XLA": ("tensorflow", True),
    "barlow JAX": ("jax", True),
    "barlow PyTorch": ("torch", False),
    "barlow PyTorch compiled": ("torch", True),
    "lightly, plain PyTorch": ("torch", False),
}
HALF = " in bfloat16"
WARM = 3  # steps
PARTS = {
    "without loss": "the bare step with a sum in place of the loss",
    "nor optimizer": "that with plain gradient descent",
    "nor normalisation": "that without batch normalisation",
    "nor work": "that on two images: Python, and launching",
    "views": "two views of each image",
}


def recommend(images, batch_size):
    import barlow

    given = barlow.Settings(batch_size=batch_size, optimizer="adamw")  # as in plain PyTorch
    return barlow.recommend(len(images), images.shape[1:], given)


class Barlow:
    """What `barlow.pretrain` does, and the same network with neither views nor metrics."""

    def __init__(self, compiled):
        self._compiled = compiled

    def prepare(self, images, batch_size):
        import keras
        import numpy as np

        import barlow
        from barlow.training import checkpoints

        class Bare(barlow.BarlowTwins):
            """Without the two terms."""

            def compute_loss(self, x=None, y=None, y_pred=None, *_, **__):
                return self.objective(*y_pred)

        images = np.load(images)
        recommended = recommend(images, batch_size)
        layer = barlow.views.ImageViews(recommended.views, seed=0)
        models = []
        for kind, views in ((barlow.BarlowTwins, layer), (Bare, None)):
            encoder = barlow.models.encoder(recommended.encoder, images.shape[1:])
            model = kind(encoder, recommended.projector, views)
            optimizer = barlow.recommendation.optimizer(recommended, len(images))
            model.compile(optimizer, jit_compile=self._compiled)
            models.append(model)
        self._model, self._bare = models
        self._images, self._recommended = images[:batch_size], (recommended, len(images))
        self._parts = {}
        self._pair = tuple(keras.ops.convert_to_tensor(view) for view in layer(images[:batch_size]))
        self._batches = lambda step: barlow.data.Batches(images, batch_size, 0, step)
        self._folder = tempfile.TemporaryDirectory()
        self._record = lambda: checkpoints.Record(
            pathlib.Path(self._folder.name), 10**6, batch_size, 60.0
        )
        self._step = 0

        class Timer(keras.callbacks.Callback):
            """From the end of the first steps of a fit to the end of its last."""

            def on_train_begin(self, logs=None):
                self.ends = []

            def on_train_batch_end(self, batch, logs=None):
                self.ends.append(time.perf_counter())

        self._timer = Timer()
        self.whole(1)
        self.bare(1)
        return {"backend": keras.backend.backend(), "recommended": vars(recommended)}

    def whole(self, steps):
        steps += WARM
        self._model.fit(
            self._batches(self._step),
            steps_per_epoch=steps,
            shuffle=False,
            callbacks=[self._record(), self._timer],
            verbose=0,
        )
        self._step += steps
        ends = self._timer.ends
        return {"seconds": (ends[-1] - ends[WARM - 1]) / (steps - WARM)}

    def bare(self, steps):
        for step in range(WARM + steps):
            if step == WARM:
                begin = time.perf_counter()
            self._bare.train_on_batch(self._pair)
        return {"seconds": (time.perf_counter() - begin) / steps}

    def part(self, name, steps):
        if name not in self._parts:
            self._parts[name] = self._prepare_part(name)
        run = self._parts[name]
        for step in range(WARM + steps):
            if step == WARM:
                begin = time.perf_counter()
            run()
        return {"seconds": (time.perf_counter() - begin) / steps}

    def _prepare_part(self, name):
        import keras

        import barlow

        if name == "views":
            inputs = keras.Input(self._images.shape[1:])
            model = keras.Model(inputs, self._model.views(inputs))
            model.compile(jit_compile=self._compiled)
            return lambda: model.predict_on_batch(self._images)

        class Summed(barlow.BarlowTwins):
            """With a loss that costs nothing."""

            def compute_loss(self, x=None, y=None, y_pred=None, *_, **__):
                return keras.ops.mean(y_pred[0] * y_pred[1])

        networks = [self._bare.encoder, self._bare.projector]
        if name in ("nor normalisation", "nor work"):
            networks = [_without_normalization(network) for network in networks]
        model = Summed(*map(keras.models.clone_model, networks), views=None)
        optimizer = barlow.recommendation.optimizer(*self._recommended)
        if name != "without loss":
            optimizer = keras.optimizers.SGD(0.0)
        model.compile(optimizer, jit_compile=self._compiled)
        pair = tuple(view[:2] for view in self._pair) if name == "nor work" else self._pair
        return lambda: model.train_on_batch(pair)


def _without_normalization(network):
    """The network, with batch normalisation replaced by nothing."""
    import keras

    class Nothing(keras.layers.Layer):
        def call(self, inputs, training=None, mask=None):
            return inputs

    def replace(layer):
        if isinstance(layer, keras.layers.BatchNormalization):
            return Nothing(name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    return keras.models.clone_model(network, clone_function=replace)


class Lightly:
    """The same network, batch and views in plain PyTorch, with lightly's loss."""

    def prepare(self, images, batch_size):
        import _plain_torch
        import numpy as np

        import barlow

        images = np.load(images)
        recommended = recommend(images, batch_size)
        self._train = _plain_torch.training(_plain_torch.encoder(), recommended)
        self._batches = barlow.data.Batches(images, batch_size, 0)
        self._step = 0
        self.whole(1)
        return {"backend": "torch"}

    def whole(self, steps):
        for step in range(WARM + steps):
            if step == WARM:
                begin = time.perf_counter()
            self._train(self._batches[self._step][0], 1e-3)
            self._step += 1
        return {"seconds": (time.perf_counter() - begin) / steps}


def main():
    name = sys.argv[1]
    backend, compiled = NAMES[name.removesuffix(HALF)]
    os.environ["KERAS_BACKEND"] = backend
    sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "src"))
    if name.endswith(HALF):
        import keras

        keras.config.set_dtype_policy("mixed_bfloat16")
    _workers.answer(Lightly() if name.startswith("lightly") else Barlow(compiled))


if __name__ == "__main__":
    main()
