"""Proof that jaxgd computes what TensorFlow's Keras computes.

The catalogue's cases, the comparator that judges them, and the differences that are known. Only `keras_side`
imports TensorFlow, and only when cases are run.
"""

from jaxgd.parity.comparator import Comparison, Tolerance, Worst, compare

__all__ = ["Comparison", "Tolerance", "Worst", "compare"]
