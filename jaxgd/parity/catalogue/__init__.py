"""The catalogue: every family of cases, each in its own module."""

from collections.abc import Iterator

from jaxgd.parity.case import Case, Family
from jaxgd.parity.catalogue.activation import ACTIVATION
from jaxgd.parity.catalogue.fit import FIT_FAMILY
from jaxgd.parity.catalogue.gradient import GRADIENT
from jaxgd.parity.catalogue.initializer import INITIALIZER
from jaxgd.parity.catalogue.loss import LOSS
from jaxgd.parity.catalogue.metric import METRIC
from jaxgd.parity.catalogue.optimizer import OPTIMIZER
from jaxgd.parity.catalogue.penalty import PENALTY
from jaxgd.parity.catalogue.schedule import SCHEDULE
from jaxgd.parity.catalogue.trajectory import TRAJECTORY_FAMILY

_FAMILIES = (
    ACTIVATION,
    LOSS,
    METRIC,
    INITIALIZER,
    PENALTY,
    SCHEDULE,
    OPTIMIZER,
    GRADIENT,
    FIT_FAMILY,
    TRAJECTORY_FAMILY,
)
FAMILIES: dict[str, Family] = {family.name: family for family in _FAMILIES}


def cases() -> Iterator[Case]:
    """Every case of the catalogue."""
    for family in FAMILIES.values():
        yield from family.cases()
