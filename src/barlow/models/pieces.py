"""A large batch in pieces: its exact gradient with the memory of a piece.

The loss compares all samples of a batch, so that its gradient cannot be summed over small batches
as that of other losses can. But it needs no more than the embeddings ``z`` of the whole batch,
which are small next to the activations that lead to them:

    1. embed the batch piece by piece, and keep nothing but ``z``;
    2. take the loss and its gradient ``u = dL/dz`` for the whole batch;
    3. embed piece by piece again, and sum ``u' dz/dw`` over the pieces.

The gradient is that of the whole batch; each piece is embedded twice. (Gao et al., 2021, "Scaling
deep contrastive learning batch size under memory limited setup", do the same for another loss.)
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from barlow import backend
from barlow.errors import InvalidInput

Embed = Callable[[Any], tuple[Any, Any]]
"""From inputs to embeddings of both views, each ``[batch, features]``."""


def embed_by_pieces(
    embed: Embed, model: keras.Model, inputs: Any, piece: int, features: int, dtype: str
) -> tuple[Any, Any]:
    """``embed(inputs)``, with the memory of a piece for the gradient.

    Args:
        embed: Computes with the variables of the model and no others.
        model: Its variables that are not trained, such as moving averages and the states of random
            seeds, are updated by one piece after the other.
        inputs: Tensor ``[batch, ...]`` or a pair of them.
        piece: Samples of a piece, >= 1. Where the batch is no multiple of it, the last piece is
            filled up with samples from its beginning, of no consequence for the gradient.
        features: Length of an embedding.
        dtype: Of the embeddings.

    Returns:
        Embeddings of both views, each of shape ``[batch, features]``.

    Raises:
        ValueError: If a layer adds to the loss what depends on its inputs.
    """
    batch = ops.shape(keras.tree.flatten(inputs)[0])[0]
    count = (batch + piece - 1) // piece
    inputs = keras.tree.map_structure(lambda x: _padded(x, batch, count * piece), inputs)
    weights, states = model.trainable_variables, model.non_trainable_variables

    def embed_piece(index: Any, values: list[Any], others: list[Any]) -> tuple[Any, list[Any]]:
        """Both embeddings of a piece, ``[2, piece, features]``, and the states after it."""
        part = keras.tree.map_structure(lambda x: _piece(x, index * piece, piece), inputs)
        mapping = zip([*weights, *states], [*values, *others], strict=True)
        with keras.StatelessScope(state_mapping=list(mapping), collect_losses=True) as scope:
            z = ops.stack(embed(part))
        if scope.losses:
            raise InvalidInput(
                "With `micro_batch_size` no layer may add to the loss what depends on its inputs, "
                "such as an activity regularizer. Penalties of weights are fine."
            )
        return z, [scope.get_current_value(state) for state in states]

    def forward(index: Any, carry: tuple[Any, list[Any]]) -> tuple[Any, list[Any]]:
        z, others = embed_piece(index, values, carry[1])
        return ops.slice_update(carry[0], [0, index * piece, 0], z), others

    # No part of this is differentiated.
    values = [ops.stop_gradient(weight.value) for weight in weights]
    before = [ops.copy(state.value) for state in states]  # PyTorch assigns in place
    empty = ops.zeros((2, count * piece, features), dtype)
    embeddings, after = backend.repeat(count, forward, (empty, before))

    @ops.custom_gradient
    def with_gradient(*weights_: Any) -> tuple[Any, Callable[..., tuple[Any, ...]]]:
        def pull_back(*arguments: Any, upstream: Any = None) -> tuple[Any, ...]:
            # TensorFlow and JAX pass the upstream gradient alone, PyTorch by its name.
            u = arguments[0] if upstream is None else upstream

            def backward(index: Any, carry: tuple[list[Any], list[Any]]) -> tuple[Any, Any]:
                sums, others = carry

                def of_weights(*values: Any) -> tuple[Any, list[Any]]:
                    return embed_piece(index, list(values), others)

                u_piece = ops.slice(u, [0, index * piece, 0], [2, piece, features])
                gradients, others = backend.pull_back(of_weights, values, u_piece)
                return [a + b for a, b in zip(sums, gradients, strict=True)], others

            zeros = [ops.zeros_like(value) for value in values]
            gradients, _ = backend.repeat(count, backward, (zeros, before))
            return tuple(gradients)

        return embeddings, pull_back

    z: Any = with_gradient(*[weight.value for weight in weights])
    for state, value in zip(states, after, strict=True):
        state.assign(value)
    return z[0, :batch], z[1, :batch]


def _padded(x: Any, batch: Any, length: Any) -> Any:
    if isinstance(batch, int) and batch == length:
        return x
    return ops.take(x, ops.arange(length) % batch, axis=0)


def _piece(x: Any, start: Any, length: int) -> Any:
    rest = tuple(x.shape[1:])
    return ops.slice(x, [start, *[0 for _ in rest]], [length, *rest])
