"""A process of several that compute a loss together; see `devices_exactness.py`.

    torchrun --nproc-per-node R benchmarks/_devices_worker.py IMPLEMENTATION ARRAYS OUT

Each process has its rows of the embeddings in ARRAYS. What counts is what a training would do with
them: `DistributedDataParallel` averages the gradients of the processes, so the gradient of a row is
that of its own process over the number of processes. The first process writes to OUT the gradients
of all rows, the value that each process reports and the bytes that a process received.
"""

import sys

import numpy as np
import torch
from _loss_worker import solo_learn, stable_pretraining
from torch import distributed


def barlow():
    """The loss of this project."""
    from barlow.losses import Barlow

    return Barlow()


def lightly_gathering():
    """That of lightly, as its documentation sets it for many processes."""
    from lightly.loss import BarlowTwinsLoss

    return BarlowTwinsLoss(lambda_param=0.005, gather_distributed=True)


def original():
    """As the code of the paper does it: own rows normalised together, the correlation summed."""

    def loss(za, zb):
        a, b = (normalized(z) for z in (za, zb))
        correlation = a.T @ b / (len(a) * distributed.get_world_size())
        distributed.all_reduce(correlation)  # in place; its gradient is that of the own rows
        diagonal = torch.diagonal(correlation)
        off_diagonal = correlation.square().sum() - diagonal.square().sum()
        return (diagonal - 1).square().sum() + 0.005 * off_diagonal

    def normalized(z):
        norm = torch.nn.SyncBatchNorm if z.is_cuda else GlobalNorm
        return norm(z.shape[1], affine=False)(z)

    return loss


class GlobalNorm(torch.nn.Module):
    """`SyncBatchNorm`, which a CPU does not have, in its place."""

    def __init__(self, features, affine):
        super().__init__()

    def forward(self, z):
        from torch.distributed.nn import all_reduce  # with a gradient

        count = len(z) * distributed.get_world_size()
        centred = z - all_reduce(z.sum(0)) / count
        return centred / (all_reduce(centred.square().sum(0)) / count + 1e-5).sqrt()


LOSSES = {
    "barlow": barlow,
    "the paper's code": original,
    "lightly": lightly_gathering,
    "solo-learn": solo_learn,
    "stable-pretraining": stable_pretraining,
}


class Received:
    """Counts the bytes that this process receives."""

    def __init__(self):
        self.total = 0
        gather, reduce = distributed.all_gather, distributed.all_reduce
        others = distributed.get_world_size() - 1

        def all_gather(parts, own, *rest, **options):
            self.total += others * own.numel() * own.element_size()
            return gather(parts, own, *rest, **options)

        def all_reduce(own, *rest, **options):  # of a ring, which sends each part twice
            self.total += 2 * others * own.numel() * own.element_size() // (others + 1)
            return reduce(own, *rest, **options)

        distributed.all_gather, distributed.all_reduce = all_gather, all_reduce


def main():
    implementation, arrays, out = sys.argv[1:]
    distributed.init_process_group("gloo")
    rank, processes = distributed.get_rank(), distributed.get_world_size()
    received = Received()
    with np.load(arrays) as file:
        za, zb = (
            torch.tensor(np.array_split(file[name], processes)[rank], requires_grad=True)
            for name in ("za", "zb")
        )
    value = LOSSES[implementation]()(za, zb)
    value.backward()
    counted = received.total
    rows = torch.cat([za.grad, zb.grad], 1) / processes
    parts = [torch.empty_like(rows) for _ in range(processes)]
    distributed.all_gather(parts, rows)
    values = [torch.empty(()) for _ in range(processes)]
    distributed.all_gather(values, value.detach().float())
    if rank == 0:
        gradients = torch.cat(parts).numpy()
        np.savez(out, gradients=gradients, values=torch.stack(values).numpy(), received=counted)
    distributed.barrier()  # else a process may abort if another one has left before it
    distributed.destroy_process_group()


main()
