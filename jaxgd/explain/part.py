"""Which part of a network is shown: all of a small one, the largest part that fits of another."""

from dataclasses import dataclass

import numpy as np

from jaxgd.explain.running import StepTaken
from jaxgd.explain.subject import Subject

MAX_UNITS, MAX_LAYERS, MAX_ROWS = 16, 8, 32


@dataclass(frozen=True, eq=False)
class Part:
    """What is shown.

    Attributes:
      layers: places of the layers in the model, consecutive, the last one among them.
      units: for the input of the first of them and for the output of each: which units, ascending.
      sizes: how many units there are.
      rows: which rows of the batch.
      notes: what is left out and why, a sentence each.
    """

    layers: tuple[int, ...]
    units: tuple[np.ndarray, ...]
    sizes: tuple[int, ...]
    rows: np.ndarray
    notes: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return not self.notes


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
    count = len(subject.model.layers)
    layers = tuple(range(max(0, count - MAX_LAYERS), count))
    strengths = [_strength_of_input(step, layers[0])]
    for layer in layers:
        strengths.append(_strength_of_output(step, layer, strengths[-1]))
    units = tuple(np.sort(np.argsort(-each, kind="stable")[:max_units]) for each in strengths)
    sizes = tuple(len(each) for each in strengths)
    rows = np.arange(min(len(subject.batch["x"]), max_rows))
    return Part(layers, units, sizes, rows, tuple(_notes(subject, layers, sizes, max_units, len(rows))))


def _notes(
    subject: Subject, layers: tuple[int, ...], sizes: tuple[int, ...], max_units: int, rows: int
) -> list[str]:
    notes, count = [], len(subject.model.layers)
    if len(layers) < count:
        notes.append(f"Of {count} layers the last {len(layers)} are shown; the limit is {MAX_LAYERS}.")
    large = max(sizes)
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


def _strength_of_input(step: StepTaken, layer: int) -> np.ndarray:
    """How much the loss depends on each unit that goes into a layer."""
    return _norm(step.trace.layers[layer].downstream)


def _strength_of_output(step: StepTaken, layer: int, before: np.ndarray) -> np.ndarray:
    """Of a layer's units; one that only scales or drops units shows the same ones as its input."""
    opened = step.trace.layers[layer]
    if opened.delta is None:
        size = int(np.prod(np.shape(opened.a)[1:]))
        return before if size == len(before) else _norm(opened.a)
    strength = _norm(opened.delta)
    size = int(np.prod(np.shape(opened.a)[1:]))
    return strength if size == len(strength) else _norm(opened.a)


def _norm(values: object) -> np.ndarray:
    """Over the rows: float64[units]; what is not finite counts as nothing."""
    array = np.nan_to_num(np.asarray(values, np.float64), posinf=0.0, neginf=0.0)
    return np.sqrt((array.reshape(len(array), -1) ** 2).sum(axis=0))
