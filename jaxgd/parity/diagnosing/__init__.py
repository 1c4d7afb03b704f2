"""From recorded parameters and gradients of an unknown optimizer to its rule and hyperparameters.

NumPy in float64, for traces of any framework; imports neither JAX nor TensorFlow.
"""

from jaxgd.parity.diagnosing.diagnosis import Diagnosis, diagnose
from jaxgd.parity.diagnosing.finding import Finding, Number
from jaxgd.parity.diagnosing.trace import Run, read_run

__all__ = ["Diagnosis", "Finding", "Number", "Run", "diagnose", "read_run"]
