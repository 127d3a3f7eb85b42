"""ResNet-50 and the projector of the paper in plain PyTorch, as `barlow.models` has them."""

from collections.abc import Sequence

import torch
from torch import nn


class Bottleneck(nn.Module):
    """Three convolutions and what is added to them."""

    def __init__(self, channels: int, filters: int, stride: int):
        super().__init__()
        self.path = nn.Sequential(
            *_normalized(channels, filters, 1),
            nn.ReLU(inplace=True),
            *_normalized(filters, filters, 3, stride),
            nn.ReLU(inplace=True),
            *_normalized(filters, 4 * filters, 1),
        )
        changes = channels != 4 * filters or stride != 1
        self.added = nn.Sequential(
            *(_normalized(channels, 4 * filters, 1, stride) if changes else [])
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.path(x) + self.added(x))


def resnet50(stages: Sequence[int] = (3, 4, 6, 3)) -> nn.Module:
    """From images, channels first, to 2,048 features, or as many as fewer stages have."""
    layers = [*_normalized(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, blocks in enumerate(stages):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            layers.append(Bottleneck(channels, 64 * 2**stage, stride))
            channels = 256 * 2**stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def projector(features: int, widths: Sequence[int]) -> nn.Module:
    """Linear layers with batch normalisation and ReLU, then a linear one."""
    layers: list[nn.Module] = []
    for width in widths[:-1]:
        layers += [nn.Linear(features, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, widths[-1], bias=False))


def _normalized(channels: int, filters: int, size: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, filters, size, stride, size // 2, bias=False)
    return [convolution, nn.BatchNorm2d(filters)]
