"""Proof that jaxgd computes what TensorFlow's Keras computes.

The catalogue's cases, the comparator that judges them, and the differences that are known; and for a model
of yours `ladder`, `record`, `verify` and `diagnose`. TensorFlow is imported when it is run, and only then.
"""

from jaxgd.parity.comparator import Comparison, Tolerance, Worst, compare
from jaxgd.parity.functions import diagnose, ladder, record, verify

__all__ = ["Comparison", "Tolerance", "Worst", "compare", "diagnose", "ladder", "record", "verify"]
