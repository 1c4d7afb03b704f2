"""Activations by name: what a model's description holds.

An `Activation` is a function with the options that were set and, beside it, the derivative that
backpropagation by hand uses. It is frozen and hashable, so that equal descriptions are one program.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import lru_cache
from inspect import Parameter, signature
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._checks import unknown_name
from jaxgd._named import Named, sorted_options
from jaxgd._types import Array
from jaxgd.activations import exponentials, normalizing, piecewise, rectifiers, smooth


@dataclass(frozen=True, repr=False)
class Activation(Named):
    """`function(z, **options)`, with its derivative.

    `derivative_fn(z, **options)` is f' of an elementwise function, `backward_fn(z, upstream, **options)` the
    vector-Jacobian product of another; a function that declares neither is differentiated by `jax.vjp`.

    >>> leaky = get("leaky_relu", negative_slope=0.25)
    >>> leaky, leaky(jnp.array([-2.0])).tolist(), leaky.derivative(jnp.array([-2.0])).tolist()
    (leaky_relu(negative_slope=0.25), [-0.5], [0.25])
    """

    derivative_fn: Callable[..., Array] | None = None
    backward_fn: Callable[..., Array] | None = None

    @property
    def elementwise(self) -> bool:
        """Whether every value of the result depends on one value of the input, and f' is declared."""
        return self.derivative_fn is not None

    def derivative(self, z: Any) -> Array | None:
        """f'(z), shape and dtype of `z`; None where the function is not elementwise."""
        return None if self.derivative_fn is None else self.derivative_fn(z, **dict(self.options))

    def backward(self, z: Any, upstream: Array) -> Array:
        """The gradient with respect to `z`, shape of `z`, given the one with respect to the result.

        upstream * f'(z), or the sum over the results of upstream * d result / d z

        >>> get("softmax").backward(jnp.array([0.0, 0.0]), jnp.array([1.0, 0.0])).tolist()
        [0.25, -0.25]
        """
        if self.derivative_fn is not None:
            return upstream * self.derivative_fn(z, **dict(self.options))
        if self.backward_fn is not None:
            return self.backward_fn(z, upstream, **dict(self.options))
        return jax.vjp(self, z)[1](upstream)[0]

    def output_size(self, features: int) -> int:
        """The size of the last axis of the result for an input whose last axis has this size."""
        if self.elementwise or self.function in _SAME_SHAPE:
            return features
        probe = jax.ShapeDtypeStruct((2, features), jnp.float32)
        return jax.eval_shape(self, probe).shape[-1]


Identifier: TypeAlias = str | Activation | Callable[..., Any] | None
"""What `get` takes: a name, an `Activation`, a function of one array, or None for no activation."""


class _Rule(NamedTuple):
    function: Callable[..., Array]
    derivative_fn: Callable[..., Array] | None = None
    backward_fn: Callable[..., Array] | None = None


_RULES = {
    "celu": _Rule(exponentials.celu, exponentials.celu_derivative),
    "elu": _Rule(exponentials.elu, exponentials.elu_derivative),
    "exponential": _Rule(exponentials.exponential, exponentials.exponential_derivative),
    "gelu": _Rule(smooth.gelu, smooth.gelu_derivative),
    "glu": _Rule(normalizing.glu, backward_fn=normalizing.glu_backward),
    "hard_shrink": _Rule(piecewise.hard_shrink, piecewise.hard_shrink_derivative),
    "hard_sigmoid": _Rule(piecewise.hard_sigmoid, piecewise.hard_sigmoid_derivative),
    "hard_silu": _Rule(piecewise.hard_silu, piecewise.hard_silu_derivative),
    "hard_tanh": _Rule(piecewise.hard_tanh, piecewise.hard_tanh_derivative),
    "leaky_relu": _Rule(rectifiers.leaky_relu, rectifiers.leaky_relu_derivative),
    "linear": _Rule(rectifiers.linear, rectifiers.linear_derivative),
    "log_sigmoid": _Rule(smooth.log_sigmoid, smooth.log_sigmoid_derivative),
    "log_softmax": _Rule(normalizing.log_softmax, backward_fn=normalizing.log_softmax_backward),
    "mish": _Rule(smooth.mish, smooth.mish_derivative),
    "relu": _Rule(rectifiers.relu, rectifiers.relu_derivative),
    "relu6": _Rule(rectifiers.relu6, rectifiers.relu6_derivative),
    "selu": _Rule(exponentials.selu, exponentials.selu_derivative),
    "sigmoid": _Rule(smooth.sigmoid, smooth.sigmoid_derivative),
    "silu": _Rule(smooth.silu, smooth.silu_derivative),
    "soft_shrink": _Rule(piecewise.soft_shrink, piecewise.soft_shrink_derivative),
    "softmax": _Rule(normalizing.softmax, backward_fn=normalizing.softmax_backward),
    "softplus": _Rule(smooth.softplus, smooth.softplus_derivative),
    "softsign": _Rule(smooth.softsign, smooth.softsign_derivative),
    "sparse_plus": _Rule(piecewise.sparse_plus, piecewise.sparse_plus_derivative),
    "sparse_sigmoid": _Rule(piecewise.sparse_sigmoid, piecewise.sparse_sigmoid_derivative),
    "sparsemax": _Rule(normalizing.sparsemax, backward_fn=normalizing.sparsemax_backward),
    "squareplus": _Rule(smooth.squareplus, smooth.squareplus_derivative),
    "tanh": _Rule(smooth.tanh, smooth.tanh_derivative),
    "tanh_shrink": _Rule(smooth.tanh_shrink, smooth.tanh_shrink_derivative),
    "threshold": _Rule(piecewise.threshold, piecewise.threshold_derivative),
}
_ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}
_NAME_OF = {rule.function: name for name, rule in _RULES.items()}
_SAME_SHAPE = (normalizing.softmax, normalizing.log_softmax, normalizing.sparsemax)


def names(*, aliases: bool = False) -> tuple[str, ...]:
    """Every registered name, sorted, as Keras writes them into files; `aliases` adds those it also reads.

    >>> len(names()), sorted(set(names(aliases=True)) - set(names()))
    (30, ['hard_swish', 'swish'])
    """
    return tuple(sorted([*_RULES, *(_ALIASES if aliases else ())]))


def get(identifier: Identifier, **options: Any) -> Activation:
    """The activation that an identifier means.

    Args:
      identifier: a name of `names(aliases=True)` in any case, None for "linear", an `Activation`, or a
        function of one array, which is differentiated by `jax.vjp` unless it is one of this package's.
      **options: settings by keyword, as Python values. A default that is given counts as not given.
    Returns: an `Activation`; equal calls give equal ones.
    Raises:
      ValueError: the name is unknown.
      TypeError: a setting is unknown, missing or not hashable, or the identifier is none of the above.
    Keras: `activations.get`, which minds the case and takes no options.
    >>> get("swish") == get("SiLU") == get(smooth.silu), get(None)
    (True, linear)
    """
    if isinstance(identifier, Activation):
        return _with_options(identifier, options)
    if identifier is None:
        return _registered("linear", options)
    if isinstance(identifier, str):
        return _registered(_canonical(identifier), options)
    if not callable(identifier):
        raise TypeError(f"activation: expected a name, a function or None, got {identifier!r}.")
    _check_hashable("activation", identifier)
    if identifier in _NAME_OF:
        return _registered(_NAME_OF[identifier], options)
    return _wrapped(identifier, options)


def _canonical(name: str) -> str:
    """A registered name, from any case and from an alias."""
    lowered = name.lower()
    lowered = _ALIASES.get(lowered, lowered)
    if lowered not in _RULES:
        raise unknown_name("activation", name, names(aliases=True))
    return lowered


def _registered(name: str, options: dict[str, Any]) -> Activation:
    """One of this package's activations."""
    rule = _RULES[name]
    return Activation(name, rule.function, _checked_options(name, rule.function, options), *rule[1:])


def _wrapped(function: Callable[..., Any], options: dict[str, Any]) -> Activation:
    """Someone else's function."""
    name = getattr(function, "__name__", type(function).__name__)
    return Activation(name, function, sorted_options(_hashable_options(name, options)))


def _with_options(activation: Activation, options: dict[str, Any]) -> Activation:
    """An activation with some options set anew."""
    if not options:
        return activation
    merged = {**dict(activation.options), **options}
    if activation.function in _NAME_OF:
        return _registered(activation.name, merged)
    return replace(activation, options=sorted_options(_hashable_options(activation.name, merged)))


@lru_cache(maxsize=256)
def _settings(function: Callable[..., Any]) -> dict[str, Parameter]:
    """All arguments behind the first."""
    return dict(list(signature(function).parameters.items())[1:])


def _checked_options(
    name: str, function: Callable[..., Any], options: dict[str, Any]
) -> tuple[tuple[str, Hashable], ...]:
    """Options that the function has, without those that are its defaults."""
    settings = _settings(function)
    for option in options:
        if option not in settings:
            known = ", ".join(settings) or "none"
            raise TypeError(f"{name}: unknown option {option!r}. It has: {known}.")
    missing = [
        key for key, value in settings.items() if value.default is Parameter.empty and key not in options
    ]
    if missing:
        raise TypeError(f"{name}: expected a value for {', '.join(missing)}.")
    hashable = _hashable_options(name, options)
    return sorted_options({key: value for key, value in hashable.items() if value != settings[key].default})


def _hashable_options(name: str, options: dict[str, Any]) -> dict[str, Hashable]:
    """Options as values that can be part of a description: lists become tuples, NumPy's scalars numbers."""
    plain = {key: _plain(value) for key, value in options.items()}
    for key, value in plain.items():
        _check_hashable(f"{name}: {key}", value)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return value.item() if isinstance(value, np.generic) else value


def _check_hashable(name: str, value: Any) -> None:
    try:
        hash(value)
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"{name}: expected a hashable value, got {kind}. Pass arrays in the call.") from None
