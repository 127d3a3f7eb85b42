"""The generators of random numbers that a program shares."""

import random

import keras
import numpy as np


def draws():
    """The next number of every generator that a program shares."""
    values = [random.random(), np.random.random(), float(keras.random.uniform(()))]  # noqa: NPY002, S311
    if keras.backend.backend() == "torch":
        import torch

        values.append(float(torch.rand(())))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        values.append(float(tf.random.uniform(())))
    return values
