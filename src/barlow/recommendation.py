"""Hyper-parameters for the images at hand, each with its reason and its source."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from barlow import models, pixels, resizing, views
from barlow.errors import InvalidInput
from barlow.optimizers import LARS, AdamW, Muon, warmup_cosine
from barlow.settings import DTYPE_POLICIES, Settings

# Where a value comes from.
_PAPER = "Zbontar et al. (2021)"
_AUTHORS = "github.com/facebookresearch/barlowtwins/issues/7"
_TRANSFORMERS = "LARS collapses on transformers, as stable-pretraining reports"
_HERE = "benchmarks/quality_fashion_mnist.py"
_HEAD_START = (
    "a tenth of that for random weights, as Kolesnikov et al. (2020, BiT) fine-tune with labels; "
    "Reed et al. (2022) keep the rate when they train on without; not compared here"
)

_SIZES = (
    "that of the images; of files of several sizes, or of large ones, the median of the shorter "
    "sides, at most 64 pixels on a processor and 224 on a GPU, or what the weights to start from "
    "have seen (decision 15)"
)

_STEPS = 1200  # of a training, at least
# Learning rates of LARS by batch size, for 256 images: ResNet-50 on ImageNet, 300 epochs.
_BATCHES = (128, 256, 512, 1024, 2048, 4096)
_RATES = (0.7, 0.4, 0.3, 0.25, 0.2, 0.2)

_REQUIRED: Any = dataclasses.MISSING

_Choose = Callable[[str, Any, str], Any]
"""From a setting's name, its recommended value and the reason to the value that it gets."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recommendation(Settings):
    """:class:`Settings` with nothing left open, and why each has its value.

    ``reasons`` has a sentence by the name of a setting, ``"given"`` if it was set explicitly.
    Settings that are never recommended, such as the seed, have none.
    """

    # Settings that may be None there; here every one is required.
    projector: tuple[int, ...] = _REQUIRED
    lambda_: float = _REQUIRED
    epochs: int = _REQUIRED
    batch_size: int = _REQUIRED
    learning_rate: float = _REQUIRED
    warmup_epochs: int = _REQUIRED
    weight_decay: float = _REQUIRED
    dtype_policy: str = _REQUIRED
    reasons: dict[str, str] = dataclasses.field(default_factory=dict)


def recommend(
    images: int,
    image_shape: tuple[int, ...],
    settings: Settings | None = None,
    encoder: keras.Model | None = None,
) -> Recommendation:
    """Settings for a number of images of a shape.

    Args:
        images: Number of training images, >= 2.
        image_shape: Their ``(height, width, channels)``.
        settings: Values set explicitly, which win. Defaults to ``Settings()``, none.
        encoder: The encoder, if it is built already; the projector's widths depend on its
            features. Defaults to ``None``: it is built from its name.

    Returns:
        Settings with nothing left open, and their reasons.

    Raises:
        ValueError: If a setting does not fit the images or another setting.

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
            f"Training needs at least 2 images, better thousands. Received: {images}."
        )
    given = settings or Settings()
    chosen: dict[str, Any] = {}
    reasons: dict[str, str] = {}

    def choose(name: str, value: Any, reason: str) -> Any:
        own = getattr(given, name)
        is_open = own is None or own == "auto"
        chosen[name], reasons[name] = (value, reason) if is_open else (own, "given")
        return chosen[name]

    _choose_size(choose, image_shape)
    _choose_networks(choose, image_shape, encoder)
    batch_size = choose("batch_size", 256, f"accuracy hardly depends on it: {_PAPER}, figure 2")
    if batch_size > images:
        batch_size = chosen["batch_size"] = images
        reasons["batch_size"] = "all the images"
    steps = images // batch_size
    _choose_optimizer(
        choose,
        chosen["encoder"],
        batch_size,
        given.weights is not None or models.is_hub(chosen["encoder"]),
    )
    _choose_epochs(choose, steps)
    if given.minutes is not None:
        measured = "what fits into the minutes here, measured"
        reasons["epochs"] = measured if given.epochs else f"until {measured} when training begins"
        if given.image_size is None and given.encoder == "auto":
            reasons["image_size"] += "; less of large ones if few steps fit into the minutes"
    if steps % given.steps_per_execution:
        raise InvalidInput(
            f"The {steps} steps of an epoch must be a multiple of `steps_per_execution`. "
            f"Received: {given.steps_per_execution}."
        )
    chosen["dtype_policy"] = dtype_policy(given)
    in_order = {name: reasons[name] for name in vars(given) if name in reasons}
    return Recommendation(**{**vars(given), **chosen, "reasons": in_order})


def dtype_policy(settings: Settings) -> str:
    """The policy of a training: that of the settings, or else Keras' global one.

    Raises:
        ValueError: If the global one is none of ``settings.DTYPE_POLICIES``.
    """
    if settings.dtype_policy is not None:
        return settings.dtype_policy
    policy = keras.config.dtype_policy().name
    if policy not in DTYPE_POLICIES:
        raise InvalidInput(
            f"Keras' global dtype policy is {policy!r}, and barlow trains with "
            f"{', '.join(DTYPE_POLICIES)}. Set one of them explicitly (--dtype-policy, "
            "Settings(dtype_policy=...)), or as the global one (keras.config.set_dtype_policy)."
        )
    return policy


def encoder_for(image_shape: tuple[int, ...]) -> str:
    """Name of the recommended encoder for images ``(height, width, channels)``.

    Example:
        >>> from barlow import recommendation
        >>> recommendation.encoder_for((28, 28, 1))
        'conv'
    """
    return "conv" if pixels.is_small(image_shape) else "resnet18"


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
        recommended: Result of :func:`recommend`.
        images: Number of training images.

    Returns:
        A Keras optimizer.

    Example:
        >>> from barlow import recommendation
        >>> type(recommendation.optimizer(barlow.recommend(1000, (8, 8, 1)), 1000)).__name__
        'Muon'
    """
    average = {} if recommended.ema is None else {"use_ema": True, "ema_momentum": recommended.ema}
    # Without an average Keras' own, which with PyTorch updates all variables at once.
    adamw = AdamW if average else keras.optimizers.AdamW
    kind = {"adamw": adamw, "lars": LARS, "muon": Muon}[recommended.optimizer]
    return kind(schedule(recommended, images), weight_decay=recommended.weight_decay, **average)


def _choose_size(choose: _Choose, image_shape: tuple[int, ...]) -> None:
    height, width, _ = image_shape
    size = choose("image_size", height if height == width else None, _SIZES)
    if size is not None and (height, width) != (size, size):
        raise InvalidInput(
            "Only image files are brought to a size, when they are read. "
            f"Received: image_size={size}, and images of {height} x {width} pixels."
        )
    choose(
        "resize",
        resizing.RESIZE,
        "views and evaluation see all of a picture, and no bars beside it (decision 15)",
    )


def _choose_networks(
    choose: _Choose, image_shape: tuple[int, ...], encoder: keras.Model | None
) -> None:
    name = choose(
        "encoder",
        encoder_for(image_shape),
        f"fast, and enough for images of up to {pixels.SMALL} pixels ({_HERE})"
        if pixels.is_small(image_shape)
        else f"the smallest relative of the ResNet-50 of {_PAPER}",
    )
    choose("views", views.recipe_for(image_shape), "for the size and the channels of the images")
    features = (encoder or models.encoder(name, image_shape)).output_shape[-1]
    if name == "conv":
        width = max(512, 2 * features)
        choose("projector", (512, width), f"a wide output, as {_PAPER}, figure 4")
    else:
        reason = f"4 times the features of the encoder, as {_PAPER}"
        choose("projector", (4 * features,) * 3, reason)
    choose("lambda_", 0.0051, f"{_PAPER}, section 2.2; 4 times as much is no better ({_HERE})")


def _choose_epochs(choose: _Choose, steps_per_epoch: int) -> None:
    epochs = choose(
        "epochs",
        max(100, math.ceil(_STEPS / steps_per_epoch)),
        f"100, or for few images {_STEPS:,} steps; more are better: 1,000 epochs in {_PAPER}",
    )
    warmup = choose(
        "warmup_epochs", min(10, epochs // 10), f"a tenth, at most the 10 epochs of {_PAPER}"
    )
    if not warmup < epochs:
        raise InvalidInput(
            f"`warmup_epochs` must be fewer than `epochs`. Received: {warmup} of {epochs}."
        )


def _choose_optimizer(choose: _Choose, encoder: str, batch_size: int, head_start: bool) -> None:
    """Choose the optimizer and what belongs to it.

    Args:
        choose: Takes what is recommended.
        encoder: Its name.
        batch_size: Images per step.
        head_start: Whether the weights have been learned already.
    """

    def choose_rate(rate: float, reason: str) -> None:
        tenth = float(f"{rate / 10:.3g}")
        choose("learning_rate", *((tenth, _HEAD_START) if head_start else (rate, reason)))

    if choose("optimizer", *_optimizer(encoder, batch_size)) == "lars":
        choose_rate(_lars_rate(batch_size), f"for this batch size: {_AUTHORS}")
        choose("weight_decay", 1e-6, f"the code of {_PAPER}")
        return
    if models.is_transformer(encoder):
        choose_rate(5e-4, "stable-pretraining's for transformers")
    else:
        choose_rate(_adamw_rate(batch_size), f"for this batch size: {_HERE}")
    choose("weight_decay", 1e-4, "a small one; not compared with others")


def _optimizer(encoder: str, batch_size: int) -> tuple[str, str]:
    if models.is_transformer(encoder):
        return "adamw", _TRANSFORMERS
    if encoder == "conv":
        return "muon", f"learns faster here than AdamW and LARS ({_HERE})"
    if any(is_own(encoder) for is_own in (models.is_file, models.is_function, models.is_hub)):
        return "adamw", "nothing is known of your own encoder, and AdamW is robust"
    if batch_size < _BATCHES[0]:
        return "adamw", f"LARS is for batches from {_BATCHES[0]} on: {_AUTHORS}"
    return "lars", f"{_PAPER}, section 2.2"


def _lars_rate(batch_size: int) -> float:
    """Interpolated in the logarithms of the authors' table; constant beyond its ends."""
    rate = np.exp(np.interp(np.log(batch_size), np.log(_BATCHES), np.log(_RATES)))
    return float(f"{rate * batch_size / 256:.3g}")


def _adamw_rate(batch_size: int) -> float:
    """Grows with the root of the batch: batches of 64, 256 and 512 then learn equally well."""
    return float(f"{2e-3 * math.sqrt(batch_size / 256):.3g}")
