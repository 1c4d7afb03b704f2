"""Starting values of parameters: every Keras initializer as a frozen description.

`init(source, shape, dtype)` makes the values; `source` is a JAX key or a `jaxgd.random.KerasSeed`. A
description with a seed of its own ignores the source and gives the same values each time, as in Keras.
Without one each layer draws from its own source, also where two layers share one description: there Keras,
whose seedless instances keep the seed they drew, gives both layers the same values.
"""

from typing import Any

from jaxgd._described import get_described
from jaxgd.initializers.base import Initializer, RandomInitializer
from jaxgd.initializers.drawn import Orthogonal, RandomNormal, RandomUniform, TruncatedNormal
from jaxgd.initializers.fixed import Constant, Identity, Ones, Zeros
from jaxgd.initializers.scaled import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
    fans,
)

zeros = Zeros
ones = Ones
constant = Constant
identity = Identity
random_normal = RandomNormal
random_uniform = RandomUniform
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
glorot_uniform = GlorotUniform
glorot_normal = GlorotNormal
he_uniform = HeUniform
he_normal = HeNormal
lecun_uniform = LecunUniform
lecun_normal = LecunNormal
orthogonal = Orthogonal

_CLASSES: dict[str, type] = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "identity": Identity,
    "random_normal": RandomNormal,
    "random_uniform": RandomUniform,
    "truncated_normal": TruncatedNormal,
    "variance_scaling": VarianceScaling,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
    "orthogonal": Orthogonal,
}
_ALIASES: dict[str, type] = {
    "zero": Zeros,
    "one": Ones,
    "normal": RandomNormal,
    "uniform": RandomUniform,
    "identity_initializer": Identity,
    "orthogonal_initializer": Orthogonal,
}
_LEFT_OUT = {
    name: "jaxgd does not have it, as it is for spectrograms; give a function (source, shape, dtype)"
    for name in ("stft", "stftinitializer")
}

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "fans",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "is_random",
    "lecun_normal",
    "lecun_uniform",
    "names",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]


def names() -> tuple[str, ...]:
    """The names that `get` knows, without Keras's aliases."""
    return tuple(_CLASSES)


def is_random(init: Any) -> bool:
    """Whether `init` uses its source: False for constants and for initializers with a seed of their own.

    A plain callable does, unless it has an attribute `is_random` that says otherwise.
    """
    return getattr(init, "is_random", True)


def get(identifier: Any, **options: Any) -> Any:
    """The initializer behind a name, a class, an initializer or a callable(source, shape, dtype).

    Args:
      identifier: a name, case and underscores ignored ("glorot_uniform", "GlorotUniform"), or one of those.
      **options: the initializer's arguments, with a name or a class only.

    Raises:
      ValueError: unknown name.
      TypeError: none of these, or options with an initializer that is made already.

    Keras: `keras.initializers.get`, which minds the case.

    >>> get("GlorotUniform", seed=3) == glorot_uniform(seed=3)
    True
    """
    return get_described("initializer", identifier, _CLASSES | _ALIASES, options, _LEFT_OUT)
