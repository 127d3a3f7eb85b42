"""Gram against correlation form where their numbers of operations are close, on every backend.

    python benchmarks/loss_forms.py

The rule in `barlow.kernel.forms.cheaper_form` takes the Gram form where N < 3/4 D. The table has
the time of both forms around that, and what following the rule costs against the better one.
"""

import json
import os
import statistics
import subprocess
import sys
import time

from _results import save

FEATURES = 1024
RATIOS = (0.25, 0.5, 0.625, 0.75, 0.875, 1.0, 1.5)
RUNS = 15


def main() -> None:
    if len(sys.argv) > 1:
        measure(sys.argv[1])
        return
    rows = []
    for backend in ("jax", "tensorflow", "torch"):
        output = subprocess.run(
            [sys.executable, __file__, backend],
            env={**os.environ, "KERAS_BACKEND": backend},
            stdout=subprocess.PIPE,
            check=True,
        )
        rows += [json.loads(line) for line in output.stdout.splitlines()]
    for row in rows:
        print(
            f"{row['backend']:10} N={row['n']:5} D={FEATURES}  Gram {row['gram']:7.2f} ms  "
            f"correlation {row['correlation']:7.2f} ms  the rule: {row['rule']} "
            f"({row['cost']:.2f} times the better)"
        )
    save("loss_forms", rows, features=FEATURES)


def measure(backend: str) -> None:
    import _loss_worker as worker
    from keras import ops

    from barlow.kernel import per_sample_loss
    from barlow.kernel.forms import cheaper_form

    def make(form):
        return lambda: lambda za, zb: ops.mean(per_sample_loss(za, zb, 0.005, form))

    start = {
        "jax": worker.jax,
        "tensorflow": lambda loss: worker.tensorflow(loss, jit_compile=True),
        "torch": worker.torch,
    }[backend]
    forms = {form: start(make(form)) for form in ("gram", "correlation")}
    for ratio in RATIOS:
        n = int(ratio * FEATURES)
        runs = {
            form: bind(step, *worker.draw(n, FEATURES))
            for form, (step, _, bind, _) in forms.items()
        }
        times = {form: [] for form in forms}
        for i in range(RUNS + 3):
            for form, run in runs.items():
                before = time.perf_counter()
                run()
                if i >= 3:  # the first ones compile
                    times[form].append(1e3 * (time.perf_counter() - before))
        medians = {form: statistics.median(values) for form, values in times.items()}
        rule = cheaper_form(n, FEATURES)
        cost = medians[rule] / min(medians.values())
        print(json.dumps({"backend": backend, "n": n, **medians, "rule": rule, "cost": cost}))


if __name__ == "__main__":
    main()
