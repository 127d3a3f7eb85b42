"""What a user may set of a training. Every setting is declared once, here.

The options of the command line, the checks, the recommendation, ``config.json`` and the table in
``docs/settings.md`` are made from this declaration.
"""

import dataclasses
import math
import operator
import os
import typing
from typing import Any, TypeVar

from barlow.errors import InvalidInput, did_you_mean
from barlow.resizing import RESIZES
from barlow.text import as_code
from barlow.views.recipe import RECIPES

OPTIMIZERS = ("adamw", "lars", "muon")
"""Keras' AdamW, :class:`barlow.optimizers.LARS` and :class:`barlow.optimizers.Muon`."""

DTYPE_POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
"""Keras' names."""

_T = TypeVar("_T")


def _whole(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not math.isfinite(value):
        raise ValueError
    return value if isinstance(value, int) else float(value)


def _yes_or_no(value: Any) -> bool:
    if value not in (True, False):  # nor NumPy's
        raise ValueError
    return bool(value)


# By type: what takes its values, NumPy's numbers and paths among them, and the values in words.
_TAKEN: dict[Any, tuple[Any, str]] = {
    bool: (_yes_or_no, "True or False"),
    int: (_whole, "a whole number"),
    float: (_finite, "a finite number"),
    str: (os.fsdecode, "text"),
    tuple[int, ...]: (lambda value: tuple(map(_whole, value)), "whole numbers"),
}


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What is declared of a setting beside its name, its type and its default.

    Args:
        help: What it is, one sentence.
        unset: What the default stands for, if it is ``None`` or ``"auto"``.
        choices: Its values, if they are few.
        at_least: Smallest value.
        at_most: Largest value.
        above: Values are larger than this.
        below: Values are smaller than this.
    """

    help: str
    unset: str = "recommended"
    choices: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None

    @property
    def allowed(self) -> str:
        """Values that are allowed, in words; empty if the type says it all."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        bounds = {
            "at least": self.at_least,
            "at most": self.at_most,
            "above": self.above,
            "below": self.below,
        }
        return " and ".join(
            f"{word} {value}" for word, value in bounds.items() if value is not None
        )

    @property
    def allowed_sentence(self) -> str:
        """The same as a sentence."""
        return f"{self.allowed[0].upper()}{self.allowed[1:]}." if self.allowed else ""

    def check(self, name: str, value: Any) -> None:
        """Refuse a value that is not allowed.

        Raises:
            InvalidInput: If it is none of the choices or out of bounds.
        """
        if value is None:
            return
        if self.choices:
            fits = value in self.choices
        else:
            fits = (
                (self.at_least is None or value >= self.at_least)
                and (self.at_most is None or value <= self.at_most)
                and (self.above is None or value > self.above)
                and (self.below is None or value < self.below)
            )
        if not fits:
            near = did_you_mean(value, self.choices) if self.choices else ""
            received = repr(value) if self.choices else value
            raise InvalidInput(f"`{name}` must be {self.allowed}. Received: {received}.{near}")


def _setting(default: _T, help: str, **rest: Any) -> _T:  # noqa: A002 - Typer's word for it
    field: Any = dataclasses.field(
        default=default, metadata={"declaration": Declaration(help, **rest)}
    )
    return field


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to train. What is left open is recommended by :func:`barlow.recommend`.

    Raises:
        ValueError: If a name is not known or a number is out of its bounds.

    Example:
        >>> barlow.Settings(epochs=20).epochs
        20
    """

    encoder: str = _setting(
        "auto",
        "Encoder: its name (see `barlow encoders`), a .keras file, module:function or hub:PRESET.",
    )
    weights: str | None = _setting(
        None,
        "Weights to start from: imagenet, for a network of keras.applications, or a file of them.",
        unset="random weights",
    )
    image_size: int | None = _setting(
        None, "Height and width to bring image files to, in pixels.", at_least=1
    )
    resize: str = _setting(
        "auto",
        "How image files come to that size: their longer side is cut to its middle, they are "
        "padded with the background, or stretched.",
        choices=("auto", *RESIZES),
    )
    views: str = _setting("auto", "Recipe of views.", choices=("auto", *RECIPES))
    projector: tuple[int, ...] | None = _setting(
        None, "Widths of the projector's layers, such as 512,2048."
    )
    lambda_: float | None = _setting(None, "Weight of the redundancy term, unitless.", at_least=0)
    epochs: int | None = _setting(None, "Passes over the images.", at_least=1)
    minutes: float | None = _setting(
        None,
        "Time to train in, in minutes: as many epochs as fit, planned from a short trial.",
        unset="as long as the epochs take",
        above=0,
    )
    batch_size: int | None = _setting(
        None, "Images per step; all of them if there are fewer.", at_least=2
    )
    micro_batch_size: int | None = _setting(
        None,
        "Images to embed at a time: the exact loss of a large batch with little memory.",
        unset="the whole batch",
        at_least=1,
    )
    optimizer: str = _setting("auto", "Optimizer.", choices=("auto", *OPTIMIZERS))
    learning_rate: float | None = _setting(
        None, "Highest learning rate, as the optimizer sees it.", above=0
    )
    warmup_epochs: int | None = _setting(
        None, "Epochs in which the learning rate rises; fewer than `epochs`.", at_least=0
    )
    weight_decay: float | None = _setting(None, "Weight decay.", at_least=0)
    ema: float | None = _setting(
        None,
        "Momentum of a moving average of the weights, such as 0.999, with which the run ends; it "
        "grows with the steps up to this.",
        unset="no average",
        above=0,
        below=1,
    )
    dtype_policy: str | None = _setting(
        None,
        "Precision of the training; the encoder of the run is float32.",
        unset="Keras' global policy; with `minutes`, half precision where it is faster",
        choices=DTYPE_POLICIES,
    )
    jit_compile: bool | None = _setting(
        None,
        "Compile a step with XLA or torch.compile.",
        unset="by backend and device, as Keras does",
    )
    steps_per_execution: int = _setting(
        1,
        "Steps between two returns to Python; the steps of an epoch are a multiple of it. "
        "Callbacks are called as often.",
        at_least=1,
    )
    seed: int = _setting(
        0,
        "Seed of weights, order and views.",
        at_least=0,
        at_most=2**32 - 1,  # NumPy's global generator takes no larger one
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(Settings):
            value = _as_declared(field.name, getattr(self, field.name), field.type)
            field.metadata["declaration"].check(field.name, value)
            object.__setattr__(self, field.name, value)
        if self.encoder != "auto" or self.weights is not None:
            from barlow import models  # noqa: PLC0415 - the only checks that take Keras

            if self.encoder != "auto":
                models.find(self.encoder)
            models.check_weights(self.encoder, self.weights)

    def __repr__(self) -> str:
        return as_code(self)


def _as_declared(name: str, value: Any, type_: Any) -> Any:
    """A value as one of its declared type.

    Raises:
        InvalidInput: If it is none.
    """
    kind, *others = typing.get_args(type_) or (type_,)
    if kind not in _TAKEN or (value is None and others):
        return value
    take, words = _TAKEN[kind]
    try:
        return take(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(f"`{name}` must be {words}. Received: {value!r}.") from error


def declarations() -> dict[str, Declaration]:
    """The declaration of every setting, by its name."""
    return {field.name: field.metadata["declaration"] for field in dataclasses.fields(Settings)}


# The arguments are documented from their declarations, too.
Settings.__doc__ = (Settings.__doc__ or "").replace(
    "    Raises:",
    "    Args:\n"
    + "".join(
        f"        {name}: {each.help}"
        + f" {each.allowed_sentence}".rstrip()
        + f" Defaults to ``{field.default!r}``"
        + (f", {each.unset}.\n" if field.default in (None, "auto") else ".\n")
        for field in dataclasses.fields(Settings)
        for name, each in [(field.name, field.metadata["declaration"])]
    )
    + "\n    Raises:",
    1,
)
