"""What the devices of a compiled program send each other, read from its text."""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

_KINDS = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "all-to-all",
    "collective-permute",
    "collective-broadcast",
)
_LINE = re.compile(rf"= (?P<shape>.*?) (?P<kind>{'|'.join(_KINDS)})(?:-start)?\((?P<rest>.*)$")
_ARRAY = re.compile(r"\b[a-z]+(\d*)[a-z0-9]*\[([\d,]*)\]")


class Collective(NamedTuple):
    """One operation.

    Attributes:
      kind: XLA's word, such as "all-reduce".
      bytes: of its result on each device.
      source: the computation of the user's program that it came from.
    """

    kind: str
    bytes: int
    source: str


def collectives(text: str) -> list[Collective]:
    """The collectives in the text of a compiled program, `compiled.as_text()`; those XLA has joined are one.

    >>> line = "%r = (f32[2,3]{1,0}, f32[]) all-reduce(%a, %b), channel_id=1"
    >>> collectives(line)
    [Collective(kind='all-reduce', bytes=28, source='')]
    """
    return list(_found(text))


def _found(text: str) -> Iterator[Collective]:
    for line in text.splitlines():
        match = _LINE.search(line)
        if match:
            source = re.search(r'op_name="([^"]*)"', match["rest"])
            yield Collective(match["kind"], _bytes(match["shape"]), source[1] if source else "")


def _bytes(shape: str) -> int:
    total = 0
    for bits, sizes in _ARRAY.findall(shape):
        width = int(bits) // 8 if bits else 1  # pred has none
        total += width * math.prod(int(size) for size in sizes.split(",") if size)
    return total
