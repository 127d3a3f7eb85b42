"""The loss as it is usually written in PyTorch, with the D x D matrix (Zbontar et al., 2021)."""

import torch


def usual_form(lambda_=0.005):
    """A function of two batches of embeddings; its gradient is what PyTorch derives."""

    def standardized(z):
        return torch.nn.functional.batch_norm(z, None, None, training=True)

    def loss(za, zb):
        correlation = standardized(za).T @ standardized(zb)
        correlation.div_(len(za))
        on_diagonal = torch.diagonal(correlation).add_(-1).pow_(2).sum()
        return on_diagonal + lambda_ * _off_diagonal(correlation).pow_(2).sum()

    return loss


def _off_diagonal(x):
    n = len(x)
    return x.flatten()[:-1].view(n - 1, n + 1)[:, 1:].flatten()
