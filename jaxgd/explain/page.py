"""The page of `jaxgd explain`: numbers as JSON, and the program that shows them."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from jaxgd import activations
from jaxgd._checks import check_integer
from jaxgd.explain.numbers import encoded, kept_steps, stacked, step_arrays
from jaxgd.explain.part import Part, choose_part
from jaxgd.explain.paths import own_name, rivals, run_rivals
from jaxgd.explain.running import StepTaken, open_steps
from jaxgd.explain.subject import Subject, optimizer_text
from jaxgd.explain.surface import Plane, planes
from jaxgd.layers import Dense
from jaxgd.reports.shell import document

_SCRIPTS = ("numbers", "formulas", "network", "details", "plots", "main")


def explain_page(subject: Subject, steps: int = 40, weights: Sequence[str] = ()) -> str:
    """One page that shows a run of `steps` training steps: network, formulas, loss curve and surface.

    Args:
      subject: network, rows, loss and optimizer.
      steps: of the run.
      weights: two weights, such as "dense/kernel[0,3]", over which a surface is drawn; without them the two
        that the run moves most.

    Returns: HTML under 1 MB that loads nothing from elsewhere.
    Raises:
      ValueError: fewer than one step, more than can be kept, or a weight that is not there.
    """
    check_integer("steps", steps, 1)
    runs = run_rivals(subject, steps)
    own = own_name(subject.optimizer)
    (first,) = open_steps(subject, runs[own], [0])
    part = choose_part(subject, first)
    size = sum(array.size for array in step_arrays(subject, part, first).values())
    itemsize = 8 if _dtype(subject) == "float64" else 4
    numbers = kept_steps(steps, size * itemsize)
    opened = list(open_steps(subject, runs[own], numbers))
    data = {
        **_facts(subject, part, first),
        "steps": numbers,
        "arrays": _arrays(subject, part, opened),
        "own": own,
        "optimizers": {name: optimizer_text(each) for name, each in rivals(subject.optimizer).items()},
        "losses": {name: encoded(run.losses, "float64") for name, run in runs.items()},
        "planes": [_plane(plane) for plane in planes(subject, runs, weights)],
    }
    title = f"Backpropagation: {subject.title}"
    return document(title, _asset("body.html"), data=data, styles=[_asset("page.css")], scripts=_scripts())


def _asset(name: str) -> str:
    return files("jaxgd.explain").joinpath("assets", name).read_text(encoding="utf-8")


def _scripts() -> list[str]:
    program = "".join(_asset(f"{name}.js") for name in _SCRIPTS)
    return [f'"use strict";\n(() => {{\n{program}}})();\n']


def _dtype(subject: Subject) -> str:
    return str(np.dtype(subject.model.policy.params))


def _facts(subject: Subject, part: Part, first: StepTaken) -> dict[str, Any]:
    """What is the same in every step."""
    return {
        "title": subject.title,
        "notes": list(part.notes),
        "loss": repr(subject.loss),
        "loss_rule": _loss_rule(subject, first),
        "optimizer": optimizer_text(subject.optimizer),
        "rule": subject.optimizer.rule.class_name,
        "learning_rate": _learning_rate(subject),
        "rows": len(subject.batch["x"]),
        "row_numbers": [subject.row_numbers[row] for row in part.rows],
        "names": _names(subject, part),
        "sizes": list(part.sizes),
        "layers": [_layer(subject, part, place, first) for place in range(len(part.layers))],
    }


def _learning_rate(subject: Subject) -> float | None:
    """The rate of plain gradient descent, whose update is one product; None for any other rule."""
    settings = subject.optimizer.settings
    others = ("momentum", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "use_ema")
    plain = subject.optimizer.name == "sgd" and not any(settings.get(name) for name in others)
    rate = settings["learning_rate"]
    return float(rate) if plain and isinstance(rate, int | float) else None


def _names(subject: Subject, part: Part) -> list[list[str]]:
    """Of the shown units, the input's first."""
    first: Sequence[str] = subject.features if part.layers[0] == 0 else []
    names = [[first[unit] if unit < len(first) else f"a{unit}" for unit in part.units[0]]]
    return names + [[str(unit) for unit in units] for units in part.units[1:]]


def _layer(subject: Subject, part: Part, place: int, first: StepTaken) -> dict[str, Any]:
    layer, opened = subject.model.layers[part.layers[place]], first.trace.layers[part.layers[place]]
    is_dense = isinstance(layer, Dense)
    activation = activations.get(layer.activation) if isinstance(layer, Dense) else None
    return {
        "name": opened.name,
        "text": repr(layer),
        "dense": is_dense,
        "activation": repr(activation) if activation else None,
        "elementwise": bool(activation and activation.elementwise),
        "from_logits": is_dense and opened.upstream is None,
        "regularized": bool(layer.weight_regularizers()),
    }


def _loss_rule(subject: Subject, first: StepTaken) -> dict[str, Any]:
    """Where backpropagation starts: numerator * (a - y) / count, if that is the loss's derivative."""
    gap = np.asarray(first.trace.y_pred, np.float64).reshape(subject.wanted.shape) - subject.wanted
    slopes = _first_slopes(first).reshape(gap.shape)
    largest = np.abs(slopes).max()
    for numerator, count in ((2, gap.size), (1, gap.size), (1, len(gap))):
        rule = numerator * gap / count
        if 0 < largest < np.inf and np.allclose(slopes, rule, rtol=1e-4, atol=1e-7 * largest):
            return {"numerator": numerator, "count": count}
    return {"numerator": None, "count": len(gap)}


def _first_slopes(first: StepTaken) -> np.ndarray:
    """dL/da of the output, or dL/dz where the loss goes straight to the logits."""
    last = next(
        each for each in reversed(first.trace.layers) if each.upstream is not None or each.delta is not None
    )
    return np.asarray(last.delta if last.upstream is None else last.upstream, np.float64)


def _arrays(subject: Subject, part: Part, opened: list[StepTaken]) -> dict[str, Any]:
    dtype = _dtype(subject)
    x = np.asarray(opened[0].trace.layers[part.layers[0]].x)
    inputs = [np.asarray(step.trace.layers[part.layers[0]].x).reshape(len(x), -1) for step in opened]
    fixed = {"y": encoded(subject.wanted[part.rows], dtype)}
    shown = [each[np.ix_(part.rows, part.units[0])] for each in inputs]
    steps = [{**step_arrays(subject, part, step), "x": x} for step, x in zip(opened, shown, strict=True)]
    return {**stacked(steps, dtype), **fixed}


def _plane(plane: Plane) -> dict[str, Any]:
    return {
        "title": plane.title,
        "axes": list(plane.axes),
        "kept": plane.kept,
        "u": encoded(plane.u, "float32"),
        "v": encoded(plane.v, "float32"),
        "losses": encoded(plane.losses, "float32"),
        "paths": {name: encoded(path, "float32") for name, path in plane.paths.items()},
    }
