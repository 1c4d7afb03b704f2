"""Which part of a network is shown: all of a small one, the largest part that fits of another.

What is drawn are stages: first those that come from outside the part (the inputs, or layers that are not
shown), then the output of each call that is shown.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxgd.explain.running import StepTaken
from jaxgd.explain.subject import Subject

MAX_UNITS, MAX_LAYERS, MAX_ROWS = 16, 8, 32


@dataclass(frozen=True, eq=False)
class Part:
    """What is shown.

    Attributes:
      layers: places of the shown calls in the trace, consecutive, the last one among them.
      stages: names of the stages; the first `outside` of them come from outside.
      sources: of each shown call, the stages that it takes.
      units: of each stage, which units, ascending.
      sizes: of each stage, how many units there are.
      rows: which rows of the batch.
      notes: what is left out and why, a sentence each.
    """

    layers: tuple[int, ...]
    stages: tuple[str, ...]
    outside: int
    sources: tuple[tuple[int, ...], ...]
    units: tuple[np.ndarray, ...]
    sizes: tuple[int, ...]
    rows: np.ndarray
    notes: tuple[str, ...]

    def stage_of(self, place: int) -> int:
        """The stage that the shown call number `place` gives."""
        return self.outside + place

    @property
    def columns(self) -> tuple[int, ...]:
        """How far each stage stands from the left: one further than the last stage that it takes."""
        found = [0] * self.outside
        for sources in self.sources:
            found.append(1 + max(found[each] for each in sources))
        return tuple(found)


def choose_part(
    subject: Subject, step: StepTaken, max_units: int = MAX_UNITS, max_rows: int = MAX_ROWS
) -> Part:
    """The part with the last layers, and in each the units that the loss depends on most.

    Args:
      subject: the network and its rows.
      step: whose deltas and gradients say which units matter.
      max_units: of one layer.
      max_rows: of the batch.
    """
    count = len(step.trace.layers)
    layers = tuple(range(max(0, count - MAX_LAYERS), count))
    shown = [step.trace.layers[layer] for layer in layers]
    nodes = [each.node for each in shown]
    outside = list(dict.fromkeys(name for each in shown for name in each.inputs if name not in nodes))
    stages = (*outside, *nodes)
    sources = tuple(tuple(stages.index(name) for name in each.inputs) for each in shown)
    strengths = [_norm(slope_of(step, name)) for name in outside]
    for layer, taken in zip(layers, sources, strict=True):
        strengths.append(_strength(step, layer, strengths[taken[0]]))
    units = tuple(np.sort(np.argsort(-each, kind="stable")[:max_units]) for each in strengths)
    sizes = tuple(len(each) for each in strengths)
    rows = np.arange(min(len(subject.batch["x"]), max_rows))
    notes = tuple(_notes(subject, count, sizes, max_units, len(rows)))
    return Part(layers, stages, len(outside), sources, units, sizes, rows, notes)


def value_of(step: StepTaken, name: str) -> Any:
    """What a stage holds: an input of the model, or the output of a call."""
    for each in step.trace.layers:
        if each.node == name:
            return each.a
    return next(value for value, _ in _takers(step, name))


def slope_of(step: StepTaken, name: str) -> np.ndarray:
    """dL/da of a stage: the sum over the calls that take it; zeros if none does."""
    slopes = [np.asarray(slope, np.float64) for _, slope in _takers(step, name)]
    return np.sum(slopes, axis=0) if slopes else np.zeros_like(np.asarray(value_of(step, name), np.float64))


def _takers(step: StepTaken, name: str) -> list[tuple[Any, Any]]:
    """(the tensor, what comes back to it) of each call that takes it."""
    found = []
    for each in step.trace.layers:
        several = isinstance(each.x, tuple)
        values, slopes = (each.x, each.downstream) if several else ((each.x,), (each.downstream,))
        found += [
            (x, slope) for taken, x, slope in zip(each.inputs, values, slopes, strict=True) if taken == name
        ]
    return found


def _notes(subject: Subject, count: int, sizes: tuple[int, ...], max_units: int, rows: int) -> list[str]:
    notes, large = [], max(sizes)
    if count > MAX_LAYERS:
        notes.append(f"Of {count} layers the last {MAX_LAYERS} are shown; the limit is {MAX_LAYERS}.")
    if large > max_units:
        notes.append(
            f"Of a layer's units at most {max_units} are shown (the largest has {large:,}): those with the "
            "largest gradients. Sums run over all units."
        )
    if rows < len(subject.batch["x"]):
        notes.append(
            f"Of {len(subject.batch['x']):,} rows the first {rows} can be chosen. Gradients are of all rows."
        )
    return notes


def _strength(step: StepTaken, layer: int, before: np.ndarray) -> np.ndarray:
    """Of a call's units; one that only scales or drops units shows the same ones as its input."""
    opened = step.trace.layers[layer]
    size = int(np.prod(np.shape(opened.a)[1:]))
    if opened.delta is None and size == len(before):
        return before
    strength = before if opened.delta is None else _norm(opened.delta)
    if size == len(strength):
        return strength
    return _norm(opened.a if opened.upstream is None else opened.upstream)


def _norm(values: Any) -> np.ndarray:
    """Over the rows: float64[units]; what is not finite counts as nothing."""
    array = np.nan_to_num(np.asarray(values, np.float64), posinf=0.0, neginf=0.0)
    return np.sqrt((array.reshape(len(array), -1) ** 2).sum(axis=0))
