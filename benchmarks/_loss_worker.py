"""One implementation of the loss in a process of its own, driven over standard input.

    python benchmarks/_loss_worker.py IMPLEMENTATION

needs no more than what that implementation needs, so that each can live in its own environment.
Every line of input is a request in JSON, every line of output the answer:

    {"do": "prepare", "n": N, "d": D}            draw two correlated batches, compile, warm up
    {"do": "time", "what": W, "seconds": S}      milliseconds of every run of W, for S seconds
    {"do": "peak"}                               bytes that one loss and gradient add at their peak
    {"do": "compute", "inputs": P, "outputs": Q} value and gradients of the arrays in P, into Q

W is "loss" (value and both gradients) or the bare matrix products of a form, "gram" or
"correlation", in the same backend.
"""

import functools
import importlib.util
import os
import pathlib
import sys
import time

import _workers
import numpy as np

THREADS = 2


def tensorflow(make_loss, jit_compile):
    """Value and gradients, and bare products, as a `tf.function`."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    loss = make_loss()

    def step(za, zb):
        with tf.GradientTape() as tape:
            tape.watch([za, zb])
            value = loss(za, zb)
        return value, *tape.gradient(value, [za, zb])

    def products(form, a, b):
        if form == "gram":
            gram_a, gram_b = tf.matmul(a, a, transpose_b=True), tf.matmul(b, b, transpose_b=True)
            return tf.matmul(gram_b, a), tf.matmul(gram_a, b)
        c = tf.matmul(a, b, transpose_a=True)
        return tf.matmul(a, c), tf.matmul(b, c, transpose_b=True)

    def bind(function, *arrays):
        compiled = tf.function(function, jit_compile=jit_compile)
        tensors = [tf.constant(array) for array in arrays]

        def run():
            results = compiled(*tensors)
            results[-1].numpy()  # wait for it
            return results

        return run

    return step, products, bind, lambda x: tf.cast(x, tf.float64).numpy()


def products(form, a, b):
    """The matrix products that a form needs, forward and backward."""
    if form == "gram":
        return (b @ b.T) @ a, (a @ a.T) @ b
    c = a.T @ b
    return a @ c, b @ c.T


def jax(make_loss):
    """Value and gradients, and bare products, jitted."""
    import jax

    loss = make_loss()

    def step(za, zb):
        value, gradients = jax.value_and_grad(loss, (0, 1))(za, zb)
        return value, *gradients

    def bind(function, *arrays):
        compiled = jax.jit(function)
        tensors = [jax.numpy.asarray(array) for array in arrays]
        return lambda: jax.block_until_ready(compiled(*tensors))

    return step, products, bind, lambda x: np.asarray(x).astype("float64")


def torch(make_loss):
    """Value and gradients, and bare products, eager."""
    import torch

    torch.set_num_threads(THREADS)
    loss = make_loss()

    def step(za, zb):
        za.grad = zb.grad = None
        value = loss(za, zb)
        value.backward()
        return value.detach(), za.grad, zb.grad

    def bind(function, *arrays):
        def tensor(array):
            if array.dtype.name == "bfloat16":  # torch does not know NumPy's
                return torch.tensor(array.astype("float32")).to(torch.bfloat16)
            return torch.tensor(array)

        tensors = [tensor(array).requires_grad_() for array in arrays]
        return lambda: function(*tensors)

    return step, torch.no_grad()(products), bind, lambda x: x.detach().to(torch.float64).numpy()


def barlow():
    """The loss of this project."""
    from barlow.losses import Barlow

    return Barlow()


def lightly():
    """The loss of lightly; its gather is for many processes."""
    from lightly.loss import BarlowTwinsLoss

    return BarlowTwinsLoss(lambda_param=0.005)


def solo_learn():
    """The function of solo-learn, from its file: the package needs many others to be imported."""
    spec = importlib.util.find_spec("solo")
    path = pathlib.Path(spec.submodule_search_locations[0]) / "losses" / "barlow.py"
    spec = importlib.util.spec_from_file_location("solo_barlow", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda za, zb: module.barlow_loss_func(za, zb, lamb=0.005, scale_loss=1.0)


def stable_pretraining():
    """The loss of stable-pretraining."""
    from stable_pretraining.losses import BarlowTwinsLoss

    return BarlowTwinsLoss(lambd=0.005)


def tensorflow_similarity():
    """The loss of TensorFlow Similarity."""
    import tensorflow_similarity

    return tensorflow_similarity.losses.Barlow()


def _barlow_on(backend):
    os.environ["KERAS_BACKEND"] = backend
    return barlow


def _on_legacy_keras():
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    return tensorflow_similarity


IMPLEMENTATIONS = {
    "barlow JAX": lambda: jax(_barlow_on("jax")),
    "barlow TensorFlow XLA": lambda: tensorflow(_barlow_on("tensorflow"), jit_compile=True),
    "barlow TensorFlow graph": lambda: tensorflow(_barlow_on("tensorflow"), jit_compile=False),
    "barlow PyTorch": lambda: torch(_barlow_on("torch")),
    "TF Similarity XLA": lambda: tensorflow(_on_legacy_keras(), jit_compile=True),
    "TF Similarity graph": lambda: tensorflow(_on_legacy_keras(), jit_compile=False),
    "lightly": lambda: torch(lightly),
    "solo-learn": lambda: torch(solo_learn),
    "stable-pretraining": lambda: torch(stable_pretraining),
}


def draw(n, d):
    """Two batches that correlate."""
    rng = np.random.default_rng(0)
    za = rng.normal(size=(n, d)).astype("float32")
    zb = (0.7 * za + 0.5 * rng.normal(size=(n, d))).astype("float32")
    return za, zb


def status(key):
    """A figure of Linux' account of this process, in bytes."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key + ":"))


class Worker:
    """One implementation and what it does on request."""

    def __init__(self, implementation):
        self.step, self.products, self.bind, self.to_float64 = IMPLEMENTATIONS[implementation]()
        self.runs = {}

    def prepare(self, n, d):
        """Draw two batches that correlate, and bind the functions that are timed to them."""
        arrays = draw(n, d)
        self.runs = {"loss": self.bind(self.step, *arrays)}
        for form in ("gram", "correlation"):
            self.runs[form] = self.bind(functools.partial(self.products, form), *arrays)
        for run in self.runs.values():
            run()
        return {}

    def time(self, what, seconds):
        """Milliseconds of every run."""
        run, times = self.runs[what], []
        run()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or not times:
            start = time.perf_counter()
            run()
            times.append(1e3 * (time.perf_counter() - start))
        return {"milliseconds": times}

    def peak(self, n, d):
        """Bytes that the loss and its gradient add to the process at their peak."""
        self.bind(self.step, *draw(8, 16))()  # what the libraries load once does not count
        run = self.bind(self.step, *draw(n, d))
        pathlib.Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        before = status("VmRSS")
        run()
        return {"bytes": status("VmHWM") - before}

    def compute(self, inputs, outputs):
        """Value and gradients of arrays in a file, into another, in float64."""
        with np.load(inputs) as file:
            arrays = [file[name].astype(dtype_named(str(file["dtype"]))) for name in ("za", "zb")]
        results = [self.to_float64(result) for result in self.bind(self.step, *arrays)()]
        np.savez(outputs, **dict(zip(("value", "za", "zb"), results, strict=True)))
        return {}


def dtype_named(name):
    """NumPy's dtype; bfloat16 is not its own."""
    if name != "bfloat16":
        return np.dtype(name)
    import ml_dtypes

    return np.dtype(ml_dtypes.bfloat16)


if __name__ == "__main__":
    _workers.answer(Worker(sys.argv[1]))
