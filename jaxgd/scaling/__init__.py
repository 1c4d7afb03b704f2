"""Beyond one device: how a run is laid over devices, over hosts, and what that is worth.

All of it is JAX's own partitioner and `jax.distributed`; the program of a run stays the one of `fit`.
"""

from jaxgd.scaling.forecast import Forecast, ScalingWarning, forecast
from jaxgd.scaling.hosts import HostLostError, HostsError, connect, leave
from jaxgd.scaling.layout import Layout

__all__ = [
    "Forecast",
    "HostLostError",
    "HostsError",
    "Layout",
    "ScalingWarning",
    "connect",
    "forecast",
    "leave",
]
