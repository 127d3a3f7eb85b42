"""`BarlowTwins`: encoder, projector and views as one model that learns from plain inputs."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from barlow import backend, errors, kernel, losses
from barlow.backend import Tensor
from barlow.errors import InvalidInput
from barlow.losses.barlow import MEANS
from barlow.models import replicas
from barlow.models.encoders import features_of
from barlow.models.fused import Apply, fused
from barlow.models.inputs import first_inputs, only_input
from barlow.models.pieces import embed_by_pieces
from barlow.models.projector import projector as make_projector


@keras.saving.register_keras_serializable(package="barlow")
class BarlowTwins(keras.Model):
    """Encoder that learns from images, signals or rows without labels (Zbontar et al., 2021).

    Each input becomes two views, each view goes through encoder and projector, and the loss
    compares the two batches of embeddings. After training you keep ``model.encoder``:
    ``model.encoder.predict(images)``.

    ``fit`` and ``evaluate`` take inputs alone, in any form that Keras takes, and ignore labels. Of
    a dictionary the input is the one entry of the highest rank: images, among labels and names.
    (Keras drops ``sample_weight`` if there are no labels: to weight samples, pass any labels, such
    as zeros.) The metrics are the ``loss`` and its two terms, ``invariance`` and ``redundancy``.
    They add up to it, except for weight penalties of the networks and sample weights.

    Args:
        encoder: Functional or sequential model with a known input shape, from one view, such as
            images ``[batch, height, width, channels]``, to ``[batch, features]``.
        projector: Model from ``[batch, features]`` to the embeddings, or the widths of
            :func:`barlow.models.projector`. Defaults to ``(512, 512)``.
        views: Layer from inputs to two views of each: :class:`barlow.views.ImageViews`,
            :class:`barlow.views.SignalViews` for ``[batch, time, channels]``,
            :class:`barlow.views.TableViews` for ``[batch, features]``, or your own. With
            ``None``, the default, the model takes pairs of views:
            ``fit((first, second))``.
        loss: Loss between the two batches of embeddings, with a reduction to the mean over
            samples. Defaults to ``barlow.losses.Barlow()``.
        **kwargs: As for any Keras model.

    Raises:
        ValueError: If the encoder's output is not known to be one vector per input, if the
            projector is neither a model nor widths, or if the loss does not average.

    Example:
        >>> images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1))
        >>> model = barlow.BarlowTwins(
        ...     barlow.models.encoder("conv", (8, 8, 1)),
        ...     projector=(64, 64),
        ...     views=barlow.views.ImageViews("glyphs"),
        ... )
        >>> model.compile("adam")
        >>> history = model.fit(images, batch_size=32, verbose=0)
        >>> sorted(history.history)
        ['invariance', 'loss', 'redundancy']
    """

    def __init__(
        self,
        encoder: keras.Model,
        projector: keras.Model | Sequence[int] = (512, 512),
        views: keras.layers.Layer | None = None,
        loss: losses.Barlow | None = None,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)  # views see the inputs as they are
        features = features_of(encoder)
        if isinstance(projector, Sequence):
            projector = make_projector(features, tuple(projector))
        elif not isinstance(projector, keras.Model):
            raise InvalidInput(
                "`projector` must be a keras.Model or the widths of its layers, such as "
                f"(512, 512). Received: {projector}."
            )
        loss = losses.Barlow() if loss is None else loss
        if not isinstance(loss, losses.Barlow) or loss.reduction not in MEANS:
            raise InvalidInput(
                "`loss` must be a barlow.losses.Barlow that averages over the samples, with "
                f"reduction 'auto' or one of {', '.join(map(repr, MEANS))}. Received: {loss} "
                f"with reduction {getattr(loss, 'reduction', None)!r}."
            )
        self.encoder = encoder
        self.projector: keras.Model = projector
        self.views = views
        self.objective = loss
        self.invariance_tracker = keras.metrics.Mean(name="invariance")
        self.redundancy_tracker = keras.metrics.Mean(name="redundancy")
        self.micro_batch_size: int | None = None
        self._has_loss_weights = False
        self._fused: tuple[Apply, Apply] | None = None

    def call(self, inputs: Any, training: bool | None = None) -> tuple[Tensor, Tensor]:
        """Embeddings of both views of each input.

        Args:
            inputs: Batch for ``views``, or with ``views=None`` a pair of batches. Of a dictionary
                its entry of the highest rank is taken.
            training: Whether layers such as batch normalisation run in training mode. Views are
                random in either mode.

        Returns:
            ``(za, zb)``, each of shape ``[batch, projector features]``.
        """
        inputs = only_input(inputs)
        if training and (size := self.micro_batch_size):
            last = self.projector.outputs[0]
            return embed_by_pieces(self._embed, self, inputs, size, last.shape[-1], last.dtype)
        return self._embed(inputs, training=training)

    def _embed(self, inputs: Any, training: bool | None = True) -> tuple[Tensor, Tensor]:
        if self.views is not None:
            inputs = self.views(inputs, training=training)
        elif not isinstance(inputs, tuple | list) or len(inputs) != 2:
            raise InvalidInput(
                "Without `views` the model takes pairs: fit((first, second)); a dataset yields "
                "((first, second),). To make pairs, set BarlowTwins(..., views=...): "
                "barlow.views.ImageViews(...) for images, SignalViews() for signals, TableViews() "
                "for rows of a table."
            )
        encoder, projector = (training and self._fused) or (self.encoder, self.projector)
        # One after the other: batch statistics must not mix the two views. `training` is passed to
        # each part: JAX calls this outside the context from which Keras would pass it on.
        za, zb = (projector(encoder(x, training=training), training=training) for x in inputs)
        return za, zb

    def compile(
        self,
        optimizer: Any = "adamw",
        loss: None = None,
        micro_batch_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Configure training.

        Args:
            optimizer: Keras optimizer or its name. Defaults to ``"adamw"``.
            loss: Must be ``None``: the model has its loss.
            micro_batch_size: Inputs to embed at a time, >= 1. The loss and its gradient remain
                those of the whole batch; the memory is that of so many inputs and of the
                embeddings, and every input is embedded twice. Batch normalisation takes the
                statistics of so many inputs, so do not take few. Defaults to ``None``, the whole
                batch.
            **kwargs: As for ``keras.Model.compile``.

        Raises:
            ValueError: If ``loss`` is not ``None``, or ``micro_batch_size`` is below 1.
        """
        if micro_batch_size is not None and micro_batch_size < 1:
            raise InvalidInput(
                f"`micro_batch_size` must be at least 1, or None. Received: {micro_batch_size}."
            )
        if loss is not None:
            raise InvalidInput(
                "The model already has its loss. Pass another one to the constructor: "
                f"BarlowTwins(encoder, loss=Barlow(lambda_=0.01)). Received: loss={loss}."
            )
        self.micro_batch_size = micro_batch_size
        self._has_loss_weights = kwargs.get("loss_weights") is not None
        self._fused = fused(self.encoder), fused(self.projector)
        kwargs["jit_compile"] = replicas.check_compiled(
            self, kwargs.get("jit_compile", "auto"), kwargs.get("steps_per_execution", 1)
        )
        super().compile(optimizer=optimizer, loss=self.objective, **kwargs)

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Train, as any Keras model, after a check of the first inputs.

        Args:
            x: Inputs, in any form that Keras takes. Labels are ignored.
            *args: As for ``keras.Model.fit``.
            **kwargs: As for ``keras.Model.fit``.

        Returns:
            Keras' history of the metrics.

        Raises:
            ValueError: If ``views`` refuses the first inputs: see
                :meth:`barlow.views.ImageViews.check`. Those of a generator or a stream, which can
                be read only once, are not checked; nor, with a warning, those that cannot be seen
                beforehand for another reason. Or if the batches are dictionaries in which no
                single entry has the highest rank.
        """
        check, many = getattr(self.views, "check", None), backend.device_count(self) > 1
        known = getattr(x, "values_are_known", False)
        if callable(check) or many:
            first, x = first_inputs(x)
            if first is not None and callable(check):
                with errors.as_warning("The first inputs are not checked", but=InvalidInput):
                    check(first, True) if known else check(first)
            if many:
                replicas.prepare(self, x, first, kwargs.get("batch_size"))
        backend.keep_freed_memory()
        return super().fit(x, *args, **kwargs)

    def train_step(self, *arguments: Any) -> Any:
        """A step of ``fit``, as Keras'; on PyTorch with the gradients of all processes."""
        if backend.replicas_are_processes() and backend.replica_count() > 1:
            return backend.train_step(self, *arguments)
        return super().train_step(*arguments)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Tensor | None = None,
        training: bool = True,
    ) -> Tensor:
        """Loss between the embeddings of the two views; labels ``y`` have no part in it."""
        za, zb = y_pred
        rest = {"sample_weight": sample_weight, "training": training}
        loss = super().compute_loss(x=x, y=za, y_pred=zb, **rest)
        # The terms are those of the plain loss, which is this one unless samples have weights.
        plain, *detached = (ops.stop_gradient(value) for value in (loss, za, zb))
        samples = ops.shape(za)[0]
        share = backend.share(samples) if backend.replica_count() > 1 else None
        if sample_weight is not None or self._has_loss_weights:
            plain = kernel.column_mean(self.objective.call(*detached), share)
        else:
            plain = backend.unscaled(plain)
            for penalty in self.losses:
                # Not in place, which would change the loss.
                plain = ops.subtract(plain, ops.stop_gradient(penalty))
        if share is not None and backend.replicas_are_processes():
            samples = share.total  # each has metrics of its own, with which another may resume
        invariance = kernel.invariance(*detached, share=share)
        self.invariance_tracker.update_state(invariance, sample_weight=samples)
        # Keras' floats may be others than the kernel's, which TensorFlow's `-` refuses.
        redundancy = ops.subtract(plain, invariance)
        self.redundancy_tracker.update_state(redundancy, sample_weight=samples)
        return loss

    def levels(self, batch_size: int) -> losses.Levels:
        """Loss to expect at the start, and its floor: see :func:`barlow.losses.levels`."""
        return losses.levels(batch_size, self.projector.output_shape[-1], self.objective.lambda_)

    def cross_correlation(self, x: Any, features: int | None = None) -> NDArray[Any]:
        """Correlation of the features of two views, in inference mode.

        Random views draw their next values, as with ``predict``.

        Args:
            x: Inputs, as for ``predict``.
            features: Number of the embeddings' features to take, the first ones. Defaults to
                ``None``, all.

        Returns:
            Shape ``[features, features]``; see :func:`barlow.losses.cross_correlation`.
        """
        if hasattr(x, "shape"):
            parts = [backend.predict(self, x[row : row + 32], 32) for row in range(0, len(x), 32)]
            outputs = [np.concatenate(views) for views in zip(*parts, strict=True)]
        else:
            outputs = self.predict(x, verbose=0)
        za, zb = (np.asarray(z[:, :features], "float32") for z in outputs)
        return ops.convert_to_numpy(losses.cross_correlation(za, zb))

    def get_config(self) -> dict[str, Any]:
        """Configuration from which an equal model is made, with new weights."""
        parts = {
            "encoder": self.encoder,
            "projector": self.projector,
            "views": self.views,
            "loss": self.objective,
        }
        return {
            **super().get_config(),
            **{name: keras.saving.serialize_keras_object(part) for name, part in parts.items()},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "BarlowTwins":
        """Model from the output of :meth:`get_config`."""
        parts = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in ("encoder", "projector", "views", "loss")
        }
        return cls(**{**config, **parts})

    def get_compile_config(self) -> dict[str, Any]:
        """Arguments of :meth:`compile`, serialised."""
        config = super().get_compile_config()
        if self.compiled:
            config["micro_batch_size"] = self.micro_batch_size
        return {key: value for key, value in config.items() if key != "loss"}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with the output of :meth:`get_compile_config`."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)
