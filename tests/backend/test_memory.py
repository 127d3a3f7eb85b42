import gc
import platform
import subprocess
import sys
import threading
import weakref

import keras
import pytest

from barlow import backend

FAULTS = """
import resource
import torch
from barlow import backend

if {keep}:
    backend.keep_freed_memory()
faults = []
for _ in range(4):
    torch.ones(2**25).sum()  # 128 MB, written and freed
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(faults[-1] - faults[-2])
"""


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the others keep no graphs")
def test_graphs_of_a_block_are_forgotten_and_no_others():
    import tensorflow as tf

    @tf.custom_gradient
    def same(x):
        return tf.identity(x), lambda upstream: upstream

    def graph():
        """A weak reference to a graph that TensorFlow keeps."""
        function = tf.function(lambda x: tf.reduce_sum(same(x))).get_concrete_function(
            tf.TensorSpec((2,))
        )
        return weakref.ref(function.graph)

    graphs = {"before": graph()}
    with backend.forgetting_graphs():
        graphs["within"] = graph()
        with backend.forgetting_graphs():
            graphs["deeper"] = graph()
        thread = threading.Thread(target=lambda: graphs.update(thread=graph()))
        thread.start()
        thread.join()
    graphs["after"] = graph()
    gc.collect()
    kept = {name for name, each in graphs.items() if each() is not None}
    assert kept == {"before", "thread", "after"}


@pytest.mark.skipif(
    keras.backend.backend() != "torch" or platform.libc_ver()[0] != "glibc",
    reason="the other backends keep memory themselves, other C libraries have no such setting",
)
def test_memory_of_freed_arrays_is_used_again():
    """Otherwise the system hands out each page of an array anew; a page has at most 2 MiB."""
    faults = [
        int(subprocess.check_output([sys.executable, "-c", FAULTS.format(keep=keep)], text=True))
        for keep in (False, True)
    ]
    assert faults[0] >= 64
    assert faults[1] <= 8
