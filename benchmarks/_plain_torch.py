"""The encoder of Fashion-MNIST in plain PyTorch, and a training step with lightly's loss.

The network of `barlow.models.encoder("conv", (28, 28, 1))`, but for the side of the padding,
channels last. The views are barlow's.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from lightly.loss import BarlowTwinsLoss
from lightly.models.modules import BarlowTwinsProjectionHead
from torch import nn

EXAMPLE_RATE = 0.06  # of SGD, in docs.lightly.ai/examples/barlowtwins.html


def encoder() -> nn.Module:
    layers: list[nn.Module] = []
    channels = 1
    for filters, size in ((64, 5), (128, 3), (256, 3)):
        layers += [
            nn.Conv2d(channels, filters, size, stride=2, padding=size // 2, bias=False),
            nn.BatchNorm2d(filters),
            nn.ReLU(),
        ]
        channels = filters
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())
    return network.to(memory_format=torch.channels_last)


def projector(features: int, widths: Sequence[int]) -> nn.Module:
    layers: list[nn.Module] = []
    for width in widths[:-1]:
        layers += [nn.Linear(features, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, widths[-1], bias=False))


def inputs(pixels: torch.Tensor) -> torch.Tensor:
    """From values 0 .. 255, channels last, to what the encoder takes."""
    return (pixels / 127.5 - 1).permute(0, 3, 1, 2)


def training(network: nn.Module, recommended: Any) -> Callable[[np.ndarray, float], None]:
    """A step on images with a learning rate, by the settings of `barlow.recommend`."""
    head = projector(4 * 256, recommended.projector)
    optimizer = torch.optim.AdamW(
        [*network.parameters(), *head.parameters()], weight_decay=recommended.weight_decay
    )
    return _step(network, head, BarlowTwinsLoss(recommended.lambda_), optimizer, recommended)


def example_training(network: nn.Module, recommended: Any) -> Callable[[np.ndarray, float], None]:
    """The same with the projector, the loss and the optimizer of lightly's example."""
    head = BarlowTwinsProjectionHead(4 * 256, 2048, 2048)
    optimizer = torch.optim.SGD([*network.parameters(), *head.parameters()])
    return _step(network, head, BarlowTwinsLoss(), optimizer, recommended)


def _step(
    network: nn.Module,
    head: nn.Module,
    criterion: nn.Module,
    optimizer: torch.optim.Optimizer,
    recommended: Any,
) -> Callable[[np.ndarray, float], None]:
    import barlow

    views = barlow.views.ImageViews(recommended.views, seed=recommended.seed)

    def step(images: np.ndarray, learning_rate: float) -> None:
        with torch.no_grad():
            first, second = (inputs(view) for view in views(images))
        loss = criterion(head(network(first)), head(network(second)))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def features(network: nn.Module, images: np.ndarray) -> np.ndarray:
    """Features of all images, in inference mode."""
    network.eval()
    with torch.no_grad():
        pieces = (torch.from_numpy(images[i : i + 500]).float() for i in range(0, len(images), 500))
        return np.concatenate([network(inputs(piece)).numpy() for piece in pieces])
