"""A function with a gradient of its own in PyTorch, which this module imports."""

from collections.abc import Callable
from typing import Any

import torch

from barlow.backend.tensor import Tensor


class Differentiable(torch.autograd.Function):
    """The function that is the first argument: from tensors to a tensor and its pullback."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Any], *inputs: Tensor) -> Tensor:
        """The function's tensor."""
        output, ctx.pull_back = function(*inputs)
        return output

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        """No gradient of the function, then those of its inputs."""
        gradients = ctx.pull_back(*upstream)
        return None, *(gradients if isinstance(gradients, tuple) else (gradients,))
