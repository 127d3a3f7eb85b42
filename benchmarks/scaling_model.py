"""What travels between replicas in a step, and how long the loss takes beside it: a model.

    python benchmarks/scaling_model.py [--gigabytes-per-second 25] [--teraflops 100] [--here]

Formulas, for links and devices of a speed that is given, or with `--here` measured between two
processes of this machine. Nothing is measured on many machines: for 1 to 4,096 replicas and sizes
of the paper (Zbontar et al., 2021: ResNet-50, N 2,048, D 8,192; its figure 2 has N up to 4,096) and
larger ones,

- bytes that a replica receives for the loss: by gathering the embeddings, as barlow does; by
  summing the D x D correlation matrix, as the original code does (its gradient is then another);
- bytes for the gradient of the weights, which all have in common;
- milliseconds of both ways, for links and processors of the speed that is given, and of the loss of
  the whole batch, which each replica computes in float32;
- where the redundant work of the loss takes longer than the way of the weights.

The formulas of bytes are those that `benchmarks/devices_exactness` counts in real processes.
"""

import argparse

import devices_cost
from _results import save
from _tables import table

SIZES = (  # batch, features, million weights
    (2048, 8192, 161),  # ResNet-50 with the paper's projector
    (4096, 8192, 161),
    (16384, 8192, 161),
    (256, 2048, 3),  # barlow's conv on small images
)
REPLICAS = (1, 2, 4, 8, 32, 256, 1024, 4096)
FLOAT = 4  # bytes


def gathered(batch: int, features: int, replicas: int) -> float:
    """Bytes that a replica receives by gathering embeddings and the gradient of the values."""
    return FLOAT * batch * (2 * features + 1) * (replicas - 1) / replicas


def summed(features: int, replicas: int) -> float:
    """Bytes by a ring all-reduce of the correlation matrix."""
    return FLOAT * 2 * features**2 * (replicas - 1) / replicas


def weights(millions: float, replicas: int) -> float:
    """Bytes by a ring all-reduce of the gradient."""
    return FLOAT * 2 * millions * 1e6 * (replicas - 1) / replicas


def operations(batch: int, features: int) -> float:
    """Operations of the loss and its gradient in the cheaper form."""
    return min(8 * batch**2 * features, 6 * batch * features**2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes-per-second", type=float, default=25.0, help="of a link")
    parser.add_argument("--teraflops", type=float, default=100.0, help="of a device, for products")
    parser.add_argument("--here", action="store_true", help="measure both on this machine")
    given = parser.parse_args()
    if given.here:
        vars(given).update(devices_cost.measure("torch", "link"))
    per_millisecond = given.gigabytes_per_second * 1e6
    rows = []
    for batch, features, millions in SIZES:
        loss = operations(batch, features) / (given.teraflops * 1e9)
        for replicas in REPLICAS:
            if replicas > batch:
                continue
            ways = (
                gathered(batch, features, replicas),
                summed(features, replicas),
                weights(millions, replicas),
            )
            rows.append(
                {
                    "batch": batch,
                    "features": features,
                    "replicas": replicas,
                    "gathered_megabytes": ways[0] / 1e6,
                    "summed_megabytes": ways[1] / 1e6,
                    "weights_megabytes": ways[2] / 1e6,
                    "gathered_milliseconds": ways[0] / per_millisecond,
                    "summed_milliseconds": ways[1] / per_millisecond,
                    "weights_milliseconds": ways[2] / per_millisecond,
                    "loss_milliseconds": loss,
                }
            )
    print(table(rows))
    save("scaling_model_here" if given.here else "scaling_model", rows, **vars(given))


if __name__ == "__main__":
    main()
