"""What a user may set of a training."""

import dataclasses

from barlow import models, views
from barlow.errors import InvalidInput

OPTIMIZERS = ("adamw", "lars", "muon")
"""AdamW of Keras, :class:`barlow.optimizers.LARS` and :class:`barlow.optimizers.Muon`."""

DTYPE_POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
"""Of Keras."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to train. What is left open is recommended by :func:`recommend`.

    Args:
        encoder: Name of an encoder, a ``.keras`` file or ``module:function``: see
            :func:`barlow.models.encoder`. Defaults to ``"auto"``.
        views: Name of a recipe of views, a key of ``barlow.views.RECIPES``. Defaults to
            ``"auto"``: see :func:`barlow.views.recipe_for`.
        projector: Widths of the projector's layers. Defaults to ``None``, recommended.
        lambda_: Weight of the redundancy term, unitless, >= 0. Defaults to ``None``, recommended.
        epochs: Passes over the images, >= 1. Defaults to ``None``, recommended.
        batch_size: Images per step, >= 2; all of them where there are fewer. Defaults to ``None``,
            recommended.
        micro_batch_size: Images that are embedded at a time, >= 1, to have a large batch with
            little memory: see :meth:`barlow.BarlowTwins.compile`. Defaults to ``None``, all of the
            batch.
        optimizer: ``"adamw"``, ``"lars"`` or ``"muon"``. Defaults to ``"auto"``.
        learning_rate: Highest learning rate, > 0, as the optimizer sees it (the paper's is that of
            256 images); see :func:`barlow.optimizers.warmup_cosine`. Defaults to ``None``,
            recommended.
        warmup_epochs: Epochs in which the learning rate rises from 0, >= 0 and fewer than
            ``epochs``. Defaults to ``None``, recommended.
        weight_decay: Weight decay, >= 0. Defaults to ``None``, recommended.
        ema: Momentum, above 0 and below 1 and most often 0.99 or more, of a moving average of the
            weights, with which the run ends. Defaults to ``None``, with the weights as they are.
        dtype_policy: Keras' policy of encoder and projector while they train, ``"float32"``,
            ``"mixed_bfloat16"`` or ``"mixed_float16"``. The encoder of the run is float32 in any
            case, but for one of a ``.keras`` file, which keeps its own. Defaults to ``None``,
            Keras' global policy.
        jit_compile: Whether to compile a step with XLA or ``torch.compile``. Defaults to ``None``,
            by backend and device, as Keras has it.
        steps_per_execution: Steps from one return to Python to the next, >= 1, of which the steps
            of an epoch are a multiple; callbacks are called as often. With PyTorch Keras has only
            1. Defaults to 1.
        seed: Seed of weights, order and views. Defaults to 0.

    Raises:
        ValueError: If a name is not known or a number out of its bounds.

    Example:
        >>> barlow.Settings(epochs=20).epochs
        20
    """

    encoder: str = "auto"
    views: str = "auto"
    projector: tuple[int, ...] | None = None
    lambda_: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    micro_batch_size: int | None = None
    optimizer: str = "auto"
    learning_rate: float | None = None
    warmup_epochs: int | None = None
    weight_decay: float | None = None
    ema: float | None = None
    dtype_policy: str | None = None
    jit_compile: bool | None = None
    steps_per_execution: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.encoder != "auto":
            models.find(self.encoder)
        for name, known in (
            ("views", ("auto", *views.RECIPES)),
            ("optimizer", ("auto", *OPTIMIZERS)),
            ("dtype_policy", DTYPE_POLICIES),
        ):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise InvalidInput(
                    f"`{name}` must be one of {', '.join(known)}. Received: {value!r}."
                )
        for name, smallest in _SMALLEST.items():
            value = getattr(self, name)
            if value is not None and not value >= smallest:
                raise InvalidInput(f"`{name}` must be at least {smallest}. Received: {value}.")
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise InvalidInput(f"`learning_rate` must be above 0. Received: {self.learning_rate}.")
        if self.ema is not None and not 0 < self.ema < 1:
            raise InvalidInput(f"`ema` must be above 0 and below 1. Received: {self.ema}.")


_SMALLEST = {
    "lambda_": 0,
    "epochs": 1,
    "batch_size": 2,
    "micro_batch_size": 1,
    "warmup_epochs": 0,
    "weight_decay": 0,
    "steps_per_execution": 1,
    "seed": 0,
}
