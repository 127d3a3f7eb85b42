"""`SeededLayer`: what every layer of random views shares, its seed and its precision."""

from typing import Any

import keras
from keras import ops


class SeededLayer(keras.layers.Layer):
    """Keras layer whose random draws follow a seed, also after it is saved and loaded.

    It computes in float32, also where the encoder computes in less: values, positions and random
    draws need it.

    Args:
        seed: Seed of the random draws, an integer. Defaults to ``None``, a random one.
        **kwargs: As for any Keras layer.
    """

    def __init__(self, seed: int | None = None, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def uniform(self, shape: tuple[Any, ...], low: float = 0.0, high: float = 1.0) -> Any:
        """Next uniform draws, float32."""
        return keras.random.uniform(shape, low, high, "float32", seed=self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        """Configuration from which an equal layer is made."""
        return {**super().get_config(), "seed": self.seed}

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Keep where the random draws stand, too, so that a loaded model goes on with the next."""
        super().save_own_variables(store)
        store["seed"] = ops.convert_to_numpy(self.seed_generator.state)

    def load_own_variables(self, store: dict[str, Any]) -> None:
        """Take up the random draws where they stood."""
        state = {key: store[key] for key in store.keys() if key != "seed"}  # noqa: SIM118 - HDF5
        super().load_own_variables(state)
        self.seed_generator.state.assign(store["seed"])
