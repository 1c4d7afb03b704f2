"""Tables in many files, larger than memory: found, looked through once, and read again block by block."""

from jaxgd.data.streams.alike import stream_alike
from jaxgd.data.streams.listing import is_many
from jaxgd.data.streams.scan import Wishes
from jaxgd.data.streams.stream import Stream, stream, stream_of

__all__ = ["Stream", "Wishes", "is_many", "stream", "stream_alike", "stream_of"]
