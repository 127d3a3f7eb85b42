"""What watches a training, for any ``fit``: probes, rank, TensorBoard."""

from barlow.callbacks.watch import Probe, Rank, TensorBoard

__all__ = ["Probe", "Rank", "TensorBoard"]
