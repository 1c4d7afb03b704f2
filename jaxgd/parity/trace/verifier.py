"""Replaying a trace where the framework that wrote it is not."""

import os

from jaxgd.parity.ladder import Ladder, climb
from jaxgd.parity.trace.format import read_trace


def verify(path: str | os.PathLike[str]) -> Ladder:
    """Hold jaxgd against a recorded run. TensorFlow is not needed.

    Args:
      path: a trace, written by `jaxgd parity record` or by any program that keeps to docs/parity-traces.md.

    Returns: the ladder, rung by rung; `passed` says whether all held.
    Raises:
      TraceError: the file is no trace, damaged, incomplete, of a newer version, or asks for what jaxgd lacks.
      OSError: the file cannot be opened.
    """
    return climb(read_trace(path))
