"""A large batch in pieces: its exact gradient with the memory of a piece.

The loss compares all samples of a batch, so its gradient is not a sum over smaller batches. But it
needs only the embeddings ``z`` of the whole batch, which are small next to the activations that
lead to them:

    1. embed the batch piece by piece, and keep ``z`` alone;
    2. compute the loss and its gradient ``u = dL/dz`` for the whole batch;
    3. embed piece by piece again, and sum ``u' dz/dw`` over the pieces.

The gradient is that of the whole batch. Each piece is embedded twice. (Gao et al., 2021, "Scaling
deep contrastive learning batch size under memory limited setup", do the same for another loss.)
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from barlow import backend
from barlow.backend import Tensor
from barlow.errors import InvalidInput

Embed = Callable[[Any], tuple[Tensor, Tensor]]
"""From inputs to embeddings of both views, each ``[batch, features]``."""

_EmbedPiece = Callable[[Tensor, list[Tensor], list[Tensor]], tuple[Tensor, list[Tensor]]]
"""From the index of a piece, weights and states to both embeddings of the piece, ``[2, piece,
features]``, and the states after it."""


def embed_by_pieces(
    embed: Embed, model: keras.Model, inputs: Any, piece: int, features: int, dtype: str
) -> tuple[Tensor, Tensor]:
    """``embed(inputs)``, with the memory of a piece for the gradient.

    Args:
        embed: Computes with the variables of the model and no others.
        model: Its variables that are not trained, such as moving averages and the states of random
            seeds, are updated by one piece after the other.
        inputs: Tensor ``[batch, ...]`` or a pair of them.
        piece: Samples of a piece, >= 1. Where the batch is no multiple of it, samples from its
            beginning fill the last piece; they have no part in the gradient.
        features: Length of an embedding.
        dtype: Of the embeddings.

    Returns:
        Embeddings of both views, each of shape ``[batch, features]``.

    Raises:
        ValueError: If a layer adds to the loss what depends on its inputs.
    """
    batch = ops.shape(keras.tree.flatten(inputs)[0])[0]
    piece = min(piece, batch) if isinstance(batch, int) else piece
    count = (batch + piece - 1) // piece
    inputs = keras.tree.map_structure(lambda x: _padded(x, batch, count * piece), inputs)
    weights, states = model.trainable_variables, model.non_trainable_variables

    def embed_piece(
        index: Tensor, values: list[Tensor], others: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        part = keras.tree.map_structure(lambda x: _piece(x, index * piece, piece), inputs)
        mapping = zip([*weights, *states], [*values, *others], strict=True)
        with (
            backend.apart(),  # the replicas of a model do not wait for one another in a loop
            keras.StatelessScope(state_mapping=list(mapping), collect_losses=True) as scope,
        ):
            z = ops.stack(embed(part))
        if scope.losses:
            raise InvalidInput(
                "With `micro_batch_size` no layer may add to the loss what depends on its inputs, "
                "such as an activity regularizer. Penalties of weights are fine."
            )
        return z, [scope.get_current_value(state) for state in states]

    empty = ops.zeros((2, count * piece, features), dtype)
    z, after = _embeddings(embed_piece, count, piece, empty, weights, states)
    for state, value in zip(states, after, strict=True):
        state.assign(value)
    return z[0, :batch], z[1, :batch]


def _embeddings(
    embed_piece: _EmbedPiece,
    count: int | Tensor,
    piece: int,
    empty: Tensor,
    weights: list[keras.Variable],
    states: list[keras.Variable],
) -> tuple[Tensor, list[Tensor]]:
    """Embeddings of all pieces, shape of ``empty``, with their gradient; and the states after."""
    # No part of this is differentiated.
    values = [ops.stop_gradient(weight.value) for weight in weights]
    before = [ops.copy(state.value) for state in states]  # PyTorch assigns in place

    def forward(index: Tensor, carry: tuple[Tensor, list[Tensor]]) -> tuple[Tensor, list[Tensor]]:
        z, others = embed_piece(index, values, carry[1])
        return ops.slice_update(carry[0], [0, index * piece, 0], z), others

    embeddings, after = backend.repeat(count, forward, (empty, before))

    @backend.custom_gradient
    def with_gradient(*_: Tensor) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, ...]]]:
        def pull_back(u: Tensor) -> tuple[Tensor, ...]:
            def backward(index: Tensor, carry: tuple[list[Tensor], list[Tensor]]) -> Any:
                sums, others = carry
                u_piece = ops.slice(u, [0, index * piece, 0], [2, piece, empty.shape[2]])
                _, differentiate, others = backend.vjp(
                    lambda *values: embed_piece(index, list(values), others), values
                )
                gradients = differentiate(u_piece)
                return [a + b for a, b in zip(sums, gradients, strict=True)], others

            zeros = [ops.zeros_like(value) for value in values]
            gradients, _ = backend.repeat(count, backward, (zeros, before))
            return tuple(gradients)

        return embeddings, pull_back

    return with_gradient(*[weight.value for weight in weights]), after


def _padded(x: Tensor, batch: int | Tensor, length: int | Tensor) -> Tensor:
    if isinstance(batch, int) and batch == length:
        return x
    return ops.take(x, ops.arange(length, dtype="int32") % batch, axis=0)


def _piece(x: Tensor, start: Tensor, length: int) -> Tensor:
    rest = tuple(x.shape[1:])
    return ops.slice(x, [start, *[0 for _ in rest]], [length, *rest])
