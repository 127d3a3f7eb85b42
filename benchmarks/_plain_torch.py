"""The encoder of Fashion-MNIST in plain PyTorch, and training steps with losses of lightly.

The network of `barlow.models.encoder("conv", (28, 28, 1))`, but for the side of the padding,
channels last. The views are barlow's.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from lightly import loss as losses
from lightly.models.modules import heads
from torch import nn

EXAMPLE_RATE = 0.06  # of SGD, in docs.lightly.ai/examples/barlowtwins.html
FEATURES = 4 * 256  # of the encoder


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
    head = projector(FEATURES, recommended.projector)
    criterion = losses.BarlowTwinsLoss(recommended.lambda_)
    return _with_adamw(network, head, _of_pairs(head, criterion), recommended)


def example_training(network: nn.Module, recommended: Any) -> Callable[[np.ndarray, float], None]:
    """The same with the projector, the loss and the optimizer of lightly's example."""
    head = heads.BarlowTwinsProjectionHead(FEATURES, 2048, 2048)
    optimizer = torch.optim.SGD([*network.parameters(), *head.parameters()])
    loss = _of_pairs(head, losses.BarlowTwinsLoss())
    return _step(network, loss, optimizer, recommended)


def simclr(network: nn.Module, recommended: Any) -> Callable[[np.ndarray, float], None]:
    """SimCLR (Chen et al., 2020): head and loss of lightly's example, with AdamW."""
    head = heads.SimCLRProjectionHead(FEATURES, FEATURES, 128)
    return _with_adamw(network, head, _of_pairs(head, losses.NTXentLoss()), recommended)


def vicreg(network: nn.Module, recommended: Any) -> Callable[[np.ndarray, float], None]:
    """VICReg (Bardes et al., 2022): head and loss of lightly's example, with AdamW."""
    head = heads.VICRegProjectionHead(FEATURES, 2048, 2048, num_layers=2)
    return _with_adamw(network, head, _of_pairs(head, losses.VICRegLoss()), recommended)


def simsiam(network: nn.Module, recommended: Any) -> Callable[[np.ndarray, float], None]:
    """SimSiam (Chen and He, 2021): heads and loss of lightly's example, with AdamW."""
    head = heads.SimSiamProjectionHead(FEATURES, 512, 128)
    predictor = heads.SimSiamPredictionHead(128, 64, 128)
    criterion = losses.NegativeCosineSimilarity()

    def loss(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        za, zb = head(first), head(second)
        pa, pb = predictor(za), predictor(zb)
        return 0.5 * (criterion(pa, zb.detach()) + criterion(pb, za.detach()))

    return _with_adamw(network, nn.Sequential(head, predictor), loss, recommended)


METHODS = {"lightly": training, "simclr": simclr, "vicreg": vicreg, "simsiam": simsiam}
"""What `quality_fashion_mnist.py` sets beside barlow, each a step with a learning rate."""

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _of_pairs(head: nn.Module, criterion: nn.Module) -> Loss:
    return lambda first, second: criterion(head(first), head(second))


def _with_adamw(
    network: nn.Module, head: nn.Module, loss: Loss, recommended: Any
) -> Callable[[np.ndarray, float], None]:
    optimizer = torch.optim.AdamW(
        [*network.parameters(), *head.parameters()], weight_decay=recommended.weight_decay
    )
    return _step(network, loss, optimizer, recommended)


def _step(
    network: nn.Module, loss: Loss, optimizer: torch.optim.Optimizer, recommended: Any
) -> Callable[[np.ndarray, float], None]:
    import barlow

    views = barlow.views.ImageViews(recommended.views, seed=recommended.seed)

    def step(images: np.ndarray, learning_rate: float) -> None:
        with torch.no_grad():
            first, second = (inputs(view) for view in views(images))
        value = loss(network(first), network(second))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    return step


def features(network: nn.Module, images: np.ndarray) -> np.ndarray:
    """Features of all images, in inference mode."""
    network.eval()
    with torch.no_grad():
        pieces = (torch.from_numpy(images[i : i + 500]).float() for i in range(0, len(images), 500))
        return np.concatenate([network(inputs(piece)).numpy() for piece in pieces])
