"""The catalogue: every family of cases, each in its own module."""

from collections.abc import Iterator

from jaxgd.parity.case import Case, Family
from jaxgd.parity.catalogue.activation import ACTIVATION
from jaxgd.parity.catalogue.loss import LOSS
from jaxgd.parity.catalogue.optimizer import OPTIMIZER

FAMILIES: dict[str, Family] = {family.name: family for family in (ACTIVATION, LOSS, OPTIMIZER)}


def cases() -> Iterator[Case]:
    """Every case of the catalogue."""
    for family in FAMILIES.values():
        yield from family.cases()
