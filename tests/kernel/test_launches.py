"""On a GPU the loss is few kernels, and the host waits for none of them."""

import importlib.util
import pathlib

import keras
import pytest

from barlow.kernel import invariance, per_sample_loss
from barlow.losses import Barlow

if keras.backend.backend() != "torch":
    pytest.skip("PyTorch launches every operation by itself", allow_module_level=True)

import torch

_PATH = pathlib.Path(__file__).parents[2] / "benchmarks" / "_launches.py"
_SPEC = importlib.util.spec_from_file_location("_launches", _PATH)
_launches = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_launches)

SIZES = [(64, 256), (256, 2048), (256, 8192), (2048, 8192), (4096, 8192), (256, 65536)]
GRAM, CORRELATION = (32, 256), (256, 32)


def launches(loss, *shape, dtype=None):
    """Launches of a loss and its gradients on a device without values, as of a GPU."""
    with _launches.on_meta():
        za, zb = (torch.randn(*shape, dtype=dtype, requires_grad=True) for _ in range(2))
        with _launches.Launches() as counted:
            loss(za, zb).backward()
        assert za.grad.shape == zb.grad.shape == za.shape
        assert za.grad.dtype == zb.grad.dtype == za.dtype
    return counted


@pytest.mark.parametrize("shape", [GRAM, CORRELATION], ids=str)
def test_weights_ask_for_nothing_either(shape):
    counted = launches(lambda za, zb: Barlow()(za, zb, torch.ones(shape[0])), *shape)
    assert counted.waits.total() == 0


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_mean_and_its_gradients_are_at_most_60_kernels_at_any_size(size):
    counted = launches(Barlow(), *size)
    assert counted.kernels.total() <= 60
    assert counted.waits.total() == 0


def test_what_launches_nothing_is_not_counted():
    with _launches.Launches() as counted:
        matrix = torch.ones(3, 4)
        (matrix.T.reshape(2, 6)[:, :3] * matrix.view(2, 6)[:, :3]).sum()
        torch.tensor([1.0]).add_(1.0).item()
    assert counted.kernels == {"ones": 1, "clone": 1, "mul": 1, "sum": 1, "add_": 1}
    assert counted.waits == {"tensor": 1, "_local_scalar_dense": 1}


@pytest.mark.parametrize("shape", [GRAM, CORRELATION, (4, 8, 256)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("gradient", ["closed_form", "autodiff"])
@pytest.mark.parametrize("weighting", ["mean", "weights", "mask"])
def test_the_host_waits_for_nothing(shape, dtype, gradient, weighting):
    def loss(za, zb):
        some = torch.ones(shape[:-1], dtype=torch.bool)
        mask = some if weighting == "mask" else None
        values = per_sample_loss(za, zb, 0.1, gradient=gradient, mask=mask)
        return values.sum() if weighting == "mean" else (values * some).sum()

    assert launches(loss, *shape, dtype=dtype).waits.total() == 0


def test_the_invariance_term_asks_for_nothing():
    assert launches(invariance, *GRAM).waits.total() == 0


def test_a_batch_on_a_cpu_takes_blocks_of_columns_unless_it_is_small():
    def kernels(n, d):
        za, zb = (torch.randn(n, d, requires_grad=True) for _ in range(2))
        with _launches.Launches() as counted:
            Barlow()(za, zb).backward()
        return counted.kernels.total()

    assert kernels(64, 2048) < 60 < kernels(64, 4096) < kernels(64, 16384)
