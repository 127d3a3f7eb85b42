"""Whole training steps of ResNet-50 on a GPU: barlow beside plain PyTorch, eager and compiled.

    benchmarks/gpu.sh

runs this. A step is two views that are on the device already, encoder, projector (three layers of
8,192), loss, gradient and SGD; images of 224 x 224 pixels, a batch of 256, mixed precision with
bfloat16. Plain PyTorch has the loss as it is usually written, and channels last.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import _gpu
import numpy as np

IMPLEMENTATIONS = [
    "barlow PyTorch",
    "plain PyTorch",
    "plain PyTorch compiled",
    "barlow PyTorch compiled",
    "barlow JAX compiled",
]
SECONDS = 180.0  # all of them together
ONE = 3.0  # a measurement


def main() -> None:
    arguments = _gpu.parser(__doc__.splitlines()[0]).parse_args()
    smallest = arguments.smallest
    if arguments.implementation:
        measure(arguments.implementation, smallest)
        return
    names = IMPLEMENTATIONS[:2] if smallest else IMPLEMENTATIONS
    rows = _gpu.measure_all(names, 60.0 if smallest else SECONDS, smallest)
    _gpu.write("gpu_step", rows, arguments.out)
    try:
        draw(rows, arguments.out / "gpu_step.png")
    except ImportError as error:
        print(f"No picture: {error}")


def measure(name: str, smallest: bool) -> None:
    """Print the row of an implementation."""
    batch, side, widths = (4, 32, (16, 16)) if smallest else (256, 224, (8192, 8192, 8192))
    views = np.random.default_rng(0).integers(0, 256, (2, batch, side, side, 3)).astype("float32")
    row: dict[str, Any] = {"batch": batch, "side": side}
    make = plain if name.startswith("plain") else barlow
    before = time.perf_counter()
    try:
        run, wait, device = make(views, widths, name.endswith("compiled"), smallest)
        wait(run())
        row["seconds_until_first"] = time.perf_counter() - before
        row["milliseconds"] = _gpu.milliseconds(run, wait, 0.1 if smallest else ONE)
        row["images_per_second"] = 1e3 * batch / row["milliseconds"]
        row["device"] = device
    except Exception as error:  # such as too little memory, of each library another
        row["error"] = f"{type(error).__name__}: {str(error)[:100]}"
    print(json.dumps(row), flush=True)


Run = tuple[Callable[[], Any], Callable[[Any], Any], str]
"""The step, the wait for its result, and the name of the device."""


def barlow(views: np.ndarray, widths: tuple[int, ...], compiled: bool, smallest: bool) -> Run:
    import keras

    import barlow

    if not smallest:
        keras.config.set_dtype_policy("mixed_bfloat16")
    name = "conv" if smallest else "resnet50"
    model = barlow.BarlowTwins(barlow.models.encoder(name, views.shape[2:]), widths)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), jit_compile=compiled)
    pair = tuple(keras.ops.convert_to_tensor(view) for view in views)
    if keras.backend.backend() == "jax":
        import jax

        device = jax.devices()[0].device_kind
    else:
        device = torch_device()
    return lambda: model.train_on_batch(pair), lambda _: None, device


def torch_device() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


def plain(views: np.ndarray, widths: tuple[int, ...], compiled: bool, smallest: bool) -> Run:
    import torch
    from _plain_resnet import projector, resnet50
    from _usual_form import usual_form

    where = "cuda" if torch.cuda.is_available() else "cpu"
    encoder, features = (resnet50((1,)), 256) if smallest else (resnet50(), 2048)
    model = torch.nn.Sequential(encoder, projector(features, widths))
    model = model.to(where, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    first, second = (
        torch.tensor(view, device=where).permute(0, 3, 1, 2) / 127.5 - 1 for view in views
    )
    loss = usual_form()

    def forward(first: Any, second: Any) -> Any:
        with torch.autocast(where, torch.bfloat16, enabled=not smallest):
            embeddings = model(first), model(second)
        return loss(*(z.float() for z in embeddings))

    forward = torch.compile(forward) if compiled else forward

    def run() -> Any:
        optimizer.zero_grad()
        value = forward(first, second)
        value.backward()
        optimizer.step()
        return value

    return run, lambda value: value.item(), torch_device()


def draw(rows: list[dict[str, Any]], path: Any) -> None:
    """Bars of images per second."""
    from matplotlib.figure import Figure

    timed = [row for row in rows if "milliseconds" in row]
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    axes.barh([row["implementation"] for row in timed], [r["images_per_second"] for r in timed])
    axes.invert_yaxis()
    axes.set(xlabel="images per second, whole step")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
