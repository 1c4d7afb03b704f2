"""Where an optimizer's state stands in a file: Keras's list of variables, `optimizer/vars/0` and on."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgd._statistics import partition
from jaxgd._types import Params, Shape
from jaxgd.keras_files.errors import KerasFileError
from jaxgd.keras_files.weights import Variable, at, trained
from jaxgd.metrics import snake_case
from jaxgd.model_base import Model
from jaxgd.optimizers import Optimizer, OptimizerState
from jaxgd.optimizers.loss_scale import LossScaleOptimizer
from jaxgd.optimizers.multi import MultiRule

KERAS_3, KERAS_2, KERAS_2_LEGACY = "keras 3", "tf.keras 2", "tf.keras 2 before 2.11"
"""Who orders the variables."""

_VARS = "optimizer/vars"
_BY_SLOT = ("RMSprop",)
"""Optimizers that list the first slot of all parameters, then the second; others list all of a parameter."""

_AFTER_ALL = ("velocity_hat",)
_LEGACY = ("Adam", "Adadelta", "Adamax", "SGD")
"""Those whose arithmetic before 2.11 was that of Keras 3."""


class Cell(NamedTuple):
    """One variable of Keras's optimizer: where an `OptimizerState` has it, or a constant of the format."""

    keys: tuple[Any, ...]
    shape: Shape = ()
    file_dtype: Any = np.dtype(np.int64)
    constant: float | None = None


def cells(
    model: Model, optimizer: Optimizer, shapes: Params, form: str = KERAS_3, *, built: bool = True
) -> dict[str, Cell]:
    """{path of a dataset: what stands there}, in Keras's order.

    Args:
      model, optimizer: what is trained, and how.
      shapes: of the model's parameters.
      form: who orders the variables.
      built: False for the variables that Keras's optimizer has before it has seen any parameter.
    """
    known = trained(model, shapes)
    template = jax.eval_shape(optimizer.init, partition(shapes, model.trainable(shapes))[0])
    if isinstance(optimizer.rule, MultiRule):
        return _multi_cells(optimizer.rule, template, known, built)
    if not isinstance(optimizer, LossScaleOptimizer):
        return _numbered(_VARS, _own_cells(optimizer.rule, template, known, (), form, built))
    inner = _own_cells(optimizer.settings["inner"].rule, template, known, (), form, built)
    outer = [
        Cell((), constant=0),
        Cell((), (), np.dtype(np.float32), 0.0),
        Cell(("shared", "step_counter")),
        Cell(("shared", "dynamic_scale"), (), np.dtype(np.float32)),
    ]
    listed = [*(outer if built else outer[:2]), *inner]
    return {**_numbered(_VARS, listed), **_numbered("optimizer/inner_optimizer/vars", inner)}


def step_into(node: Any, key: Any) -> Any:
    """The part of a state that a key leads to."""
    return getattr(node, key) if isinstance(node, OptimizerState) else node[key]


def _numbered(root: str, each: Iterable[Cell]) -> dict[str, Cell]:
    return {f"{root}/{index}": cell for index, cell in enumerate(each)}


def _multi_cells(
    rule: MultiRule, template: OptimizerState, known: Sequence[Variable], built: bool
) -> dict[str, Cell]:
    """All optimizers' variables in one list, and once more each for itself."""
    listed, alone = [Cell(("count",)), Cell((), (), np.dtype(np.float32), 0.0)], {}
    counts: dict[str, int] = {}
    for index, each in enumerate(rule.rules):
        own = [v for v in known if rule.route("/".join(v.keys)) == index]
        state = template.shared["optimizers"][index]
        found = _own_cells(each, state, own, ("shared", "optimizers", index), KERAS_3, built and bool(own))
        kind = snake_case(each.class_name)
        count = counts[kind] = counts.get(kind, -1) + 1
        alone |= _numbered(f"optimizer/optimizers/{kind}{f'_{count}' if count else ''}/vars", found)
        listed += found
    return {**_numbered(_VARS, listed), **alone}


def _own_cells(
    rule: Any,
    template: OptimizerState,
    known: Sequence[Variable],
    root: tuple[Any, ...],
    form: str,
    built: bool,
) -> list[Cell]:
    """The variables of one plain optimizer, whose state is `template` and stands at `root`."""

    def cell(*keys: Any) -> Cell:
        leaf: Any = template
        for key in keys:
            leaf = step_into(leaf, key)
        return Cell((*root, *keys), tuple(leaf.shape), np.dtype(leaf.dtype))

    _check_form(rule, form)
    found = [Cell((*root, "count"))]
    if _has_rate(template, form):
        found.append(cell("hyperparameters", "learning_rate"))
    if not built:
        return found
    for tree in ("average", "accumulator"):
        if getattr(template, tree) is not None:
            found += [cell(tree, *each.keys) for each in known]
    for slot, each in _slots(rule, known, form):
        if slot is not None and at(template.slots[slot], each.keys) is not None:
            found.append(cell("slots", slot, *each.keys))
        else:
            found += _unused_cell(rule, slot, each, form)
    return found + [cell("shared", name) for name in _shared(template)]


def _check_form(rule: Any, form: str) -> None:
    """Raises for an optimizer of tf.keras 2 that cannot go on."""
    leave_out = "load(path, training=False) leaves the optimizer out."
    if form == KERAS_2_LEGACY and rule.class_name not in _LEGACY:
        raise KerasFileError(
            f"optimizer: {rule.class_name} computed something else before tf.keras 2.11; only "
            f"{', '.join(_LEGACY)} go on. {leave_out}"
        )
    if form == KERAS_2 and rule.class_name == "Nadam":
        raise KerasFileError(f"optimizer: tf.keras 2 does not save all of Nadam's state. {leave_out}")


def _shared(template: OptimizerState) -> tuple[str, ...]:
    """Nadam's scalar; Keras forgets it where the optimizer stands in a LossScaleOptimizer."""
    is_kept = "u_product" in template.shared and "dynamic_scale" not in template.shared
    return ("u_product",) if is_kept else ()


def _has_rate(template: OptimizerState, form: str) -> bool:
    """Whether the learning rate is a variable: not a schedule, and not in tf.keras 2."""
    return form == KERAS_3 and hasattr(template.hyperparameters.get("learning_rate"), "dtype")


def _unused_cell(rule: Any, slot: str | None, of: Variable, form: str) -> list[Cell]:
    """What stands in the place of a slot that the rule does not have."""
    if slot is None:
        return [Cell((), of.shape, of.dtype, 0.0)]
    is_placeholder = rule.class_name == "Adafactor" and form == KERAS_3
    return [Cell((), (), np.dtype(np.int32), 0)] if is_placeholder else []


def _slots(rule: Any, known: Sequence[Variable], form: str) -> list[tuple[str | None, Variable]]:
    """The slots in the order in which they are listed; None is one that nothing uses."""
    names = rule.active_slots()
    if form == KERAS_2 and rule.class_name == "SGD" and not names:
        return [(None, each) for each in known]
    if rule.class_name in _BY_SLOT or form == KERAS_2_LEGACY:
        return [(name, each) for name in names for each in known]
    first = [name for name in names if name not in _AFTER_ALL]
    last = [name for name in names if name in _AFTER_ALL]
    return [(name, each) for each in known for name in first] + [
        (name, each) for name in last for each in known
    ]
