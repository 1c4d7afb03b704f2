"""What an axis changes: a setting of `fit`, a number of the optimizer, or the shape of the network."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jaxgd import layers, optimizers
from jaxgd._checks import check_integer, unknown_name
from jaxgd.model import Sequential, sequential
from jaxgd.optimizers import Optimizer

OF_MODEL = ("model", "hidden", "activation", "dropout", "kernel_initializer")
OF_FIT = ("loss", "optimizer", "epochs", "batch_size", "shuffle")
OF_STOPPING = ("patience", "min_delta")


def check_axes(names: Sequence[str], optimizers_used: Sequence[Optimizer]) -> None:
    """Raises ValueError for an axis that is unknown, or that an optimizer of the sweep does not have."""
    for name in names:
        if name in (*OF_MODEL, *OF_FIT, *OF_STOPPING):
            continue
        if name in ("seed", "seeds", "fold", "folds"):
            raise ValueError(
                f"grid: {name!r} is an argument of its own: sweep(..., {name.rstrip('s')}s=...)."
            )
        known = [set(optimizer.settings) - {"name"} for optimizer in optimizers_used]
        if not any(name in each for each in known):
            if any(optimizer.name == "optax" for optimizer in optimizers_used):
                raise ValueError(
                    f"grid: an optax transformation hides its numbers, {name!r} too. Take an optimizer of "
                    'jaxgd.optimizers, or several transformations: {"optimizer": [...]}.'
                )
            every = {*OF_MODEL, *OF_FIT, *OF_STOPPING}.union(*known)
            raise unknown_name("axis", name, every)
        for optimizer, each in zip(optimizers_used, known, strict=True):
            if name not in each:
                raise ValueError(f"grid: {optimizer.rule.class_name} has no {name!r}; sweep it separately.")


def changed_optimizer(base: Any, settings: Mapping[str, Any]) -> Optimizer:
    """The optimizer of a combination, its numbers checked by its own factory."""
    optimizer = optimizers.get(settings.get("optimizer", base))
    numbers = {k: v for k, v in settings.items() if k not in (*OF_MODEL, *OF_FIT, *OF_STOPPING)}
    return optimizer.with_hyperparameters(**numbers) if numbers else optimizer


def changed_model(base: Sequential, settings: Mapping[str, Any]) -> Sequential:
    """The network of a combination.

    Args:
      base: whose hidden dense layers are the pattern: all dense layers but the last.
      settings: "hidden" puts other widths in their place, each followed by what follows the first one;
        "activation" and "kernel_initializer" are those of the hidden layers; "dropout" is the rate of all
        dropout layers, or of new ones behind each hidden layer.

    Raises:
      ValueError: no hidden layer to take as the pattern.
    >>> import jaxgd
    >>> changed_model(jaxgd.mlp([4, 8, 1]), {"hidden": (16, 2)})
    sequential([dense(16, activation='relu'), dense(2, activation='relu'), dense(1)], input_size=4)
    """
    if not any(name in settings for name in OF_MODEL[1:]):
        return base
    stack = list(base.layers)
    if "hidden" in settings:
        stack = _with_widths(stack, widths(settings["hidden"]))
    for name in ("activation", "kernel_initializer"):
        if name in settings:
            stack = [
                replace(layer, **{name: settings[name]}) if is_hidden else layer
                for layer, is_hidden in zip(stack, _hidden(stack), strict=True)
            ]
    if "dropout" in settings:
        stack = _with_dropout(stack, settings["dropout"])
    return sequential(stack, base.input_shape, dtype=base.dtype, precision=base.precision)


def widths(value: Any) -> tuple[int, ...]:
    """A value of the axis "hidden": a width, or several. Raises TypeError or ValueError."""
    several = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    return tuple(check_integer("hidden", width, 1) for width in several)


def _hidden(stack: Sequence[layers.Layer]) -> list[bool]:
    places = [place for place, layer in enumerate(stack) if isinstance(layer, layers.Dense)]
    return [place in places[:-1] for place in range(len(stack))]


def _with_widths(stack: list[layers.Layer], new: Sequence[int]) -> list[layers.Layer]:
    dense = [place for place, layer in enumerate(stack) if isinstance(layer, layers.Dense)]
    if len(dense) < 2:
        raise ValueError("hidden: the model has no hidden dense layer to take as the pattern; give it one.")
    first, last = dense[0], dense[-1]
    pattern = [replace(layer, name=None) for layer in stack[first : dense[1]]]
    head = pattern[0]
    body = [part for width in new for part in (replace(head, units=width), *pattern[1:])]
    return [*stack[:first], *body, *stack[last:]]


def _with_dropout(stack: list[layers.Layer], rate: float) -> list[layers.Layer]:
    if any(isinstance(layer, layers.Dropout) for layer in stack):
        return [
            layers.dropout(rate, name=layer.name, seed=layer.seed)
            if isinstance(layer, layers.Dropout)
            else layer
            for layer in stack
        ]
    layers.dropout(rate)  # refuses a rate out of range even if there is no place for it
    added: list[layers.Layer] = []
    for layer, is_hidden in zip(stack, _hidden(stack), strict=True):
        added.append(layer)
        if is_hidden and rate > 0:
            added.append(layers.dropout(rate))
    return added
