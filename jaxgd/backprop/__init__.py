"""Backpropagation by hand: every layer's values, deltas and gradients by the explicit chain rule."""

from jaxgd.backprop.trace import LayerTrace, Trace, trace

__all__ = ["LayerTrace", "Trace", "trace"]
