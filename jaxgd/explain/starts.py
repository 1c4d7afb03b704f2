"""Where backpropagation starts: the slope of the loss at an output, and the rule that gives it."""

from typing import Any

import numpy as np

from jaxgd.backprop import LayerTrace
from jaxgd.explain.running import StepTaken
from jaxgd.explain.subject import Subject
from jaxgd.graphs import Graph


def loss_start(subject: Subject, first: StepTaken, opened: LayerTrace) -> dict[str, Any] | None:
    """Of the call where the slope of a loss enters: where backpropagation starts. None of every other call.

    It is numerator * (a - y) / count if that is the loss's derivative, and only the loss's.
    """
    at_logits = opened.upstream is None and opened.delta is not None
    output = output_of(subject, first, opened.node, at_logits)
    for each in subject.losses:
        if output is not None and each.output == output:
            y = subject.wanted[output]
            gap = np.asarray(opened.a, np.float64).reshape(y.shape) - y
            slopes = opened.delta if at_logits else opened.upstream
            return {"output": output, "text": repr(each.loss), **_rule(gap, slopes)}
    return None


def output_of(subject: Subject, first: StepTaken, node: str, at_logits: bool) -> int | None:
    """Which output of the model a call is; at the logits, layers behind it that only pass on do not count."""
    model = subject.model
    if isinstance(model, Graph):
        outputs = [model.reference(result.ref) for result in model.results]
    else:
        outputs = [first.trace.layers[-1].node]
    while node not in outputs and at_logits:
        node = next((each.node for each in first.trace.layers if each.inputs == (node,)), outputs[0])
    return outputs.index(node) if node in outputs else None


def _rule(gap: np.ndarray, slopes: Any) -> dict[str, Any]:
    found = np.zeros_like(gap) if slopes is None else np.asarray(slopes, np.float64).reshape(gap.shape)
    largest = np.abs(found).max()
    for numerator, count in ((2, gap.size), (1, gap.size), (1, len(gap))):
        rule = numerator * gap / count
        if 0 < largest < np.inf and np.allclose(found, rule, rtol=1e-4, atol=1e-7 * largest):
            return {"numerator": numerator, "count": count}
    return {"numerator": None, "count": len(gap)}


def start_text(subject: Subject, step: StepTaken, output: int) -> tuple[str, np.ndarray] | None:
    """The rule by which a loss hands back a slope, and the slopes [rows, units]; None if none is handed back.

    >>> from jaxgd.explain import example, take_steps
    >>> subject = example(rows=4)
    >>> start_text(subject, take_steps(subject)[0], 0)[0]
    'dL/da = 2 (a - y) / 4'
    """
    for opened in step.trace.layers:
        found = loss_start(subject, step, opened)
        slopes = opened.delta if opened.upstream is None else opened.upstream
        if found is not None and found["output"] == output and slopes is not None:
            name = "dL/dz" if opened.upstream is None else "dL/da"
            factor = "" if found["numerator"] == 1 else f"{found['numerator']} "
            rule = "" if found["numerator"] is None else f" = {factor}(a - y) / {found['count']}"
            return name + rule, np.asarray(slopes).reshape(len(slopes), -1)
    return None
