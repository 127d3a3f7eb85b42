"""`SeededLayer`: the seed and the precision of every layer of random views."""

import operator
from typing import Any

import keras
from keras import ops

from barlow import backend
from barlow.backend import Tensor


class SeededLayer(keras.layers.Layer):
    """Keras layer whose random draws follow a seed, also after saving and loading.

    On several replicas it draws for all images of the global batch, and each replica takes its own.

    It computes in float32, even if the encoder computes in half precision: values, positions and
    random draws need it.

    Args:
        seed: Seed of the random draws, an integer >= 0 of any size. Defaults to ``None``, a random
            one.
        **kwargs: As for any Keras layer.
    """

    def __init__(self, seed: int | None = None, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.seed = None if seed is None else operator.index(seed)  # NumPy's integers, too
        self.seed_generator = keras.random.SeedGenerator(
            None if self.seed is None else backend.seed_of_31_bits(self.seed)
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What :meth:`call` returns, whatever Keras' global settings are."""
        with backend.keras_defaults():
            return super().__call__(*args, **kwargs)

    def share(self, inputs: Tensor, training: bool | None) -> backend.Share:
        """The share of inputs ``[batch, ...]`` in the global batch, which in training is drawn for.

        Without training a replica draws for its own inputs, and waits for no other.
        """
        count = ops.shape(inputs)[0]
        return backend.share(count) if training else backend.Share(count, 0, count)

    def uniform(
        self, share: backend.Share, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0
    ) -> Tensor:
        """Next uniform draws, ``[batch, *shape]``, float32."""
        shape = (share.total, *shape)
        return share.own(
            keras.random.uniform(shape, low, high, "float32", seed=self.seed_generator)
        )

    def normal(self, share: backend.Share, shape: tuple[int, ...]) -> Tensor:
        """Next normal draws, ``[batch, *shape]``, float32."""
        shape = (share.total, *shape)
        return share.own(keras.random.normal(shape, dtype="float32", seed=self.seed_generator))

    def get_config(self) -> dict[str, Any]:
        """Configuration from which an equal layer is made."""
        return {**super().get_config(), "seed": self.seed}

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Save the state of the seed too, so that a loaded model continues with the next draws."""
        super().save_own_variables(store)
        store["seed"] = ops.convert_to_numpy(self.seed_generator.state)

    def load_own_variables(self, store: dict[str, Any]) -> None:
        """Load the state of the seed too."""
        state = {key: store[key] for key in store.keys() if key != "seed"}  # noqa: SIM118 - HDF5
        super().load_own_variables(state)
        self.seed_generator.state.assign(store["seed"])
