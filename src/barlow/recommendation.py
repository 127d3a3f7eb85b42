"""Hyper-parameters for what is to be learned from, each with its reason and its source."""

import dataclasses
import math
from typing import Any

import keras
import numpy as np

from barlow import models, views
from barlow.errors import InvalidInput
from barlow.optimizers import LARS, Muon, warmup_cosine
from barlow.settings import Settings

# Where a value comes from.
_PAPER = "Zbontar et al. (2021)"
_AUTHORS = "github.com/facebookresearch/barlowtwins/issues/7"
_TRANSFORMERS = "LARS collapses on transformers, by the experience of stable-pretraining"
_HERE = "benchmarks/quality_fashion_mnist.py"

_SMALL = 64  # pixels, up to which an image is small
_STEPS = 1200  # at least, in a training
# Of LARS by batch size, to be multiplied by the batch over 256: ResNet-50 on ImageNet, 300 epochs.
_BATCHES = (128, 256, 512, 1024, 2048, 4096)
_RATES = (0.7, 0.4, 0.3, 0.25, 0.2, 0.2)


@dataclasses.dataclass(frozen=True)
class Recommendation:
    """What :class:`Settings` has, with nothing left open, and why each is as it is.

    ``reasons`` has a sentence by the name of a setting, ``"given"`` where it was given by hand.
    What is never recommended, such as the seed, has none.
    """

    encoder: str
    views: str
    projector: tuple[int, ...]
    lambda_: float
    epochs: int
    batch_size: int
    micro_batch_size: int | None
    optimizer: str
    learning_rate: float
    warmup_epochs: int
    weight_decay: float
    ema: float | None
    dtype_policy: str
    jit_compile: bool | None
    steps_per_execution: int
    seed: int
    reasons: dict[str, str]


def recommend(
    images: int, image_shape: tuple[int, ...], settings: Settings | None = None
) -> Recommendation:
    """Settings for a number of images of a shape.

    Args:
        images: Number of images to learn from, >= 2.
        image_shape: Their ``(height, width, channels)``.
        settings: What is given by hand, which wins. Defaults to ``Settings()``, nothing.

    Returns:
        Settings of which none is open, and their reasons.

    Raises:
        ValueError: If a setting given by hand does not go with the images or with another.

    Example:
        >>> recommended = barlow.recommend(50_000, (32, 32, 3))
        >>> recommended.encoder, recommended.views
        ('conv', 'photos')
        >>> given = barlow.Settings(encoder="resnet50", batch_size=2048)
        >>> recommended = barlow.recommend(1_281_167, (224, 224, 3), given)
        >>> recommended.optimizer, recommended.learning_rate, recommended.projector
        ('lars', 1.6, (8192, 8192, 8192))
        >>> recommended.reasons["batch_size"]
        'given'
    """
    if images < 2:
        raise InvalidInput(
            f"To learn takes at least 2 images, better thousands. Received: {images}."
        )
    given = settings or Settings()
    chosen: dict[str, Any] = {}
    reasons: dict[str, str] = {}

    def choose(name: str, value: Any, reason: str) -> Any:
        own = getattr(given, name)
        open_ = own is None or own == "auto"
        chosen[name], reasons[name] = (value, reason) if open_ else (own, "given")
        return chosen[name]

    small = min(image_shape[:2]) <= _SMALL
    encoder = choose(
        "encoder",
        "conv" if small else "resnet18",
        f"fast, and enough for images of up to {_SMALL} pixels ({_HERE})"
        if small
        else f"the smallest relative of the ResNet-50 of {_PAPER}",
    )
    choose("views", views.recipe_for(image_shape), "for the size and the channels of the images")
    features = models.encoder(encoder, image_shape).output_shape[-1]
    if encoder == "conv":
        width = max(512, 2 * features)
        choose("projector", (512, width), f"a wide output, as {_PAPER}, figure 4")
    else:
        reason = f"4 times the features of the encoder, as {_PAPER}"
        choose("projector", (4 * features,) * 3, reason)
    choose("lambda_", 0.0051, f"{_PAPER}, section 2.2; 4 times as much is no better ({_HERE})")
    batch_size = choose("batch_size", 256, f"accuracy hardly depends on it: {_PAPER}, figure 2")
    if batch_size > images:
        batch_size = chosen["batch_size"] = images
        reasons["batch_size"] = "all the images that there are"
    epochs = choose(
        "epochs",
        max(100, math.ceil(_STEPS / (images // batch_size))),
        f"100, or for few images {_STEPS:,} steps; more are better: 1,000 epochs in {_PAPER}",
    )
    if choose("optimizer", *_optimizer(encoder, batch_size)) == "lars":
        choose("learning_rate", _lars_rate(batch_size), f"for this batch size: {_AUTHORS}")
        choose("weight_decay", 1e-6, f"the code of {_PAPER}")
    elif _is_transformer(encoder):
        choose("learning_rate", 5e-4, "of stable-pretraining for transformers")
        choose("weight_decay", 1e-4, "a small one; not compared with others")
    else:
        choose("learning_rate", _adamw_rate(batch_size), f"for this batch size: {_HERE}")
        choose("weight_decay", 1e-4, "a small one; not compared with others")
    warmup = choose(
        "warmup_epochs", min(10, epochs // 10), f"a tenth, at most the 10 epochs of {_PAPER}"
    )
    if not warmup < epochs:
        raise InvalidInput(
            f"`warmup_epochs` must be fewer than `epochs`. Received: {warmup} of {epochs}."
        )
    steps = images // batch_size
    if steps % given.steps_per_execution:
        raise InvalidInput(
            f"The {steps} steps of an epoch must be a multiple of `steps_per_execution`. "
            f"Received: {given.steps_per_execution}."
        )
    chosen["dtype_policy"] = given.dtype_policy or keras.config.dtype_policy().name
    return Recommendation(**{**vars(given), **chosen}, reasons=reasons)


def schedule(
    recommended: Recommendation, images: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate by step, for a number of images; see :func:`optimizer`."""
    steps = images // recommended.batch_size
    return warmup_cosine(
        recommended.learning_rate, recommended.epochs * steps, recommended.warmup_epochs * steps
    )


def optimizer(recommended: Recommendation, images: int) -> keras.optimizers.Optimizer:
    """The optimizer, with the learning rate of :func:`schedule`.

    Args:
        recommended: What :func:`recommend` gave.
        images: Number of images to learn from.

    Returns:
        A Keras optimizer.

    Example:
        >>> recommended = barlow.recommend(1000, (8, 8, 1))
        >>> type(barlow.recommendation.optimizer(recommended, 1000)).__name__
        'Muon'
    """
    kind = {"adamw": keras.optimizers.AdamW, "lars": LARS, "muon": Muon}[recommended.optimizer]
    average = {} if recommended.ema is None else {"use_ema": True, "ema_momentum": recommended.ema}
    return kind(schedule(recommended, images), weight_decay=recommended.weight_decay, **average)


def _optimizer(encoder: str, batch_size: int) -> tuple[str, str]:
    if _is_transformer(encoder):
        return "adamw", _TRANSFORMERS
    if encoder == "conv":
        return "muon", f"learns faster here than AdamW and LARS ({_HERE})"
    if encoder not in models.APPLICATIONS and encoder not in models.ENCODERS:
        return "adamw", "of an encoder of your own nothing is known, and AdamW is robust"
    if batch_size < _BATCHES[0]:
        return "adamw", f"LARS is for batches from {_BATCHES[0]} on: {_AUTHORS}"
    return "lars", f"{_PAPER}, section 2.2"


def _is_transformer(encoder: str) -> bool:
    """Of those by name: what is in a file or function of one's own, its name does not tell."""
    return encoder in models.ENCODERS and encoder.startswith("vit")


def _lars_rate(batch_size: int) -> float:
    """Between the rows of the authors' table along its logarithms; beyond them, as at its ends."""
    rate = np.exp(np.interp(np.log(batch_size), np.log(_BATCHES), np.log(_RATES)))
    return float(f"{rate * batch_size / 256:.3g}")


def _adamw_rate(batch_size: int) -> float:
    """As the square root of the batch, with which 64, 256 and 512 images learn as much."""
    return float(f"{2e-3 * math.sqrt(batch_size / 256):.3g}")
