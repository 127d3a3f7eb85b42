"""A function with a gradient of its own in PyTorch, which this module imports."""

import contextlib
from collections.abc import Callable
from typing import Any

import torch

from barlow.backend.tensor import Tensor


def full_precision(x: Tensor) -> contextlib.AbstractContextManager[Any]:
    """Where autocast has products in half precision on the device of a tensor: it does not."""
    kind = x.device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return torch.autocast(kind, enabled=False)
    return contextlib.nullcontext()


class Differentiable(torch.autograd.Function):
    """The function that is the first argument: from tensors to a tensor and its pullback."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Any], *inputs: Tensor) -> Tensor:
        """The function's tensor."""
        with full_precision(inputs[0]):
            output, ctx.pull_back = function(*inputs)
        return output

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        """No gradient of the function, then those of its inputs."""
        with full_precision(upstream[0]):
            gradients = ctx.pull_back(*upstream)
        return None, *(gradients if isinstance(gradients, tuple) else (gradients,))
