"""Metrics in Keras's meaning, as sums that add over batches: `get` makes a `Metric`."""

from jaxgd.metrics._get import get, log_names
from jaxgd.metrics._metric import Metric

__all__ = ["Metric", "get", "log_names"]
