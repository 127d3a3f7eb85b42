"""The loss and both gradients on a GPU: barlow on each backend beside the usual form and lightly's.

    benchmarks/gpu.sh

runs this. Time, memory and, with PyTorch, launches of a value and its gradients: eager and
compiled, of float32 (products in float32), TF32 and bfloat16 inputs. What is not installed or does
not fit into memory or time is left out or said. "Launches" are the kernels that the profiler saw on
the device, or what PyTorch dispatched where there is no GPU.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import _gpu
import numpy as np

SIZES = [(256, 2048), (256, 8192), (2048, 8192), (4096, 8192), (256, 65536)]
PRECISIONS = ["float32", "tf32", "bfloat16"]
IMPLEMENTATIONS = [
    "barlow PyTorch",
    "usual form PyTorch",
    "lightly PyTorch",
    "barlow JAX",
    "usual form JAX",
    "barlow TensorFlow",
    "barlow PyTorch compiled",
    "usual form PyTorch compiled",
]
SECONDS = 240.0  # all of them together
ONE = 0.3  # a measurement

Run = tuple[Callable[[], Any], Callable[[Any], Any], Callable[[], dict[str, Any]]]
"""The step, the wait for its result, and what else is known of it."""


def main() -> None:
    arguments = _gpu.parser(__doc__.splitlines()[0]).parse_args()
    smallest = arguments.smallest
    if arguments.implementation:
        measure(arguments.implementation, arguments.until, smallest)
        return
    names = IMPLEMENTATIONS[:2] if smallest else IMPLEMENTATIONS
    rows = _gpu.measure_all(names, 60.0 if smallest else SECONDS, smallest)
    _gpu.write("gpu_loss", rows, arguments.out)
    try:
        draw(rows, arguments.out / "gpu_loss.png")
    except ImportError as error:
        print(f"No picture: {error}")


def measure(name: str, until: float, smallest: bool) -> None:
    """Print a row for every size and precision, in that order, until the time is over."""
    library = name.split()[1 if name.startswith("barlow") else -1]
    make = {"JAX": jax, "TensorFlow": tensorflow}.get(library, torch)
    for precision in ["float32"] if smallest else PRECISIONS:
        for n, d in [(16, 64)] if smallest else SIZES:
            if time.time() > until:
                return
            row: dict[str, Any] = {"n": n, "d": d, "precision": precision}
            try:
                run, wait, known = make(name, n, d, precision)
                row["milliseconds"] = _gpu.milliseconds(run, wait, 0.01 if smallest else ONE)
                row.update(known())
            except ImportError as error:
                print(json.dumps({"absent": str(error)}), flush=True)
                return
            except Exception as error:  # such as too little memory, of each library another
                row["error"] = f"{type(error).__name__}: {str(error)[:100]}"
            print(json.dumps(row), flush=True)


def draw_batch(n: int, d: int) -> list[np.ndarray]:
    """Two batches that correlate."""
    rng = np.random.default_rng(0)
    za = rng.standard_normal((n, d), "float32")
    return [za, 0.7 * za + 0.5 * rng.standard_normal((n, d), "float32")]


def barlow_loss() -> Callable[..., Any]:
    from barlow.losses import Barlow

    return Barlow()


def torch(name: str, n: int, d: int, precision: str) -> Run:
    import torch

    on_gpu = torch.cuda.is_available()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    za, zb = (
        torch.tensor(z, device="cuda" if on_gpu else "cpu", dtype=dtype, requires_grad=True)
        for z in draw_batch(n, d)
    )
    loss = torch_loss(name)
    if name.endswith("compiled"):
        torch.compiler.reset()
        loss = torch.compile(loss, fullgraph=name.startswith("barlow"))

    def run() -> Any:
        za.grad = zb.grad = None
        loss(za, zb).backward()

    def wait(_: Any) -> None:
        if on_gpu:
            torch.cuda.synchronize()

    def known() -> dict[str, Any]:
        from _launches import Launches

        if not on_gpu and name.endswith("compiled"):
            return {"device": "CPU"}
        if not on_gpu:
            with Launches() as launches:
                run()
            return {"device": "CPU", "launches": launches.kernels.total()}
        wait(None)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        peak = torch.cuda.max_memory_allocated() - before
        activities = [torch.profiler.ProfilerActivity.CUDA, torch.profiler.ProfilerActivity.CPU]
        with torch.profiler.profile(activities=activities) as profile:
            run()
            wait(None)
        on_device = [e for e in profile.events() if e.device_type.name == "CUDA"]
        return {
            "device": torch.cuda.get_device_name(),
            "bytes": peak,
            "launches": len(on_device),
        }

    return run, wait, known


def torch_loss(name: str) -> Callable[..., Any]:
    if name.startswith("barlow"):
        return of_float32(barlow_loss())
    if name.startswith("usual"):
        from _usual_form import usual_form

        return of_float32(usual_form())
    from lightly.loss import BarlowTwinsLoss

    return of_float32(BarlowTwinsLoss(lambda_param=0.005))


def of_float32(loss: Callable[..., Any]) -> Callable[..., Any]:
    """Half precision is widened by each of them alike: the paper's loss is one of float32."""
    return lambda za, zb: loss(za.float(), zb.float())


def jax(name: str, n: int, d: int, precision: str) -> Run:
    import jax

    exact = "tensorfloat32" if precision == "tf32" else "float32"
    jax.config.update("jax_default_matmul_precision", exact)
    dtype = jax.numpy.bfloat16 if precision == "bfloat16" else jax.numpy.float32
    za, zb = (jax.numpy.asarray(z, dtype) for z in draw_batch(n, d))
    loss = barlow_loss() if name.startswith("barlow") else usual_form_of_jax
    step = jax.jit(jax.value_and_grad(lambda a, b: loss(*wide(a, b)), (0, 1)))

    def wide(*matrices: Any) -> Any:
        return [matrix.astype("float32") for matrix in matrices]

    def known() -> dict[str, Any]:
        device = jax.devices()[0]
        found = {"device": device.device_kind}
        try:
            found["bytes"] = step.lower(za, zb).compile().memory_analysis().temp_size_in_bytes
        except Exception as error:  # not every version and device says it
            found["bytes_unknown"] = type(error).__name__
        return found

    return lambda: step(za, zb), jax.block_until_ready, known


def usual_form_of_jax(za: Any, zb: Any) -> Any:
    import jax.numpy as jnp

    a, b = ((z - z.mean(0)) / jnp.sqrt(z.var(0) + 1e-5) for z in (za, zb))
    c = a.T @ b / len(a)
    own = jnp.diagonal(c)
    return ((1 - own) ** 2).sum() + 0.005 * ((c**2).sum() - (own**2).sum())


def tensorflow(name: str, n: int, d: int, precision: str) -> Run:
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
    dtype = tf.bfloat16 if precision == "bfloat16" else tf.float32
    za, zb = (tf.cast(tf.constant(z), dtype) for z in draw_batch(n, d))
    loss = barlow_loss()

    @tf.function(jit_compile=True)
    def step() -> Any:
        with tf.GradientTape() as tape:
            tape.watch([za, zb])
            value = loss(tf.cast(za, tf.float32), tf.cast(zb, tf.float32))
        return value, tape.gradient(value, [za, zb])

    gpus = tf.config.list_physical_devices("GPU")
    name = tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "CPU"
    return step, lambda results: results[0].numpy(), lambda: {"device": name}


def draw(rows: list[dict[str, Any]], path: Any) -> None:
    """Milliseconds by size, a line of bars for each precision."""
    from matplotlib.figure import Figure

    timed = [row for row in rows if "milliseconds" in row]
    precisions = list(dict.fromkeys(row["precision"] for row in timed))
    names = list(dict.fromkeys(row["implementation"] for row in timed))
    sizes = list(dict.fromkeys((row["n"], row["d"]) for row in timed))
    figure = Figure(figsize=(12, 3 * len(precisions) + 1), layout="constrained")
    every = figure.subplots(len(precisions), squeeze=False)[:, 0]
    for axes, precision in zip(every, precisions, strict=True):
        for i, name in enumerate(names):
            own = [r for r in timed if (r["implementation"], r["precision"]) == (name, precision)]
            places = [sizes.index((r["n"], r["d"])) + 0.8 * i / len(names) for r in own]
            label = name if axes is every[0] else None
            axes.bar(places, [r["milliseconds"] for r in own], 0.8 / len(names), label=label)
        axes.set(yscale="log", ylabel=f"{precision}, ms (log scale)")
        axes.set_xticks(range(len(sizes)), [f"N={n}\nD={d}" for n, d in sizes])
    figure.legend(loc="outside upper center", frameon=False, fontsize="small", ncols=4)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
