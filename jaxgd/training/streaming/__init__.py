"""Training, evaluation and prediction on rows that do not fit into memory: window by window.

The readers of files are in `jaxgd.data.streams`; here is only what turns blocks of rows into runs.
"""

from jaxgd.training.streaming.source import RowSource, StreamError

__all__ = ["RowSource", "StreamError"]
