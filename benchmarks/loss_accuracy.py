"""Relative error of the loss and its gradient against float64, on ordinary and hard inputs.

    python benchmarks/loss_accuracy.py [--tfsim PYTHON] [--lightly PYTHON]

The truth is computed in float64 with NumPy from the very numbers that the implementations get,
that is after rounding to their dtype. The error of a value is relative to it, that of a gradient
the largest difference over the largest value of the truth. Which numbers come out rounded well is
chance, so each is the root of the mean square over some draws. (stable-pretraining divides by
another deviation, so its value differs by design.)
"""

import contextlib
import pathlib
import tempfile

import _workers
import ml_dtypes
import numpy as np
from _results import save
from _tables import table

N, D, LAMBDA = 256, 1024, 0.005
DRAWS = 10
INPUTS = {  # dtype and what is done to standard normal columns
    "ordinary": ("float32", lambda z: z),
    "offset 10": ("float32", lambda z: z + 10),
    "offset 1000": ("float32", lambda z: z + 1000),
    "scale 1e-4": ("float32", lambda z: z * 1e-4),
    "scale 1e4": ("float32", lambda z: z * 1e4),
    "scale 1e-15": ("float32", lambda z: z * 1e-15),
    "scale 1e25": ("float32", lambda z: z * 1e25),
    "float16": ("float16", lambda z: z),
    "float16, deviation 8": ("float16", lambda z: z * 8),
    "float16, deviation 1000": ("float16", lambda z: z * 1000),
    "bfloat16": ("bfloat16", lambda z: z),
}


def main() -> None:
    arguments = _workers.parser(__doc__.splitlines()[0]).parse_args()
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(DRAWS):
        normal = rng.normal(size=(N, D))
        draws.append((normal, 0.7 * normal + 0.5 * rng.normal(size=(N, D))))
    rows = []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        inputs, outputs = pathlib.Path(folder) / "in.npz", pathlib.Path(folder) / "out.npz"
        for name, python in _workers.available(arguments).items():
            worker = stack.enter_context(_workers.start(python, name))
            for case, (dtype, change) in INPUTS.items():
                rounding = np.dtype(getattr(ml_dtypes, dtype, dtype))
                row = {"implementation": name, "inputs": case}
                try:
                    found = []
                    for pair in draws:
                        za, zb = (change(z).astype(rounding).astype("float64") for z in pair)
                        np.savez(inputs, za=za, zb=zb, dtype=dtype)
                        worker("compute", inputs=str(inputs), outputs=str(outputs))
                        with np.load(outputs) as file:
                            found.append(errors(file, truth(za, zb)))
                    row |= root_mean_square(found)
                except RuntimeError as error:
                    row["failed"] = str(error)
                rows.append(row)
            print(table([row for row in rows if row["implementation"] == name]), flush=True)
    save("loss_accuracy", rows, n=N, d=D, draws=DRAWS)


def truth(za, zb):
    """Value and gradients in float64, with the D x D matrix."""
    a, b = ((z - z.mean(0)) / z.std(0) for z in (za, zb))
    c = a.T @ b / N
    weight = np.full((D, D), LAMBDA)
    np.fill_diagonal(weight, 1)
    residual = weight * (c - np.eye(D))
    slope = 2 * residual / N

    def pull_back(gradient, standardized, std):
        along = (gradient * standardized).mean(0)
        return (gradient - gradient.mean(0) - standardized * along) / std

    return {
        "value": (residual * (c - np.eye(D))).sum(),
        "za": pull_back(b @ slope.T, a, za.std(0)),
        "zb": pull_back(a @ slope, b, zb.std(0)),
    }


def errors(found, expected):
    """Largest differences over the largest value of the truth."""
    gradients = [
        np.abs(found[z] - expected[z]).max() / np.abs(expected[z]).max() for z in ("za", "zb")
    ]
    return {
        "error_of_value": abs(found["value"] / expected["value"] - 1),
        "error_of_gradient": max(gradients),
    }


def root_mean_square(found):
    """Of every error over the draws."""
    both = {name: np.sqrt(np.mean([each[name] ** 2 for each in found])) for name in found[0]}
    return {
        name: float(error) if np.isfinite(error) else "not finite" for name, error in both.items()
    }


if __name__ == "__main__":
    main()
