"""Metrics in Keras's meaning, as sums that add over batches: `get` makes a `Metric`."""

from jaxgd.metrics._get import class_name, class_names, class_of, get, log_names, loss_of, snake_case
from jaxgd.metrics._metric import Metric

__all__ = ["Metric", "class_name", "class_names", "class_of", "get", "log_names", "loss_of", "snake_case"]
