"""Images that are copies of one another, also by way of others: they stay together in a split."""

import keras
import numpy as np
from numpy.typing import NDArray

from barlow import data, embedding
from barlow.errors import extra
from barlow.neighbours.calibration import Calibration, calibrate
from barlow.neighbours.kept import graph
from barlow.progress import Track, silent

with extra("cli", "Grouping copies"):
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components


def linked(
    encoder: keras.Model, images: data.Images, *, seed: int = 0, track: Track = silent
) -> tuple[NDArray[np.intp], Calibration]:
    """Numbers of groups of copies: no image of one group is a copy of one of another.

    Args:
        encoder: The encoder by whose vectors images are compared.
        images: The images; those that cannot be read are groups of their own.
        seed: As for :func:`barlow.neighbours.calibrate`. Defaults to 0.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        Number of the group of every image, ``[images]``; and how the similarity of copies was
        measured.

    Raises:
        InvalidInput: If there are too few images to measure it.

    Example:
        >>> digits = barlow.data.digits()[:200]
        >>> twice = barlow.data.Images(np.concatenate([digits.pixels, digits.pixels]))
        >>> encoder = barlow.models.encoder("conv", (8, 8, 1))
        >>> groups, _ = barlow.neighbours.linked(encoder, twice)
        >>> bool((groups[:200] == groups[200:]).all())
        True
    """
    numbered = data.Images(images.pixels)  # named by their numbers
    embeddings = embedding.embed(encoder, numbered, track=track)
    rows = embeddings.names.astype(np.intp)
    measured = calibrate(embeddings, encoder, images[rows], seed=seed, track=track)
    near = graph(embeddings, track=track)
    ones, ranks = np.nonzero(near.similarities >= measured.threshold)
    pairs = (rows[ones], rows[near.rows[ones, ranks]])
    links = coo_array((np.ones(len(ones), bool), pairs), shape=2 * (len(images),))
    _, groups = connected_components(links, directed=False)
    return groups.astype(np.intp), measured
