"""A step laid open as tables of text: forward, loss, backward, gradients three ways, update."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxgd import activations
from jaxgd.backprop import LayerTrace
from jaxgd.explain.comparing import Comparison, differences_dtype
from jaxgd.explain.numbers import slope
from jaxgd.explain.part import Part, value_of
from jaxgd.explain.running import StepTaken
from jaxgd.explain.starts import start_text
from jaxgd.explain.subject import Subject, optimizer_text
from jaxgd.layers import Dense

ENTRIES = 6
"""Of each leaf, how many gradients are shown: the largest."""


class Sheet(NamedTuple):
    """A table: its title, its header, its rows."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


def sheets(
    subject: Subject, step: StepTaken, part: Part, comparisons: Sequence[Comparison], row: int
) -> list[Sheet]:
    """The tables of one step, for one row of the batch.

    Args:
      subject, step: the step.
      part: what of the network is shown.
      comparisons: the gradients three ways.
      row: of the batch, counted from 0.
    """
    return [
        _forward(subject, step, part, row),
        _loss(subject, step, row),
        _backward(subject, step, part, row),
        _gradients(subject, comparisons),
        _update(subject, step, comparisons),
        _agreement(subject, comparisons),
    ]


def shown(value: Any) -> str:
    """A number with six digits."""
    return f"{float(value) + 0.0:.6g}"  # -0 is shown as 0


def _units(step: StepTaken, part: Part) -> Iterator[tuple[LayerTrace, list[int]]]:
    """Each shown layer with its shown units."""
    for place, layer in enumerate(part.layers):
        yield step.trace.layers[layer], part.units[part.stage_of(place)].tolist()


def _flat(values: Any, row: int) -> np.ndarray:
    return np.asarray(values)[row].reshape(-1)


def _forward(subject: Subject, step: StepTaken, part: Part, row: int) -> Sheet:
    rows: list[tuple[str, ...]] = []
    for stage, source in enumerate(part.stages[: part.outside]):
        names, values = subject.features.get(source.lstrip("/")), _flat(value_of(step, source), row)
        rows += [
            (names[unit] if names else f"{source}[{unit}]", "", shown(values[unit]))
            for unit in part.units[stage]
        ]
    for opened, units in _units(step, part):
        for unit in units:
            a = _flat(opened.a, row)
            z = "" if opened.z is None or unit >= len(a) else shown(_flat(opened.z, row)[unit])
            rows.append((f"{opened.node}[{unit}]", z, _activation_text(opened, shown(a[unit]))))
    return Sheet(f"Forward, row {subject.row_numbers[row]}: z = x W + b, a = f(z)", ("unit", "z", "a"), rows)


def _activation_text(opened: LayerTrace, value: str) -> str:
    if not isinstance(opened.layer, Dense) or opened.layer.activation is None:
        return value
    return f"{value}  {activations.get(opened.layer.activation)!r}"


def _loss(subject: Subject, step: StepTaken, row: int) -> Sheet:
    """Target and prediction of each output, and the slope with which backpropagation starts."""
    several = isinstance(step.trace.y_pred, tuple)
    outputs = step.trace.y_pred if several else (step.trace.y_pred,)
    rows = []
    for output, wanted in subject.wanted.items():
        start = start_text(subject, step, output)
        name = subject.model.output_names[output] if several else "output"
        for unit in range(min(wanted.shape[1], ENTRIES * 2)):
            slope_there = "-" if start is None else f"{start[0]} = {shown(start[1][row][unit])}"
            prediction = shown(_flat(outputs[output], row)[unit])
            rows.append((f"{name} {unit}", shown(wanted[row][unit]), prediction, slope_there))
    title = f"Loss of {_rows_of(subject)}, {subject.loss_text}: {shown(step.trace.loss)}"
    header = ("output", "target y", "prediction a", f"slope, row {subject.row_numbers[row]}")
    return Sheet(title, header, rows)


def _rows_of(subject: Subject) -> str:
    return "1 row" if len(subject.row_numbers) == 1 else f"{len(subject.row_numbers)} rows"


def _backward(subject: Subject, step: StepTaken, part: Part, row: int) -> Sheet:
    """The chain rule's factors, the last layer first."""
    rows = []
    for opened, units in reversed(list(_units(step, part))):
        if opened.delta is None:
            continue
        delta, factor = _flat(opened.delta, row), slope(opened)
        for unit in units:
            if unit < len(delta):
                upstream = "-" if opened.upstream is None else shown(_flat(opened.upstream, row)[unit])
                through = (
                    "-" if factor is None or opened.upstream is None else shown(_flat(factor, row)[unit])
                )
                rows.append((f"{opened.node}[{unit}]", upstream, through, shown(delta[unit])))
    header = ("unit", "dL/da", "f'(z)", "delta = dL/dz")
    return Sheet(
        f"Backward, row {subject.row_numbers[row]}: delta = dL/da * f'(z), dL/da = delta W^T", header, rows
    )


def _largest(comparison: Comparison) -> list[int]:
    """Places of the largest gradients of a leaf, among those that were probed."""
    sizes = np.abs(comparison.by_hand.reshape(-1)[comparison.probed])
    return np.sort(comparison.probed[np.argsort(-sizes, kind="stable")[:ENTRIES]]).tolist()


def _entry(comparison: Comparison, place: int) -> str:
    index = np.unravel_index(place, comparison.by_hand.shape)
    return f"{comparison.name}[{','.join(map(str, index))}]"


def _gradients(subject: Subject, comparisons: Sequence[Comparison]) -> Sheet:
    """The largest gradients of each leaf, three ways."""
    rows = []
    for each in comparisons:
        at_probe = dict(zip(each.probed.tolist(), each.differences, strict=True))
        for place in _largest(each):
            both = (values.reshape(-1)[place] for values in (each.by_hand, each.autodiff))
            rows.append((_entry(each, place), *map(shown, both), shown(at_probe[place])))
    header = ("weight", "by hand", "jax.grad", "differences")
    rule = f"dL/dW = x^T delta, summed over {_rows_of(subject)}"
    return Sheet(f"Gradients: {rule} (the {ENTRIES} largest of each array)", header, rows)


def _leaf(tree: Any, path: str) -> np.ndarray:
    for name in path.split("/"):
        tree = tree[name]
    return np.asarray(tree)


def _update(subject: Subject, step: StepTaken, comparisons: Sequence[Comparison]) -> Sheet:
    """What the optimizer made of the same weights."""
    rows = []
    for each in comparisons:
        before, after = (_leaf(tree, each.name).reshape(-1) for tree in (step.before, step.after))
        for place in _largest(each):
            values = (before[place], after[place] - before[place], after[place])
            rows.append((_entry(each, place), *map(shown, values)))
    return Sheet(
        f"Update by {optimizer_text(subject.optimizer)}", ("weight", "before", "change", "after"), rows
    )


def _agreement(subject: Subject, comparisons: Sequence[Comparison]) -> Sheet:
    rows = []
    for each in comparisons:
        kinks = f", {each.at_kink.sum()} at a kink left out" if each.at_kink.any() else ""
        rows.append(
            (
                each.name,
                f"{each.by_hand.size:,}",
                f"{each.ulps_of_autodiff:.3g}",
                f"{each.ulps_of_differences:.3g} ({len(each.probed):,} probed{kinks})",
            )
        )
    header = ("array", "entries", "jax.grad", f"differences ({differences_dtype(subject)})")
    title = "Largest distance from the gradient by hand, in ulps (last digits) of the array's largest"
    return Sheet(title, header, rows)
