"""Everything that knows a backend by name: the choice, memory, logs, replicas, what Keras lacks.

And Keras' global settings.
"""

from barlow.backend.choice import BACKENDS, choose
from barlow.backend.defaults import keras_defaults, seed_of_31_bits
from barlow.backend.devices import devices
from barlow.backend.log import quiet
from barlow.backend.memory import forgetting_graphs, keep_freed_memory, maps_memory_anew
from barlow.backend.operations import (
    batch_normalization,
    compiled,
    cond,
    custom_gradient,
    fuses_batch_normalization,
    fuses_exact_batch_normalization,
    predict,
    pull_back,
    repeat,
)
from barlow.backend.replicas import in_custom_replica_loop
from barlow.backend.tensor import Tensor

__all__ = [
    "BACKENDS",
    "Tensor",
    "batch_normalization",
    "choose",
    "compiled",
    "cond",
    "custom_gradient",
    "devices",
    "forgetting_graphs",
    "fuses_batch_normalization",
    "fuses_exact_batch_normalization",
    "in_custom_replica_loop",
    "keep_freed_memory",
    "keras_defaults",
    "maps_memory_anew",
    "predict",
    "pull_back",
    "quiet",
    "repeat",
    "seed_of_31_bits",
]
