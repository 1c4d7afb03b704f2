"""The page of `jaxgd explain`: numbers as JSON, and the program that shows them."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from jaxgd import activations, layers
from jaxgd._checks import check_integer
from jaxgd.backprop import LayerTrace
from jaxgd.explain.numbers import encoded, kept_steps, stacked, step_arrays
from jaxgd.explain.part import Part, choose_part
from jaxgd.explain.paths import own_name, rivals, run_rivals
from jaxgd.explain.running import StepTaken, open_steps
from jaxgd.explain.starts import loss_start, output_of
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
        "loss": subject.loss_text,
        "optimizer": optimizer_text(subject.optimizer),
        "rule": subject.optimizer.rule.class_name,
        "learning_rate": _learning_rate(subject),
        "rows": len(subject.batch["x"]),
        "row_numbers": [subject.row_numbers[row] for row in part.rows],
        "outside": part.outside,
        "stages": [_stage_title(subject, part, stage) for stage in range(len(part.stages))],
        "columns": list(part.columns),
        "units": [units.tolist() for units in part.units],
        "names": [_names(subject, part, stage) for stage in range(len(part.stages))],
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


def _stage_title(subject: Subject, part: Part, stage: int) -> str:
    """What stands above a stage: the input's name where there are several, else "input"."""
    name = part.stages[stage]
    if stage >= part.outside:
        return name
    several = len(subject.model.input_names) > 1
    return name if several or name.lstrip("/") not in subject.model.input_names else "input"


def _names(subject: Subject, part: Part, stage: int) -> list[str]:
    """Of the shown units of a stage."""
    if stage >= part.outside:
        return [str(unit) for unit in part.units[stage]]
    names = subject.features.get(part.stages[stage].lstrip("/"))
    return [names[unit] if names else f"{part.stages[stage]}[{unit}]" for unit in part.units[stage]]


def _layer(subject: Subject, part: Part, place: int, first: StepTaken) -> dict[str, Any]:
    opened = first.trace.layers[part.layers[place]]
    layer = opened.layer
    is_dense = isinstance(layer, Dense)
    activation = activations.get(layer.activation) if isinstance(layer, Dense) else None
    return {
        "name": opened.node,
        "text": repr(layer),
        "dense": is_dense,
        "sources": list(part.sources[place]),
        "offsets": _offsets(part, place, opened),
        "activation": repr(activation) if activation else None,
        "elementwise": bool(activation and activation.elementwise),
        "from_logits": is_dense and opened.upstream is None and opened.delta is not None,
        "regularized": bool(layer.weight_regularizers()),
        "output": output_of(subject, first, opened.node, False) in subject.wanted,
        "loss": loss_start(subject, first, opened),
    }


def _offsets(part: Part, place: int, opened: LayerTrace) -> list[int] | None:
    """Where the units of each source lie in the output; None where no unit is one of the output's."""
    taken = [part.sizes[source] for source in part.sources[place]]
    size = part.sizes[part.stage_of(place)]
    if isinstance(opened.layer, layers.Concatenate):
        return [sum(taken[:each]) for each in range(len(taken))]
    return [0] * len(taken) if all(each == size for each in taken) else None


def _arrays(subject: Subject, part: Part, opened: list[StepTaken]) -> dict[str, Any]:
    dtype = _dtype(subject)
    fixed = {f"y/{output}": encoded(y[part.rows], dtype) for output, y in subject.wanted.items()}
    return {**stacked([step_arrays(subject, part, step) for step in opened], dtype), **fixed}


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
