"""Traces: recorded training runs in files. Reading, writing and replaying them needs no TensorFlow."""

from jaxgd.parity.trace.format import VERSION, read_trace, write_trace
from jaxgd.parity.trace.recording import Recording, TraceError

__all__ = ["VERSION", "Recording", "TraceError", "read_trace", "write_trace"]
