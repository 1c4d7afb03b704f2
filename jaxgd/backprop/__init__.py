"""Backpropagation by hand: every layer's values, deltas and gradients by the explicit chain rule."""

from jaxgd.backprop.parts import LayerTrace, Trace
from jaxgd.backprop.trace import trace

__all__ = ["LayerTrace", "Trace", "trace"]
