"""`SignalViews`: two random views of every signal, as a Keras layer."""

from typing import Any

import keras
from keras import ops

from barlow import backend
from barlow.backend import Tensor
from barlow.errors import InvalidInput
from barlow.views.seeded import SeededLayer

# Points between which the speed of a warped signal changes linearly, both ends included.
_WARP_POINTS = 5


@keras.saving.register_keras_serializable(package="barlow")
class SignalViews(SeededLayer):
    """Two random views of every signal, drawn independently per signal and view.

    A view is resampled in one step (crop and warp of the time axis). Then the amplitude of each
    channel changes, noise is added, and channels and a stretch of time are hidden. It runs inside
    the compiled training step, on the device, on every backend.

    Jitter, scaling, warping and cropping are those of Um et al. (2017), "Data augmentation of
    wearable sensor data for Parkinson's disease monitoring using convolutional neural networks";
    the stretch of time and the channels that are hidden are the masks of Park et al. (2019),
    "SpecAugment". Set to zero what would change the meaning of your signals: the scale if
    amplitude tells classes apart, the warp if frequency does.

    Args:
        crop: Part of the signal that a view shows, as a fraction of its duration, drawn uniformly
            and stretched to the whole length. Defaults to ``(0.5, 1)``.
        warp: Largest change of the local speed, as a fraction of it, below 1: the speed moves
            smoothly between ``1 - warp`` and ``1 + warp``. Defaults to 0.2.
        scale: Largest change of the amplitude, as a fraction of it; each channel has its own
            factor. Defaults to 0.2.
        jitter: Largest standard deviation of Gaussian noise, as a fraction of the standard
            deviation of the channel over time; each view draws its own, uniformly from zero.
            Defaults to 0.1.
        flip: Probability that a channel changes its sign. Defaults to 0.
        time_mask: Longest stretch of time that is hidden, as a fraction of the signal's duration;
            each view draws its own, uniformly from zero. Hidden values become the mean of their
            channel. Defaults to 0.2.
        channel_mask: Probability that a whole channel is hidden. Defaults to 0.
        seed: Seed of the random draws, an integer. Defaults to ``None``, a random one.
        **kwargs: As for any Keras layer.

    Raises:
        ValueError: If a setting is out of its bounds, or the signals do not have the shape
            ``[batch, time, channels]`` with a known length.

    Example:
        >>> views = barlow.views.SignalViews(crop=(0.8, 1.0), channel_mask=0.1, seed=0)
        >>> first, second = views(keras.ops.zeros((4, 100, 6)))
        >>> tuple(first.shape)
        (4, 100, 6)
    """

    def __init__(
        self,
        crop: tuple[float, float] = (0.5, 1.0),
        warp: float = 0.2,
        scale: float = 0.2,
        jitter: float = 0.1,
        flip: float = 0.0,
        time_mask: float = 0.2,
        channel_mask: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, **kwargs)
        low, high = crop
        if not 0 < low <= high <= 1:
            raise InvalidInput(
                "`crop` must be a range (low, high) with 0 < low <= high <= 1. "
                f"Received: crop={(low, high)}."
            )
        if not 0 <= warp < 1:
            raise InvalidInput(f"`warp` must be at least 0 and below 1. Received: warp={warp}.")
        fractions = {
            "scale": scale,
            "jitter": jitter,
            "flip": flip,
            "time_mask": time_mask,
            "channel_mask": channel_mask,
        }
        for name, value in fractions.items():
            if not 0 <= value <= 1:
                raise InvalidInput(f"`{name}` must lie between 0 and 1. Received: {name}={value}.")
        self.crop = (float(low), float(high))
        self.warp = warp
        self.scale = scale
        self.jitter = jitter
        self.flip = flip
        self.time_mask = time_mask
        self.channel_mask = channel_mask

    def call(self, signals: Tensor, training: bool | None = None) -> tuple[Tensor, Tensor]:
        """Two views of each signal.

        Args:
            signals: Shape ``[batch, time, channels]``, any units, any dtype.
            training: Whether the signals of all replicas are one batch, for which values are drawn.

        Returns:
            Two tensors of the same shape and units, float32.
        """
        if len(signals.shape) != 3 or None in signals.shape[1:]:
            raise InvalidInput(
                "Signals must have the shape [batch, time, channels], time and channels known; a "
                f"signal of one channel has the shape [batch, time, 1]. Received: shape "
                f"{tuple(signals.shape)}."
            )
        signals = ops.cast(signals, "float32")
        share = self.share(signals, training)
        return self._view(signals, share), self._view(signals, share)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[Any, Any]:
        """Shapes of the two views."""
        return input_shape, input_shape

    def get_config(self) -> dict[str, Any]:
        """Configuration from which an equal layer is made."""
        return {
            **super().get_config(),
            "crop": self.crop,
            "warp": self.warp,
            "scale": self.scale,
            "jitter": self.jitter,
            "flip": self.flip,
            "time_mask": self.time_mask,
            "channel_mask": self.channel_mask,
        }

    def _view(self, signals: Tensor, share: backend.Share) -> Tensor:
        time, channels = signals.shape[1:]
        view = signals
        if self.warp or self.crop != (1.0, 1.0):
            view = _interpolate(view, self._positions(share, time))
        if self.scale or self.flip:
            factor = self.uniform(share, (1, channels), 1.0 - self.scale, 1.0 + self.scale)
            flip = self.uniform(share, (1, channels)) < self.flip
            view = view * ops.where(flip, -factor, factor)
        mean = ops.mean(view, axis=1, keepdims=True)
        if self.jitter:
            deviation = ops.std(view, axis=1, keepdims=True)
            deviation = deviation * self.uniform(share, (1, 1), 0.0, self.jitter)
            noise = self.normal(share, (time, channels))
            view = view + deviation * noise
        if self.channel_mask:
            hidden = self.uniform(share, (1, channels)) < self.channel_mask
            view = ops.where(hidden, mean, view)
        if self.time_mask:
            length = self.uniform(share, (1, 1), 0.0, self.time_mask)
            start = self.uniform(share, (1, 1)) * (1.0 - length)
            moment = ((ops.arange(time, dtype="float32") + 0.5) / time)[None, :, None]
            hidden = ops.logical_and(moment >= start, moment < start + length)
            view = ops.where(hidden, mean, view)
        return view

    def _positions(self, share: backend.Share, time: int) -> Tensor:
        """Position in the signal of each sample of the view, in samples, ``[batch, time]``.

        Sample ``k`` covers ``k .. k + 1``. Positions increase: the speed is positive.
        """
        part = self.uniform(share, (1,), *self.crop)
        start = self.uniform(share, (1,)) * (1.0 - part)
        points = self.uniform(share, (_WARP_POINTS, 1), 1.0 - self.warp, 1.0 + self.warp)
        moments = ops.linspace(0.0, _WARP_POINTS - 1.0, time, dtype="float32")
        speed = _interpolate(points, moments[None, :] + 0.5)[..., 0]
        end = ops.cumsum(speed, axis=1)
        return time * (start + part * (end - 0.5 * speed) / end[:, -1:])


def _interpolate(signals: Tensor, positions: Tensor) -> Tensor:
    """Linear interpolation at ``positions [batch, points]``; ``[batch, points, channels]``.

    It reads two samples per point. A matrix of weights, as for images, would be quadratic in time:
    at 1,000 samples it takes some hundred times as long.
    """
    batch, (time, channels) = ops.shape(signals)[0], signals.shape[1:]
    positions = ops.clip(positions - 0.5, 0.0, time - 1.0)
    before = ops.floor(positions)
    share = (positions - before)[..., None]
    before = ops.cast(before, "int32")
    after = ops.minimum(before + 1, time - 1)
    samples = ops.reshape(signals, (-1, channels))
    first = ops.arange(batch, dtype="int32")[:, None] * time
    return (1.0 - share) * ops.take(samples, first + before, axis=0) + share * ops.take(
        samples, first + after, axis=0
    )
