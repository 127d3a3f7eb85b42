"""From few labels to a classifier: what suggested labels and each method are worth.

    pip install 'barlow[tensorflow,bench]'
    python benchmarks/labelling.py [--only SET ...] [--ways WAY ...] [--draws 10] [--work FOLDER]
        [--scratch] [--fine-tune] [--ablate]

An encoder learns from all images of a set without labels, by `barlow.pretrain`. Some of them are
the pool: 10,000 training images of Fashion-MNIST, another 10,000 in every draw, three quarters of
every other set, another part in every draw. In rounds, `barlow.labelling.suggest` says which images
of the pool to label, or they are drawn at random, and the true labels are given. Of every number of
labels the accuracies on new images: the 10,000 test images of Fashion-MNIST, the last quarter of
the other sets. No graph and no method has seen these.

Rows have, as means over draws: every method of `barlow.labelling.fit`, what it chose (`auto`), that
on the rest of the pool, the expected calibration error on new images (15 bins of equal width), what
it would be if the same certainties were true, which is above 0 by chance alone, and the least that
any temperature has, chosen on the new images themselves; and in how many draws the 95 % interval
that it says has the accuracy on new images in it. With `--scratch` a network of the same kind is
trained from scratch on the same labels, first draw alone.
With scikit-activeml installed, its TypiClust is a third way to choose labels, and its margin
sampling after the first ones of TypiClust a fourth one. `--fine-tune` trains the encoder of
Fashion-MNIST on with the suggested labels, three draws. `--ways` measures some ways anew and keeps
the rest.

Whatever was chosen while this was made (neighbours, alpha, the space, the prior of the temperature)
was chosen on the training images of Fashion-MNIST and on the other sets; never on the test images
of Fashion-MNIST. `--ablate` leaves parts of the method away, on training images.
"""

import argparse
import contextlib
import functools
import json
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import _labelling_parts
import numpy as np
from _labelling_sets import DATA, IMAGES, STAMPS, learned
from _results import RESULTS, machine, save
from _tables import table
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import barlow
from barlow import labelling
from barlow.labelling import space
from barlow.labelling.heads import log_softmax

POOL = 10_000  # images of Fashion-MNIST
COUNTS = {
    "fashion_mnist": (10, 20, 50, 100, 1000),
    "digits": (10, 20, 50, 100, 500),
    "stamps": (20, 50, 100, 200),
    "signals": (20, 50, 100, 200, 500),
    "tables": (20, 50, 100, 200, 500),
}
BINS = 15
DRAWN = 100  # answers of a classifier whose certainties are true
TEMPERATURES = np.exp(np.linspace(-1, 1.5, 40))
PEERS = ("TypiClust of scikit-activeml", "margin of scikit-activeml")
PEER_DRAWS, PEER_MOST = 3, 100
TUNED = (100, 200, 1000)  # labels
STEPS, BATCH_SIZE, RATE = 400, 64, 1e-3  # of a network from scratch
Vectors = tuple[np.ndarray, np.ndarray]  # and labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=COUNTS, default=list(COUNTS), metavar="SET")
    parser.add_argument("--ways", nargs="+", choices=ways(), default=list(ways()), metavar="WAY")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--data", default=DATA, help="folder with the IDX files of Fashion-MNIST")
    parser.add_argument("--stamps", default=STAMPS, help="folder with the stamps of Tux Paint")
    parser.add_argument("--work", help="folder that keeps runs and vectors for another time")
    parser.add_argument("--scratch", action="store_true", help="also train from scratch")
    parser.add_argument("--fine-tune", action="store_true", help="train the encoder on, too")
    parser.add_argument("--ablate", action="store_true", help="parts left away, training images")
    arguments = parser.parse_args()

    before = RESULTS / "labelling.json"
    results = json.loads(before.read_text())["rows"] if before.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(arguments.work or folder)
        if arguments.ablate:
            vectors = learned("fashion_mnist", work, arguments)
            rows = _labelling_parts.measure(vectors["x"], vectors["y"], arguments.draws)
            save("labelling_parts", rows)
            print(table(rows))
            return
        if arguments.fine_tune:
            rows = fine_tuned(work, arguments)
            save("labelling_tuned", rows)
            print(table(rows))
            return
        for name in arguments.only:
            vectors = learned(name, work, arguments)
            rows = [
                {"set": name, **row, "machine": machine()}
                for row in measure(name, vectors, arguments)
            ]
            new = {(row["set"], row["chosen"]) for row in rows}
            results = [row for row in results if (row["set"], row["chosen"]) not in new] + rows
            results.sort(key=lambda row: list(COUNTS).index(row["set"]))
            save("labelling", results)
    draw(results)


def measure(name: str, vectors: dict[str, Any], arguments: Any) -> list[dict[str, Any]]:
    """A row for every way to choose labels and number of labels."""
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for number in range(arguments.draws):
        pool, test = split(vectors, number)
        for way in arguments.ways:
            if way in PEERS and number >= PEER_DRAWS:
                continue
            choose = ways()[way]
            labelled: dict[str, str] = {}
            for count in COUNTS[name]:
                if way in PEERS and count > PEER_MOST:
                    break
                labelled = choose(pool, labelled, count, number)
                scores = judge(pool, test, labelled, number)
                if arguments.scratch and number == 0 and way not in PEERS and name in IMAGES:
                    scores["scratch"] = from_scratch(name, arguments, labelled, test)
                found.setdefault((way, count), []).append(scores)
                print(name, number, way, count, scores, flush=True)
    rows = []
    for (way, count), scores in found.items():
        row: dict[str, Any] = {"labels": count, "chosen": way, "draws": len(scores)}
        for key in dict.fromkeys(key for each in scores for key in each):
            values = [each[key] for each in scores if each.get(key) is not None]
            if key in ("method", "covers"):
                row[key] = {str(one): values.count(one) for one in sorted(set(values))}
            else:
                row[key] = float(np.mean(values)) if values else None
        row["auto_std"] = float(np.std([each["auto"] for each in scores]))
        rows.append(row)
    return rows


def split(vectors: dict[str, Any], number: int) -> tuple[barlow.Embeddings, Vectors]:
    """The pool of a draw and what is new to it."""
    x, y = vectors["x"], vectors["y"].astype(str)
    order = np.random.default_rng(number).permutation(len(x))
    if "test_x" in vectors:
        return embeddings(x[order[:POOL]], y[order[:POOL]]), (
            vectors["test_x"],
            vectors["test_y"].astype(str),
        )
    cut = len(x) * 3 // 4
    return embeddings(x[order[:cut]], y[order[:cut]]), (x[order[cut:]], y[order[cut:]])


def embeddings(x: np.ndarray, y: np.ndarray) -> barlow.Embeddings:
    names = np.array([str(row) for row in range(len(x))], object)
    return barlow.Embeddings(x.astype("float32"), names, y, "", (), "")


def ways() -> dict[str, Callable[..., dict[str, str]]]:
    """Ways to choose labels: from a pool and those that are there to a number of labels."""

    def suggested(pool: Any, labelled: dict[str, str], count: int, number: int) -> dict[str, str]:
        found = labelling.suggest(pool, count - len(labelled), labelled or None, seed=number)
        return labelled | {each.path: pool.labels[each.row] for each in found.images}

    def drawn(pool: Any, labelled: dict[str, str], count: int, number: int) -> dict[str, str]:
        rows = np.random.default_rng(number).permutation(len(pool))[:count]
        return {str(row): pool.labels[row] for row in rows}

    def peer(pool: Any, labelled: dict[str, str], count: int, number: int, margin=False) -> Any:
        units = space.fit(pool.vectors)(pool.vectors)
        classes, numbers = np.unique(pool.labels, return_inverse=True)
        known = np.full(len(pool), np.nan)
        rows = [int(path) for path in labelled]
        known[rows] = numbers[rows]
        if margin and len(set(labelled.values())) > 1:
            query = UncertaintySampling(method="margin_sampling", random_state=number)
            learner = SklearnClassifier(
                LogisticRegression(max_iter=2000), classes=range(len(classes))
            )
            chosen = query.query(units, known, learner, batch_size=count - len(labelled))
        else:
            query = TypiClust(missing_label=np.nan, random_state=number)
            chosen = query.query(units, known, batch_size=count - len(labelled))
        return labelled | {str(row): str(classes[numbers[row]]) for row in chosen}

    found: dict[str, Any] = {"suggested": suggested, "random": drawn}
    with contextlib.suppress(ImportError):
        from skactiveml.classifier import SklearnClassifier
        from skactiveml.pool import TypiClust, UncertaintySampling

        found |= dict(zip(PEERS, (peer, functools.partial(peer, margin=True)), strict=True))
    return found


def judge(
    pool: barlow.Embeddings, test: Vectors, labelled: dict[str, str], seed: int
) -> dict[str, Any]:
    """Accuracies on new images, and whether what was said of them is true."""
    new, true = test
    if len(set(labelled.values())) < 2:
        return {"auto": 0.0}
    fitted = labelling.fit(pool, labelled, seed=seed)
    classes = np.array(fitted.classes)
    found: dict[str, Any] = {}
    for method in ("graph", "linear", "both"):
        head = fitted.head.with_choice(method, 1.0)
        found[method] = float(np.mean(classes[head(new).argmax(axis=1)] == true))
    found["probe"] = probe(pool, test, labelled)
    sure = fitted.head(new)
    right = classes[sure.argmax(axis=1)] == true
    model = labelling.from_vectors(new.shape[1], fitted.head)
    by_keras = model.predict(new, batch_size=1000, verbose=0)
    rest = [each.label == pool.labels[int(each.path)] for each in fitted.predictions()]
    found |= {
        "auto": float(right.mean()),
        "keras": float(np.mean(classes[by_keras.argmax(axis=1)] == true)),
        "rest_of_pool": float(np.mean(rest)),
        "calibration_error": calibration_error(sure.max(axis=1), right),
        "calibration_error_if_true": of_true_certainties(sure.max(axis=1), seed),
        "calibration_error_at_best": at_best_temperature(fitted.head.logits(new), right),
        "classes": len(classes),
        "method": fitted.choice.method,
    }
    if fitted.scores is not None:
        low, high = fitted.scores.low, fitted.scores.high
        found |= {
            "held_out": fitted.scores.accuracy,
            "interval": high - low,
            "covers": bool(low <= found["auto"] <= high),
        }
    return found


def probe(pool: barlow.Embeddings, test: Vectors, labelled: dict[str, str]) -> float:
    """Accuracy on new images of a regression on standardised vectors alone."""
    scaler = StandardScaler().fit(pool.vectors)
    x = scaler.transform(pool.vectors[[int(path) for path in labelled]])
    model = LogisticRegression(max_iter=2000).fit(x, [*labelled.values()])
    return float(model.score(scaler.transform(test[0]), test[1]))


def from_scratch(name: str, arguments: Any, labelled: dict[str, str], test: Vectors) -> float:
    """Accuracy on new images of a network that learns from the labelled images alone, draw 0."""
    import keras

    keras.utils.set_random_seed(0)
    pixels, new = IMAGES[name](arguments)
    order = np.random.default_rng(0).permutation(len(pixels))
    classes, numbers = np.unique([*labelled.values()], return_inverse=True)
    shown = pixels[order[[int(path) for path in labelled]]]
    new = pixels[order[len(order) - len(test[0]) :]] if new is None else new
    encoder = barlow.models.encoder("conv", shown.shape[1:])
    logits = keras.layers.Dense(len(classes))
    inputs = keras.Input(shown.shape[1:])
    view, _ = barlow.views.ImageViews(barlow.views.recipe_for(shown.shape[1:]), seed=0)(inputs)
    model = keras.Model(inputs, logits(encoder(view)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    schedule = keras.optimizers.schedules.CosineDecay(RATE, STEPS)
    model.compile(keras.optimizers.AdamW(schedule), loss)
    rows = np.random.default_rng(0).integers(0, len(shown), STEPS * BATCH_SIZE)
    model.fit(shown[rows], numbers[rows], batch_size=BATCH_SIZE, shuffle=False, verbose=0)
    answers = logits(encoder.predict(new, batch_size=500, verbose=0))
    answers = keras.ops.convert_to_numpy(answers).argmax(axis=1)
    return float(np.mean(classes[answers] == test[1]))


def fine_tuned(work: pathlib.Path, arguments: Any) -> list[dict[str, Any]]:
    """What training the encoder on is worth, on new images of Fashion-MNIST."""
    vectors = learned("fashion_mnist", work, arguments)
    encoder = barlow.runs.load_encoder(work / "run-fashion_mnist")
    pixels, new = IMAGES["fashion_mnist"](arguments)
    rows = []
    for number in range(min(arguments.draws, PEER_DRAWS)):
        pool, (x, true) = split(vectors, number)
        order = np.random.default_rng(number).permutation(len(pixels))[: len(pool)]
        images, labelled = barlow.data.Images(pixels[order], names=pool.names), {}
        for count in TUNED:
            labelled = ways()["suggested"](pool, labelled, count, number)
            fitted = labelling.fit(pool, labelled, seed=number)
            tuned = labelling.fine_tune(fitted, encoder, images, seed=number)
            row = {"draw": number, "labels": count, "taken": tuned.encoder is not None}
            row |= {"held out, frozen": tuned.before, "held out, tuned": tuned.accuracy}
            classes = np.array(fitted.classes)
            row["new, frozen"] = float(np.mean(classes[fitted.head(x).argmax(axis=1)] == true))
            if tuned.encoder is not None:
                again = barlow.embed(tuned.encoder, new).vectors
                said = classes[tuned.fitted.head(again).argmax(axis=1)]
                row["new, tuned"] = float(np.mean(said == true))
            rows.append(row)
            print(row, flush=True)
    return rows


def calibration_error(sure: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error (Guo et al., 2017), bins of equal width."""
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    apart = [
        np.sum(bins == each) * abs(sure[bins == each].mean() - right[bins == each].mean())
        for each in np.unique(bins)
    ]
    return float(sum(apart) / len(sure))


def of_true_certainties(sure: np.ndarray, seed: int) -> float:
    """The same of a classifier that is right as often as it says (Broecker and Smith, 2007)."""
    random = np.random.default_rng(seed)
    return float(
        np.mean([calibration_error(sure, random.random(len(sure)) < sure) for _ in range(DRAWN)])
    )


def at_best_temperature(logits: np.ndarray, right: np.ndarray) -> float:
    """The least of any temperature, chosen on the new images themselves."""
    scaled = (log_softmax(logits / temperature) for temperature in TEMPERATURES)
    return min(calibration_error(np.exp(each).max(axis=1), right) for each in scaled)


def draw(rows: list[dict[str, Any]]) -> None:
    """Accuracy by number of labels, a panel for each set."""
    names = list(dict.fromkeys(row["set"] for row in rows))
    figure = Figure(figsize=(4 * len(names), 4), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for way, method, color in (
            ("random", "probe", "#999999"),
            ("random", "auto", "#d55e00"),
            ("suggested", "auto", "#0072b2"),
        ):
            own = [row for row in rows if row["set"] == name and row["chosen"] == way]
            label = f"{way} labels, {'what was taken' if method == 'auto' else 'regression'}"
            axes.plot(
                [row["labels"] for row in own],
                [row[method] for row in own],
                marker="o",
                color=color,
                label=label,
            )
        axes.set(xscale="log", title=name, xlabel="labels", ylabel="accuracy on new images")
        axes.set_xticks(COUNTS[name], [str(count) for count in COUNTS[name]])
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
    figure.savefig(RESULTS / "labelling.png", dpi=110)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    sys.exit(main())
