"""What `barlow evaluate` compares: runs, encoders and files of vectors, on the same images."""

import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

from barlow import data, embedding, evaluation, runs, vectors
from barlow.cli import show
from barlow.cli.reading import read, read_for
from barlow.errors import InvalidInput
from barlow.evaluation import Candidate
from barlow.paths import as_path

Candidates = dict[pathlib.Path, Candidate]


def apart(paths: Sequence[pathlib.Path]) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """The encoders, which come first, and the images.

    Raises:
        InvalidInput: If an encoder is given twice.
    """
    first, *rest = paths
    encoders = [first, *itertools.takewhile(_is_encoder, rest)]
    places = [as_path(path).resolve() for path in encoders]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise InvalidInput(f"{encoders[number]} is given twice. Give other runs to compare.")
    return encoders, list(rest[len(encoders) - 1 :])


def read_candidates(
    encoders: Sequence[pathlib.Path],
    sources: Sequence[pathlib.Path],
    seed: int,
    group_duplicates: bool,
    **options: Any,
) -> Candidates:
    """Every encoder with the images that it takes, split alike for all.

    Args:
        encoders: Runs, ``.keras`` files and files of vectors.
        sources: Labelled images; may be empty, if all encoders are files of vectors with labels.
        seed: Seed of the split.
        group_duplicates: Whether copies stay on one side.
        **options: As for :func:`barlow.cli.reading.read`.
    """
    models, sets = [], []
    shared: dict[Any, data.Images] = {}  # by what the encoders take
    for path in encoders:
        if _is_vectors(as_path(path)):
            models.append(None)
            sets.append(vectors.read(path))
            continue
        if not sources:
            raise InvalidInput(
                f"{path} needs labelled images. Give them after the encoders. (A file of vectors "
                "counts as an encoder: it has no images.)"
            )
        model, images = read_for(path, sources, shared, **options)
        models.append(model)
        sets.append(images)
    if sources and not shared:  # for their labels alone
        shared[None] = read(sources, memory=0, **options)
    labelled = next(iter(shared.values()), sets[0])
    model = next((each for each in models if each is not None), None)
    groups = _groups(model, labelled, seed) if group_duplicates else None
    _, *sides = evaluation.split_alike([labelled, *sets], seed=seed, groups=groups)
    return {
        path: Candidate(train, test, model, None if model is None else _views(path))
        for path, model, (train, test) in zip(encoders, models, sides, strict=True)
    }


def _is_encoder(path: pathlib.Path) -> bool:
    path = as_path(path)
    has_encoder = runs.is_run(path) or (path / runs.ENCODER).is_file()
    return has_encoder or (path.suffix == ".keras" and path.is_file()) or _is_vectors(path)


def _is_vectors(path: pathlib.Path) -> bool:
    # Without its suffix, no package is needed to know that it is none.
    return path.suffix.lower() == ".parquet" and vectors.is_file(path)


def _views(run: pathlib.Path) -> Any:
    views = runs.load_views(run)
    if views is None:
        show.say(f"{run} has no views, so there is no LiDAR of it.")
    return views


def _groups(model: Any, images: "data.Images | embedding.Embeddings", seed: int) -> Any:
    """Numbers of groups of copies, by the vectors of the first encoder."""
    from barlow import neighbours  # noqa: PLC0415

    if model is None or not isinstance(images, data.Images):
        raise InvalidInput(
            "Copies are found by an encoder and images. To keep them on one side of the split, "
            "give a run, or a .keras file."
        )
    groups, measured = neighbours.linked(model, images, seed=seed, track=show.track)
    count = len(images) - len(set(groups.tolist()))
    show.say(
        f"{count} of {len(images)} images are copies of others (similarity of at least "
        f"{measured.threshold:.4f}) and stay on their side of the split."
    )
    return groups
