"""What a step of a member costs in each form: a model with few numbers, measured on ordinary x86 cores.

seconds = fixed + per layer + floating-point operations / rate + bytes / bandwidth

A small network, whose products are sums in a loop (see `layers/_product.py`) or whose program is one kernel
(see `_one_kernel`), has numbers of its own where its members run one after the other. In step (`vmap`) the
first two are shared by all members of a call, save a small part; the bytes come more slowly once the states
of all members outgrow a core's own cache.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import jax

from jaxgd._one_kernel import is_small
from jaxgd._param_shapes import param_shapes
from jaxgd.layers._product import are_summed
from jaxgd.sweeps.engine import Form
from jaxgd.sweeps.family import Family


@dataclass(frozen=True)
class Rates:
    """Seconds, floating-point operations a second, bytes a second and bytes."""

    step: float = 6e-6
    layer: float = 3.7e-6
    shared_step: float = 8.7e-6
    shared_layer: float = 2.9e-6
    written_step: float = 0.8e-6
    written_layer: float = 0.3e-6
    written_products: float = 5.5e10
    written_bytes: float = 1.2e10
    member_step: float = 0.5e-6
    member_layer: float = 1.5e-6
    products: float = 1e11
    batched_products: float = 8e10
    cached: float = 1e11
    uncached: float = 2.5e10
    cache: float = 1e6
    call: float = 1e-3
    call_alone: float = 2e-3
    """A call for one member, with putting it in and taking it out."""
    passing_layer: float = 1.2e-6
    """What a hidden layer costs more where some members' hand their input on."""
    compile: float = 0.9
    compile_layer: float = 0.4
    compile_map: float = 0.12
    """What the program of several members takes longer to compile than that of one: half of it (0.25, and 0.6
    in step), as a program is kept and used by the next sweep of such shapes too."""
    compile_vmap: float = 0.3


RATES = Rates()


@dataclass(frozen=True)
class Workload:
    """What the cost of a family depends on."""

    layers: int
    flops: float
    """Of one step of one member."""
    state: int
    """Bytes that a step reads and writes."""
    steps: int
    """Of one member, if nothing stops it."""
    folds: tuple[int, ...]
    """Members of each fold; those that step together are of one."""
    is_small: bool = False
    """Whether its products are sums, or its program is one kernel."""

    @property
    def members(self) -> int:
        """Of all folds."""
        return sum(self.folds)


def workload(family: Family, state: int) -> Workload:
    """The workload of a family whose members have `state` bytes each.

    Validation counts as the third of a step that its forward pass is.
    """
    trial = family.example
    steps = [each.epochs * each.steps_per_epoch for each in family.trials.values()]
    rows = len(trial.fold.training["x"])
    extra = 0 if trial.fold.validation is None else len(trial.fold.validation["x"]) / (3 * rows)
    return Workload(
        layers=len(family.objective.model.layers),
        flops=6.0 * family.spec.batch_size * weights(family.objective.model) * (1 + extra),
        state=state,
        steps=round(sum(steps) / len(steps)),
        folds=tuple(Counter(id(each.fold) for each in family.trials.values()).values()),
        is_small=is_cheap(family.spec.batch_size, param_shapes(family.objective.model)),
    )


def is_cheap(batch_size: int, params: Any) -> bool:
    """Whether steps of a network with such parameters cost what `Rates.written_step` and its like say."""
    shapes = [leaf.shape for leaf in jax.tree.leaves(params)]
    return are_summed(batch_size, shapes) or is_small(batch_size, params)


def weights(model: Any) -> int:
    """Multiplications of one row's forward pass: the entries of all kernels."""
    return sum(leaf.size for leaf in jax.tree.leaves(param_shapes(model)) if leaf.ndim > 1)


def step_seconds(work: Workload, form: Form, width: int, rates: Rates = RATES) -> float:
    """Seconds of one step of one member."""
    if form != "vmap" and work.is_small:
        fixed = rates.written_step + rates.written_layer * work.layers
        return fixed + work.flops / rates.written_products + work.state / rates.written_bytes
    if form != "vmap":
        fixed = rates.step + rates.layer * work.layers
        return fixed + work.flops / rates.products + work.state / rates.cached
    shared = (rates.shared_step + rates.shared_layer * work.layers) / width
    own = rates.member_step + rates.member_layer * work.layers
    bandwidth = rates.cached if width * work.state < rates.cache else rates.uncached
    return shared + own + work.flops / rates.batched_products + work.state / bandwidth


def compile_seconds(work: Workload, form: Form = "sequential", rates: Rates = RATES) -> float:
    """Seconds to compile one of the forms."""
    more = {"sequential": 0.0, "map": rates.compile_map, "vmap": rates.compile_vmap}
    return rates.compile + rates.compile_layer * work.layers + more[form]


def run_seconds(work: Workload, form: Form, width: int, lanes: int, per_step: float) -> float:
    """Seconds until all members have ended, the lanes side by side.

    In step a slot costs the same whether it is taken or not, and the members of a lane are of one fold: slots
    that the last members of a fold leave free are paid for, as are lanes without a turn in the last round.
    """
    if form == "vmap":
        turns = sum(-(-members // width) for members in work.folds)
        rounds = -(-turns // lanes)
        return rounds * (width * work.steps * per_step + RATES.call)
    calls = -(-work.members // (width * lanes)) * (RATES.call_alone if form != "map" else 1.5 * RATES.call)
    return work.members / lanes * work.steps * per_step + calls
