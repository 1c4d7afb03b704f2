"""Which families share a program: where padding the smaller networks takes less time than compiling them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import jax
import numpy as np

from jaxgd.sweeps.cost import RATES, Workload, compile_seconds, is_cheap, step_seconds, workload
from jaxgd.sweeps.family import Family, kind_of, rows_kind
from jaxgd.sweeps.padding import PaddedFamily, Parts, padded_widths, parts_of, pattern_of

_ARRAYS = 4
"""Parameters, gradients and two slots: about what a step reads and writes of each weight."""


def merged(families: Sequence[Family], lanes: int) -> list[Family]:
    """The families, those together that are forecast to end sooner so; in the order of their first trial."""
    groups: dict[Any, list[Family]] = {}
    for family in families:
        groups.setdefault(_kind(family), []).append(family)
    together = [
        each
        for kind, group in groups.items()
        for each in ([kind] if isinstance(kind, Family) else _merged_group(group, lanes))
    ]
    return sorted(together, key=lambda family: min(family.trials))


def _kind(family: Family) -> Any:
    """Equal for families that may be padded to one another; a family of its own kind if that is not exact."""
    trial = family.example
    pattern = pattern_of(trial)
    return family if pattern is None else (pattern, kind_of(trial), rows_kind(trial))


def _merged_group(group: Sequence[Family], lanes: int) -> list[Family]:
    """Networks of one depth take in one another first, as a layer that only hands on costs like any other."""
    depths: dict[int, list[_Union]] = {}
    for family in group:
        each = _Union.of(family)
        depths.setdefault(len(each.widths), []).append(each)
    of_one_depth = [union for unions in depths.values() for union in _united(unions, lanes)]
    return [union.family() for union in _united(of_one_depth, lanes)]


def _united(unions: Sequence["_Union"], lanes: int) -> list["_Union"]:
    """The largest network takes in the next smaller one as long as that pays."""
    waiting = sorted(unions, key=lambda union: union.weights, reverse=True)
    done: list[_Union] = []
    while waiting:
        host, *others = waiting
        waiting = []
        for union in others:
            both = host.joined(union)
            if both.seconds(lanes) < host.seconds(lanes) + union.seconds(lanes):
                host = both
            else:
                waiting.append(union)
        done.append(host)
    return done


@dataclass(frozen=True)
class _Union:
    """Families that may be run as one, which is made only once that is decided."""

    families: tuple[Family, ...]
    parts: tuple[Parts, ...]
    work: Workload
    """Of the first."""
    steps: int
    """Of all members together."""
    inputs: int
    """Of the first hidden layer."""

    @classmethod
    def of(cls, family: Family) -> "_Union":
        """A family that can be padded."""
        trial = family.example
        parts = parts_of(trial)
        if parts is None:
            raise ValueError("merging: expected a network that can be padded exactly.")
        inputs = trial.model.layer_input_shapes[len(parts.before)][-1]
        work = workload(family, 0)
        return cls((family,), (parts,), work, work.members * work.steps, inputs)

    def joined(self, other: "_Union") -> "_Union":
        """Both."""
        return replace(
            self,
            families=self.families + other.families,
            parts=self.parts + other.parts,
            steps=self.steps + other.steps,
        )

    def seconds(self, lanes: int) -> float:
        """Compiling and running it one member after the other, the lanes side by side."""
        work = self._padded_work()
        step = step_seconds(work, "map", 1)
        if len({len(parts.hidden) for parts in self.parts}) > 1:
            step += RATES.passing_layer * len(self.widths)
        return (compile_seconds(work) + self.steps * step) / lanes

    def _padded_work(self) -> Workload:
        first, kernels = self.parts[0], self._kernels()
        own = sum(rows * columns for rows, columns in self._kernels(first.widths))
        products = [jax.ShapeDtypeStruct(shape, np.float32) for shape in kernels]
        return replace(
            self.work,
            layers=len(first.before) + len(kernels) + len(first.behind),
            flops=self.work.flops * self.weights / own,
            state=_ARRAYS * 4 * self.weights,
            is_small=is_cheap(self.families[0].spec.batch_size, products),
        )

    def family(self) -> Family:
        """As it is run: padded, unless it is one alone."""
        if len(self.families) == 1:
            return self.families[0]
        return PaddedFamily(
            {number: trial for each in self.families for number, trial in each.trials.items()}
        )

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the hidden layers, padded."""
        return padded_widths([parts.widths for parts in self.parts])

    @property
    def weights(self) -> int:
        """Entries of all kernels."""
        return sum(rows * columns for rows, columns in self._kernels())

    def _kernels(self, widths: tuple[int, ...] | None = None) -> list[tuple[int, int]]:
        """[rows, columns] of each."""
        hidden = self.widths if widths is None else widths
        return list(pairwise((self.inputs, *hidden, self.parts[0].output.units)))
