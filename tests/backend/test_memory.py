import platform
import subprocess
import sys

import keras
import pytest

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
