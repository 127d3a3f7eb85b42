"""Peak memory of the loss and its gradient over that of the process with its inputs.

    python benchmarks/loss_memory.py [--tfsim PYTHON] [--lightly PYTHON]

One fresh process per implementation and size; the peak is Linux' VmHWM. The gradients themselves
are a part of it. An implementation that fails at a size, for want of memory say, is said so.
"""

import _workers
from _results import save
from _tables import bars, table
from loss_speed import SIZES

WIDE = [(256, 16384), (256, 32768), (256, 65536)]
MOST_BYTES = 8e9  # peers hold about five D x D matrices; where those need more they are left out


def main() -> None:
    arguments = _workers.parser(__doc__.splitlines()[0]).parse_args()
    rows = []
    for n, d in SIZES + WIDE:
        for name, python in _workers.available(arguments).items():
            if not name.startswith("barlow") and 5 * 4 * d * d > MOST_BYTES:
                continue
            row = {"n": n, "d": d, "implementation": name}
            with _workers.start(python, name) as worker:
                try:
                    row["megabytes"] = worker("peak", n=n, d=d)["bytes"] / 1e6
                except RuntimeError as error:
                    row["failed"] = str(error)
            rows.append(row)
        print(table([row for row in rows if (row["n"], row["d"]) == (n, d)]), flush=True)
    save("loss_memory", rows)
    bars("loss_memory", rows, "megabytes", "peak memory over the inputs, MB (log scale)")


if __name__ == "__main__":
    main()
