"""Replicas of a model on several devices."""


def in_custom_replica_loop() -> bool:
    """Whether the caller runs under a ``tf.distribute`` strategy outside Keras' training loop.

    Keras computes the loss of a compiled model in the name scope ``compile_loss``, in ``fit`` and
    ``evaluate``, eagerly and in graphs. A loss sees nothing else that tells Keras' own loop from
    another.
    """
    import keras  # noqa: PLC0415 - not before a backend is chosen

    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf  # noqa: PLC0415 - the other backends must not need it

    scopes = tf.get_current_name_scope().split("/")
    return tf.distribute.has_strategy() and "compile_loss" not in scopes
