"""Tables in many files, larger than memory: found, looked through once, and read again block by block."""

from jaxgd.data.streams.listing import is_many
from jaxgd.data.streams.stream import Stream, stream

__all__ = ["Stream", "is_many", "stream"]
