"""What watches a training, for any ``fit``: probes, rank, TensorBoard."""

from typing import TYPE_CHECKING

from barlow._lazy import attach

if TYPE_CHECKING:
    from barlow.callbacks.run import usual
    from barlow.callbacks.tensorboard import TensorBoard
    from barlow.callbacks.watch import Probe, Rank

__all__ = ["Probe", "Rank", "TensorBoard", "usual"]

# When they are used: only TensorBoard needs tensorboardX and Matplotlib.
__getattr__, __dir__ = attach(
    __name__,
    {"Probe": "watch", "Rank": "watch", "TensorBoard": "tensorboard", "usual": "run"},
)
