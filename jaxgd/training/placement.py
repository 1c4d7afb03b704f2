"""Where a run is computed: on one device, or on several devices of one or several processes."""

from typing import Any

from jax import lax

from jaxgd._types import Array, PyTree
from jaxgd.random.philox import divisible
from jaxgd.scaling import hosts
from jaxgd.scaling.layout import Layout
from jaxgd.training.placed_rows import Rows
from jaxgd.training.run import Limits, RunSpec, RunState, run_chunk


class Placement:
    """Where the arrays of a run are: as they come, on one device of one process."""

    layout: Layout | None = None

    def state(self, state: PyTree) -> PyTree:
        """A state where the program takes it."""
        return state

    def inputs(self, tree: PyTree) -> PyTree:
        """Other inputs where the program takes them."""
        return tree

    def whole(self, state: PyTree) -> PyTree:
        """A state on one device of this process, for its user."""
        return state

    def storable(self, state: PyTree) -> PyTree:
        """A state whose every number this process has."""
        return state

    def of_first(self, value: int) -> int:
        """What the first process says, where each has a clock of its own."""
        return value

    def any(self, value: bool) -> bool:
        """Whether any process says so."""
        return value


class OnDevices(Placement):
    """On the devices of a layout, in one process or in several."""

    def __init__(self, layout: Layout) -> None:
        self.layout = self._layout = layout

    def state(self, state: PyTree) -> PyTree:
        return self._layout.place(state)

    def inputs(self, tree: PyTree) -> PyTree:
        return self._layout.spread(tree)

    def whole(self, state: PyTree) -> PyTree:
        return self._layout.gathered(state)

    def storable(self, state: PyTree) -> PyTree:
        return self._layout.gathered(state) if self._layout.model > 1 else state

    def of_first(self, value: int) -> int:
        return value if self._layout.num_processes == 1 else hosts.from_all(value)[0]

    def any(self, value: bool) -> bool:
        return value if self._layout.num_processes == 1 else any(hosts.from_all(value))


def run_placed(
    spec: RunSpec,
    scalars: list[Array],
    state: RunState,
    data: Rows,
    validation: Rows | None,
    order: Any,
    limits: Limits,
) -> tuple[RunState, dict[str, Array], Array]:
    """`run_chunk` on the devices of a layout; the state comes out where it went in, and is donated."""
    with divisible():
        state, history, filled = run_chunk(spec, scalars, state, data, validation, order, limits)
    everywhere = data.layout.everywhere
    history = {name: lax.with_sharding_constraint(column, everywhere) for name, column in history.items()}
    return data.layout.constrain(state), history, filled


def make_placement(layout: Layout | None) -> Placement:
    """The placement of a layout; None is the one device that JAX takes."""
    return Placement() if layout is None else OnDevices(layout)
