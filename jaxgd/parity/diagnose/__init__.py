"""From recorded parameters and gradients of an unknown optimizer to its rule and hyperparameters.

NumPy in float64, for traces of any framework; imports neither JAX nor TensorFlow.
"""

from jaxgd.parity.diagnose.diagnosis import Diagnosis, diagnose
from jaxgd.parity.diagnose.finding import Finding, Number
from jaxgd.parity.diagnose.trace import Run, read_run

__all__ = ["Diagnosis", "Finding", "Number", "Run", "diagnose", "read_run"]
