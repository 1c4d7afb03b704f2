"""Which families share a program: where padding the smaller networks takes less time than compiling them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jaxgd.sweeps.cost import compile_seconds, step_seconds, weights, workload
from jaxgd.sweeps.family import Family, kind_of
from jaxgd.sweeps.padding import PaddedFamily, parts_of

_ARRAYS = 4
"""Parameters, gradients and two slots: about what a step reads and writes of each weight."""


def merged(families: Sequence[Family], lanes: int) -> list[Family]:
    """The families, those together that are forecast to end sooner so; in the order of their first trial."""
    groups: dict[Any, list[Family]] = {}
    for family in families:
        groups.setdefault(_kind(family), []).append(family)
    together = [each for group in groups.values() for each in _merged_group(group, lanes)]
    return sorted(together, key=lambda family: min(family.trials))


def _kind(family: Family) -> Any:
    """Equal for families that may be padded to one another; a family of its own kind if that is not exact."""
    trial = family.example
    parts = parts_of(trial)
    if parts is None:
        return id(family)
    pattern = replace(parts, hidden=(replace(parts.hidden[0], units=1),))
    spec = replace(family.spec, model=None)
    return pattern, spec, trial.model.dtype, trial.model.precision, kind_of(trial)


def _merged_group(group: Sequence[Family], lanes: int) -> list[Family]:
    """The largest network takes in the next smaller one as long as that pays."""
    waiting = sorted(group, key=lambda family: weights(family.objective.model), reverse=True)
    done: list[Family] = []
    while waiting:
        host, *others = waiting
        waiting = []
        for family in others:
            both = PaddedFamily({**host.trials, **family.trials})
            if _seconds(both, lanes) < _seconds(host, lanes) + _seconds(family, lanes):
                host = both
            else:
                waiting.append(family)
        done.append(host)
    return done


def _seconds(family: Family, lanes: int) -> float:
    """Compiling and running a family one member after the other, the lanes side by side."""
    bytes_of_weights = 4 * weights(family.objective.model)
    work = workload(family, _ARRAYS * bytes_of_weights)
    run = work.members * work.steps * step_seconds(work, "map", 1)
    return (compile_seconds(work) + run) / lanes
