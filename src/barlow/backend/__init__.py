"""Everything that knows a backend by name: the choice, memory, logs, replicas, what Keras lacks.

And Keras' global settings.
"""

from barlow.backend.choice import BACKENDS, choose, current
from barlow.backend.defaults import keras_defaults, seed_of_31_bits
from barlow.backend.devices import check_devices, devices, has_accelerator, on_devices
from barlow.backend.gradients import custom_gradient, records_gradients, vjp
from barlow.backend.launches import (
    add_product,
    add_scaled,
    add_to_diagonal,
    add_up,
    equal_entries,
    favours_few_operations,
    fill,
    largest,
    mean,
    normalize_columns,
    normalize_columns_gradients,
    stack,
)
from barlow.backend.log import quiet
from barlow.backend.memory import forgetting_graphs, keep_freed_memory, maps_memory_anew
from barlow.backend.operations import (
    batch_normalization,
    compiled,
    cond,
    fuses_batch_normalization,
    fuses_exact_batch_normalization,
    jit,
    predict,
    repeat,
)
from barlow.backend.processes import (
    exchange,
    join_processes,
    launch,
    launched_index,
    noticing_the_lost,
    process_count,
    process_index,
)
from barlow.backend.random_state import keeping_random_state
from barlow.backend.replicas import (
    Share,
    apart,
    arrays_are_global,
    device_count,
    in_custom_replica_loop,
    is_apart,
    is_fully_sharded,
    replica_count,
    replicas_are_processes,
    share,
    synchronize,
    total,
    train_step,
    unscaled,
)
from barlow.backend.tensor import Tensor

__all__ = [
    "BACKENDS",
    "Share",
    "Tensor",
    "add_product",
    "add_scaled",
    "add_to_diagonal",
    "add_up",
    "apart",
    "arrays_are_global",
    "batch_normalization",
    "check_devices",
    "choose",
    "compiled",
    "cond",
    "current",
    "custom_gradient",
    "device_count",
    "devices",
    "equal_entries",
    "exchange",
    "favours_few_operations",
    "fill",
    "forgetting_graphs",
    "fuses_batch_normalization",
    "fuses_exact_batch_normalization",
    "has_accelerator",
    "in_custom_replica_loop",
    "is_apart",
    "is_fully_sharded",
    "jit",
    "join_processes",
    "keep_freed_memory",
    "keeping_random_state",
    "keras_defaults",
    "largest",
    "launch",
    "launched_index",
    "maps_memory_anew",
    "mean",
    "normalize_columns",
    "normalize_columns_gradients",
    "noticing_the_lost",
    "on_devices",
    "predict",
    "process_count",
    "process_index",
    "quiet",
    "records_gradients",
    "repeat",
    "replica_count",
    "replicas_are_processes",
    "seed_of_31_bits",
    "share",
    "stack",
    "synchronize",
    "total",
    "train_step",
    "unscaled",
    "vjp",
]
