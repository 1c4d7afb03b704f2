"""Networks of several widths and depths in one program: the smaller ones padded, and masked exactly.

A padded unit has zero weights on both sides and its output is masked, so that no gradient ever reaches them;
a padded layer hands its input on. Where an optimizer, a layer or a constraint would notice, none is padded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import activations, layers, regularizers
from jaxgd._param_shapes import param_shapes
from jaxgd._types import Array, Params
from jaxgd.layers import Context, Output
from jaxgd.model import Sequential, sequential
from jaxgd.sweeps.family import Family, kind_of, spec_of
from jaxgd.sweeps.trial import Trial
from jaxgd.training.objective import Objective
from jaxgd.training.state import TrainState

OPTIMIZERS = ("SGD", "Adam", "AdamW", "Adamax", "Nadam", "RMSprop", "Adagrad", "Adadelta", "Lion")
"""A parameter that is zero and has no gradient stays zero, and no other parameter notices it."""
ACTIVATIONS = (
    "linear",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "softplus",
    "softsign",
    "tanh",
    "sigmoid",
    "hard_sigmoid",
    "mish",
)
"""Entry by entry, with a finite derivative at zero."""
_OUTPUT = "output"


@dataclass(frozen=True, repr=False)
class PaddedDense(layers.Dense):
    """A dense layer of which only the first `width` units exist, or which hands its input on.

    Attributes:
      width: how many units exist; a scalar that the program takes as an input.
      active: 0 for a layer that hands its input on, which must be as wide as its output then.
      may_pass: whether it can.
    """

    width: float = field(default=0.0, kw_only=True)
    active: float = field(default=1.0, kw_only=True)
    may_pass: bool = field(default=False, kw_only=True)

    scalars: ClassVar[tuple[str, ...]] = ("width", "active")

    def forward(self, params: Mapping[str, Array], x: Array, context: Context) -> Output:
        y = activations.get(self.activation)(self.pre_activation(params, x, context))
        exists = jnp.arange(self.units) < self.width
        y = jnp.where(exists, y, jnp.zeros((), y.dtype))
        return Output(jnp.where(jnp.asarray(self.active) > 0, y, x) if self.may_pass else y)


@dataclass(frozen=True)
class Parts:
    """A network as what is before its hidden layers, these, and what is behind."""

    before: tuple[layers.Layer, ...]
    hidden: tuple[layers.Dense, ...]
    output: layers.Dense
    behind: tuple[layers.Layer, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the hidden layers."""
        return tuple(layer.units for layer in self.hidden)


def parts_of(trial: Trial) -> Parts | None:
    """The parts of a trial's network; None if padding it would not be exact."""
    rule, model = trial.optimizer.rule, trial.model
    if rule.class_name not in OPTIMIZERS or getattr(rule, "excluded", ()):
        return None
    if not isinstance(model, Sequential) or len(model.input_shape) != 1:
        return None
    stack = model.layers
    places = [place for place, layer in enumerate(stack) if isinstance(layer, layers.Dense)]
    if len(places) < 2 or places != list(range(places[0], places[-1] + 1)):
        return None
    first, last = places[0], places[-1]
    hidden = tuple(layer for layer in stack[first:last] if isinstance(layer, layers.Dense))
    output = stack[last]
    around = (*stack[:first], *stack[last + 1 :])
    if any(layer.draws() for layer in around) or not isinstance(output, layers.Dense):
        return None
    if len({replace(layer, units=1) for layer in hidden}) > 1 or not _is_plain(hidden[0]):
        return None
    return Parts(stack[:first], hidden, output, stack[last + 1 :]) if _is_plain_output(output) else None


def pattern_of(trial: Trial) -> Any:
    """Equal for networks that may be padded to one another; None if padding would not be exact."""
    parts = parts_of(trial)
    if parts is None:
        return None
    pattern = replace(parts, hidden=(replace(parts.hidden[0], units=1),))
    return pattern, replace(spec_of(trial), model=None), trial.model.dtype, trial.model.precision


def _is_plain(layer: layers.Dense) -> bool:
    name = activations.get(layer.activation).name
    return name in ACTIVATIONS and type(layer) is layers.Dense and _is_plain_output(layer)


def _is_plain_output(layer: layers.Dense) -> bool:
    unwanted = (layer.activity_regularizer, layer.kernel_constraint, layer.bias_constraint, layer.name)
    penalties = layer.weight_regularizers().values()
    summed = all(
        isinstance(each, regularizers.L1 | regularizers.L2 | regularizers.L1L2) for each in penalties
    )
    return summed and layer.trainable and all(each is None for each in unwanted)


class PaddedFamily(Family):
    """Trials of several widths and depths, each run as the largest of them.

    Args:
      trials: numbered; all with parts that differ in their widths alone.
      widths: of the hidden layers; the least that hold all trials' if None.
      room: as in `Family`.
    """

    def __init__(
        self, trials: Mapping[int, Trial], widths: tuple[int, ...] | None = None, room: int = 0
    ) -> None:
        self.parts = {id(trial): _expected(parts_of(trial)) for trial in trials.values()}
        self.widths = widths or padded_widths([parts.widths for parts in self.parts.values()])
        example = next(iter(trials.values()))
        padded = replace(example, objective=replace(example.objective, model=self.model_of(example)))
        super().__init__(spec_of(padded), dict(trials), room)

    @property
    def objective(self) -> Objective:
        return replace(self.example.objective, model=self.model_of(self.example))

    def model_of(self, trial: Trial) -> Sequential:
        parts = self.parts[id(trial)]
        hidden = [self._layer(parts, place) for place in range(len(self.widths))]
        stack = (*parts.before, *hidden, replace(parts.output, name=_OUTPUT), *parts.behind)
        model = trial.model
        return sequential(stack, model.input_shape, dtype=model.dtype, precision=model.precision)

    def _layer(self, parts: Parts, place: int) -> PaddedDense:
        exists = place < len(parts.widths)
        pattern = parts.hidden[0]
        own = {each.name: getattr(pattern, each.name) for each in fields(layers.Dense)}
        own |= {"units": self.widths[place], "name": _name(place)}
        return PaddedDense(
            **own,
            width=float(parts.widths[place]) if exists else 0.0,
            active=float(exists),
            may_pass=place > 0 and len(set(self.widths)) == 1,
        )

    def initial(self, trial: Trial) -> Params:
        return self._all_padded(trial, super().initial(trial))

    def alike(self, trial: Trial) -> Family | None:
        parts = parts_of(trial)
        if parts is None or not self._holds(parts.widths) or not self.has_place_for(trial):
            return None
        if pattern_of(trial) != pattern_of(self.example) or kind_of(trial) != kind_of(self.example):
            return None
        one = PaddedFamily({0: trial}, self.widths, self.room)
        return one if one.spec == self.spec else None

    def _holds(self, widths: tuple[int, ...]) -> bool:
        fits = len(widths) == len(self.widths) or (
            len(widths) < len(self.widths) and len(set(self.widths)) == 1
        )
        return fits and all(own <= most for own, most in zip(widths, self.widths, strict=False))

    def own_state(self, trial: Trial, state: TrainState) -> TrainState:
        own, optimizer = partial(self.params_of, trial), state.opt_state
        return replace(
            state,
            params=own(state.params),
            opt_state=optimizer._replace(
                slots={name: own(tree) for name, tree in optimizer.slots.items()},
                accumulator=None if optimizer.accumulator is None else own(optimizer.accumulator),
                average=None if optimizer.average is None else own(optimizer.average),
            ),
            key=jax.device_get(trial.model.key(trial.seed)),
        )

    def stand_in(self, trial: Trial, params: Params) -> tuple[Sequential, Params]:
        return self.model_of(trial), self._all_padded(trial, params)

    def _all_padded(self, trial: Trial, params: Params) -> Params:
        others = dict(params)
        own = [others.pop(name) for name in _dense_names(trial)]
        return {**others, **self._padded(own)}

    def _padded(self, own: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Hidden layers and output, filled up with zeros, and layers of nothing but zeros."""
        *hidden, output = own
        rows = (np.shape(hidden[0]["kernel"])[0], *self.widths)
        nothing = {
            leaf: np.zeros_like(value, shape=(0,) * np.ndim(value)) for leaf, value in hidden[0].items()
        }
        filled = [*hidden, *[nothing] * (len(self.widths) - len(hidden))]
        padded = {
            _name(place): _grown(leaves, rows[place], self.widths[place])
            for place, leaves in enumerate(filled)
        }
        return {**padded, _OUTPUT: _grown(output, rows[-1], np.shape(output["kernel"])[1])}

    def params_of(self, trial: Trial, params: Params) -> Params:
        """Without what was padded, under the trial's own names."""
        names = _dense_names(trial)
        padded = [*(_name(place) for place in range(len(names) - 1)), _OUTPUT]
        shapes = param_shapes(trial.model)
        others = {name: leaves for name, leaves in params.items() if name in shapes and name not in names}
        own = {
            name: {
                leaf: value[tuple(slice(size) for size in shapes[name][leaf].shape)]
                for leaf, value in params[of].items()
            }
            for name, of in zip(names, padded, strict=True)
        }
        return {name: own[name] if name in own else others[name] for name in shapes}


def _grown(leaves: Mapping[str, Any], rows: int, columns: int) -> dict[str, np.ndarray]:
    """Kernel and bias with zeros behind what is there."""
    sizes = {1: (columns,), 2: (rows, columns)}
    return {
        leaf: np.pad(
            value, [(0, size - had) for size, had in zip(sizes[value.ndim], value.shape, strict=True)]
        )
        for leaf, value in leaves.items()
    }


def _dense_names(trial: Trial) -> list[str]:
    pairs = zip(trial.model.names, trial.model.layers, strict=True)
    return [name for name, layer in pairs if isinstance(layer, layers.Dense)]


def _name(place: int) -> str:
    return f"hidden_{place}"


def _expected(parts: Parts | None) -> Parts:
    if parts is None:
        raise ValueError("padding: expected a network that can be padded exactly.")
    return parts


def padded_widths(several: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Widths that hold all of the given ones: place by place, or all alike where depths differ.

    >>> padded_widths([(8, 4), (2, 16)]), padded_widths([(8,), (4, 4)])
    ((8, 16), (8, 8))
    """
    depths = {len(widths) for widths in several}
    if len(depths) == 1:
        return tuple(max(at_place) for at_place in zip(*several, strict=True))
    widest = max(max(widths) for widths in several)
    return (widest,) * max(depths)
