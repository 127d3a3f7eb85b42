"""`TableViews`: two random views of every row of a table, as a Keras layer."""

from typing import Any

import keras
from keras import ops

from barlow import backend
from barlow.backend import Tensor
from barlow.errors import InvalidInput
from barlow.views.seeded import SeededLayer


@keras.saving.register_keras_serializable(package="barlow")
class TableViews(SeededLayer):
    """Two views of every row, in which some values come from other rows of the batch.

    The corruption of SCARF (Bahri et al., 2022, "SCARF: Self-supervised contrastive learning using
    random feature corruption"): with probability ``rate`` a value is replaced by the value of
    another row in the same column. The other row is drawn uniformly from the batch, anew for each
    value. Values are copied, never computed with: a column may hold measurements, codes of
    categories or NaN. It runs inside the compiled training step, on the device, on every backend.

    Args:
        rate: Probability that a value is replaced, from 0 to 1. Defaults to 0.6, SCARF's.
        both: Whether both views are corrupted, or only the second one, as in SCARF. Defaults to
            ``False``.
        seed: Seed of the random draws, an integer. Defaults to ``None``, a random one.
        **kwargs: As for any Keras layer.

    Raises:
        ValueError: If ``rate`` is out of its bounds, or the rows do not have the shape
            ``[batch, features]`` with a known number of features.

    Example:
        >>> rows = np.arange(12.0).reshape(4, 3)
        >>> first, second = barlow.views.TableViews(rate=0.5, seed=0)(rows)
        >>> tuple(second.shape)
        (4, 3)
    """

    def __init__(
        self, rate: float = 0.6, both: bool = False, seed: int | None = None, **kwargs: Any
    ):
        super().__init__(seed=seed, **kwargs)
        if not 0 <= rate <= 1:
            raise InvalidInput(f"`rate` must lie between 0 and 1. Received: rate={rate}.")
        self.rate = rate
        self.both = both

    def call(self, rows: Tensor, training: bool | None = None) -> tuple[Tensor, Tensor]:
        """Two views of each row.

        Args:
            rows: Shape ``[batch, features]``, any numeric dtype. Floating-point values become
                float32, as in any Keras layer; integers keep their dtype.
            training: Whether the rows of all replicas are one batch, from which values are taken.

        Returns:
            Two tensors of the same shape. The first is ``rows`` itself unless ``both``.
        """
        if len(rows.shape) != 2 or rows.shape[1] is None:
            raise InvalidInput(
                "Rows must have the shape [batch, features], the number of features known. "
                f"Received: shape {tuple(rows.shape)}."
            )
        share = self.share(rows, training)
        if not training or backend.is_apart():
            return self._corrupt(rows, share) if self.both else rows, self._corrupt(rows, share)
        everyone = share.gather(rows)  # values come from the rows of all replicas
        whole = backend.Share(share.total, 0, share.total)
        first = share.own(self._corrupt(everyone, whole)) if self.both else rows
        return first, share.own(self._corrupt(everyone, whole))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[Any, Any]:
        """Shapes of the two views."""
        return input_shape, input_shape

    def get_config(self) -> dict[str, Any]:
        """Configuration from which an equal layer is made."""
        return {**super().get_config(), "rate": self.rate, "both": self.both}

    def _corrupt(self, rows: Tensor, share: backend.Share) -> Tensor:
        batch, features = ops.shape(rows)[0], rows.shape[1]
        replaced = self.uniform(share, (features,)) < self.rate
        # Another row: 1 to batch - 1 rows further, cyclically.
        unit = self.uniform(share, (features,))
        others = ops.cast(batch - 1, "float32")
        further = 1 + ops.cast(ops.floor(unit * others), "int32")
        donor = (ops.arange(batch, dtype="int32")[:, None] + further) % batch
        return ops.where(replaced, ops.take_along_axis(rows, donor, axis=0), rows)
