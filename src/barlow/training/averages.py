"""The end of a training with moving averages of the weights."""

import contextlib

from barlow import data, models
from barlow.recommendation import Recommendation

# Of so many images a mean is known to 1.1 % of a deviation, or better.
_BATCHES, _IMAGES = 32, 256  # batches, and images in each, at most


def fit_statistics(
    model: models.BarlowTwins, pixels: data.Pixels, recommended: Recommendation
) -> dict[str, str]:
    """Give a model that ends with averages of its weights the statistics that belong to them.

    Those of batch normalisation: see :func:`barlow.models.renew_statistics`. They are measured on
    views of at most 32 batches of at most 256 training images, and on no image twice. Without an
    average nothing changes, and without batch normalisation no image is read.

    Args:
        model: Model with the averages in place of the weights.
        pixels: Training images or rows.
        recommended: Settings, none of them open.

    Returns:
        For every image that could not be read: why, by where it is.
    """
    if recommended.ema is None or not models.normalizations(model):
        return {}
    size = max(2, min(_IMAGES, recommended.micro_batch_size or recommended.batch_size))
    # Whole batches for every process, each of which computes all of it.
    batches = data.Batches(pixels, size, recommended.seed, shard=(0, 1))
    count = min(_BATCHES, batches.steps_per_epoch)
    with contextlib.closing(batches):
        models.renew_statistics(model, (batches[step][0] for step in range(count)))
    return batches.skipped
