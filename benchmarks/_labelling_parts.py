"""What the parts of `barlow.labelling` are worth, on training images of Fashion-MNIST alone."""

from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from barlow import Embeddings, labelling
from barlow.labelling import fitting, heads, spreading, suggesting
from barlow.labelling import space as spaces_of
from barlow.neighbours import nearest

COUNTS = (10, 20, 50, 100, 200)
NEW, SMALL, LARGE = 10_000, 10_000, 50_000  # images: that are new, and of two collections
PARTS = {"as it is": {}, "all typical": {"_FIRST": 10**6, "_ENOUGH": 10**6}}


def measure(x: np.ndarray, y: np.ndarray, draws: int) -> list[dict[str, Any]]:
    """Rows: the space, the suggestions, the sample."""
    order = np.random.default_rng(0).permutation(len(x))
    new, others = order[:NEW], order[NEW:]
    rows = list(spaces(x[others[:SMALL]], y[others[:SMALL]], x[new], y[new]))
    rows += picks(x, y, order, draws)
    labels = y.astype(str)
    ways = [(part, SMALL, fitting.ENOUGH) for part in PARTS]
    ways += [("as it is", LARGE, fitting.ENOUGH), ("as it is", LARGE, LARGE)]
    for part, size, sample in ways:
        found: dict[int, list[dict[str, float]]] = {}
        for draw in range(draws):
            rest = np.random.default_rng(draw).permutation(others)[:size]
            pool = Embeddings(x[rest], names(len(rest)), labels[rest], "", (), "")
            for count, scores in rounds(pool, (x[new], labels[new]), PARTS[part], sample, draw):
                found.setdefault(count, []).append(scores)
        for count, scores in found.items():
            means = {key: float(np.nanmean([each[key] for each in scores])) for key in scores[0]}
            about = {"part": part, "collection": size, "sample": sample, "labels": count}
            rows.append({**about, "draws": draws, **means})
            print(rows[-1], flush=True)
    return rows


def names(count: int) -> np.ndarray:
    return np.array([str(row) for row in range(count)], object)


def spaces(x: np.ndarray, y: np.ndarray, new: np.ndarray, true: np.ndarray) -> Any:
    """Accuracy of the majority of ten nearest neighbours by cosine, in several spaces."""
    scaler = StandardScaler().fit(x)
    pca = PCA(128, random_state=0).fit(scaler.transform(x))
    deviation = np.sqrt(pca.explained_variance_)

    def components(vectors: np.ndarray, power: float) -> np.ndarray:
        return pca.transform(scaler.transform(vectors)) / deviation**power

    ways = {
        "raw": lambda vectors: vectors,
        "standardised": scaler.transform,
        "components": lambda vectors: components(vectors, 0),
        "half whitened": lambda vectors: components(vectors, 0.5),
        "whitened": lambda vectors: components(vectors, 1),
    }
    for name, place in ways.items():
        near = nearest(place(x).astype("float32"), place(new).astype("float32"), 10)
        votes = np.eye(10)[y[near.rows]].sum(axis=1)
        yield {"part": f"space: {name}", "accuracy": float(np.mean(votes.argmax(axis=1) == true))}


def picks(x: np.ndarray, y: np.ndarray, order: np.ndarray, draws: int) -> list[dict[str, Any]]:
    """Accuracy of the graph by which image of every cluster has a label, all clusters at once."""
    found: dict[tuple[str, int], list[float]] = {}
    for draw in range(draws):
        rest = np.random.default_rng(draw).permutation(order[NEW:])[:SMALL]
        some, true = x[rest], y[rest]
        space = spaces_of.fit(some)
        units, new = space(some), space(x[order[:NEW]])
        near = nearest(units, units, 20, own=np.arange(len(units)))
        graph = spreading.operator(near.rows[:, : spreading.NEIGHBOURS])
        crowd = near.similarities.mean(axis=1)
        for count in (20, 50, 100):
            clusters = KMeans(count, n_init=3, random_state=draw).fit(units)
            centred = units @ clusters.cluster_centers_.T
            for name in ("the closest neighbours", "nearest to the centre"):
                chosen = []
                for each in range(count):
                    own = np.flatnonzero(clusters.labels_ == each)
                    by = crowd[own] if name.startswith("the") else centred[own, each]
                    chosen.append(own[by.argmax()])
                given = np.zeros((len(units), 10), "float32")
                given[chosen, true[chosen]] = 1
                scores = spreading.spread(graph, given)
                scores *= (given.sum(axis=0) + 1) / np.maximum(scores.sum(axis=0), heads.FLOOR)
                scores = (scores + heads.FLOOR) / (scores + heads.FLOOR).sum(axis=1, keepdims=True)
                kept = np.random.default_rng(draw).permutation(len(units))[:4096]
                said = heads.by_anchors(new, units[kept], scores[kept]).argmax(axis=1)
                right = float(np.mean(said == y[order[:NEW]]))
                found.setdefault((f"labels: {name}", count), []).append(right)
    return [
        {"part": part, "labels": count, "draws": draws, "accuracy": float(np.mean(right))}
        for (part, count), right in found.items()
    ]


def rounds(pool: Embeddings, new: Any, changed: dict[str, Any], sample: int, seed: int) -> Any:
    """Accuracies by number of labels, suggested in rounds with constants that are changed."""
    changed = {**changed, "ENOUGH": sample}
    before = {name: getattr(suggesting, name) for name in changed}
    for name, value in changed.items():
        setattr(suggesting, name, value)
    labelled: dict[str, str] = {}
    for count in COUNTS:
        found = labelling.suggest(pool, count - len(labelled), labelled or None, seed=seed)
        labelled |= {each.path: pool.labels[each.row] for each in found.images}
        if len(set(labelled.values())) > 1:
            given = fitting.reading.read(pool, labelled)
            some = fitting.some_of(pool, given.rows, seed, sample)
            fitted = fitting.fit_some(pool, given, some, seed=seed)
            classes, (vectors, true) = np.array(fitted.classes), new
            scores = {"auto": np.mean(classes[fitted.head(vectors).argmax(axis=1)] == true)}
            if fitted.scores is not None:
                scores["held_out"] = fitted.scores.accuracy
            yield count, {"held_out": np.nan, **scores}
    for name, value in before.items():
        setattr(suggesting, name, value)
