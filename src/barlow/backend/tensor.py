"""The type of what is computed with."""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A tensor of whichever backend, symbolic ones included, or what Keras makes one of.

The backends share no class, and Keras has no annotations: so a type checker takes anything. The
name tells the reader; docstrings give the shape.
"""
