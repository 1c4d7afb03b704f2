"""What a step of a member costs in each form: a model with few numbers, measured on ordinary x86 cores.

seconds = fixed + per layer + floating-point operations / rate + bytes / bandwidth

A small network, whose program is one kernel (see `_one_kernel`), has numbers of its own where its members
run one after the other. In step (`vmap`) the first two are shared by all members of a call, save a small
part; the bytes come from memory instead of the cache once the states of all members outgrow it.
"""

import functools
from dataclasses import dataclass
from typing import Any

import jax

from jaxgd._one_kernel import is_small
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
    member_step: float = 5.2e-6
    member_layer: float = 1.2e-6
    products: float = 1e11
    batched_products: float = 8e10
    cached: float = 1e11
    uncached: float = 2.5e10
    cache: float = 8e6
    call: float = 1e-3
    compile: float = 0.7
    compile_layer: float = 0.2


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
    members: int
    is_small: bool = False
    """Whether its program is one kernel."""


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
        members=len(family.trials),
        is_small=is_small(family.spec.batch_size, jax.eval_shape(family.objective.model.init)),
    )


@functools.lru_cache(maxsize=256)
def weights(model: Any) -> int:
    """Multiplications of one row's forward pass: the entries of all kernels."""
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(model.init)) if leaf.ndim > 1)


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


def compile_seconds(work: Workload, rates: Rates = RATES) -> float:
    """Seconds to compile any of the forms."""
    return rates.compile + rates.compile_layer * work.layers


def run_seconds(work: Workload, form: Form, width: int, lanes: int, per_step: float) -> float:
    """Seconds until all members have ended, the lanes side by side; the slots of a last round may be idle."""
    rounds = -(-work.members // (width * lanes))
    calls = rounds * RATES.call * (1 if form != "map" else 1.5)
    if form == "vmap":
        return rounds * width * work.steps * per_step + calls
    return work.members / lanes * work.steps * per_step + calls
