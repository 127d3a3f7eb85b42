"""Operations that PyTorch launches for the loss and both gradients: barlow and the usual form.

    python benchmarks/launches.py [--largest NUMBERS]

On a GPU each of them is a kernel or a few, which the host launches in some microseconds, however
small the batch is. They are counted without a GPU: barlow's few operations and the usual form, with
batch normalisation and the D x D product, on PyTorch's device without values; barlow's blocks of
columns on a CPU, if a product there has no more than `--largest` multiplications.
"""

import argparse
import contextlib
import os

os.environ["KERAS_BACKEND"] = "torch"

import torch
from _launches import Launches, on_meta
from _results import save
from _tables import table
from _usual_form import usual_form

from barlow.kernel import per_sample_loss
from barlow.losses import Barlow

SIZES = [(64, 256), (256, 2048), (256, 8192), (2048, 8192), (4096, 8192), (256, 65536)]
SIZES += [(2048, 2048), (4096, 1024)]  # in the correlation form


def weighted(za, zb):
    """The loss with a weight for each sample."""
    return Barlow()(za, zb, torch.ones(len(za)))


def in_blocks(za, zb):
    """The loss as on a CPU, however small it is."""
    return per_sample_loss(za, zb, 0.005, few=False, equal=True).sum() / len(za)


IMPLEMENTATIONS = {
    "barlow, few operations": (Barlow(), on_meta),
    "barlow, few operations, with weights": (weighted, on_meta),
    "barlow, blocks": (in_blocks, contextlib.nullcontext),
    "usual form": (usual_form(), on_meta),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=float, default=1e11)
    arguments = parser.parse_args()
    rows = []
    for n, d in SIZES:
        for name, (loss, mode) in IMPLEMENTATIONS.items():
            if name.endswith("blocks") and n * d * min(n, d) > arguments.largest:
                continue
            with mode():
                launches = count(loss, n, d)
            rows.append(
                {
                    "n": n,
                    "d": d,
                    "implementation": name,
                    "kernels": launches.kernels.total(),
                    "waits": launches.waits.total(),
                }
            )
    print(table(rows))
    save("launches", rows)


def count(loss, n: int, d: int) -> Launches:
    """What one loss and its gradient dispatch, after one that may prepare something."""
    za, zb = (torch.randn(n, d, requires_grad=True) for _ in range(2))
    loss(za, zb).backward()
    za.grad = zb.grad = None
    with Launches() as launches:
        loss(za, zb).backward()
    return launches


if __name__ == "__main__":
    main()
