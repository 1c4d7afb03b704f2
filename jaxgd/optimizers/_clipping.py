"""The three ways in which Keras clips gradients. At most one is active."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import jax.numpy as jnp

from jaxgd._types import Array
from jaxgd.optimizers._arithmetic import divide_by_shared

Clipping: TypeAlias = Literal["clipnorm", "clipvalue", "global_clipnorm"]


def clip(kind: Clipping | None, grads: Sequence[Array], numbers: Mapping[str, Array]) -> list[Array]:
    """Clipped gradients of all leaves; unchanged if `kind` is None."""
    if kind == "clipnorm":
        return [clip_by_norm(grad, numbers["clipnorm"]) for grad in grads]
    if kind == "clipvalue":
        limit = numbers["clipvalue"]
        return [jnp.clip(grad, -limit, limit) for grad in grads]
    if kind == "global_clipnorm":
        return clip_by_global_norm(grads, numbers["global_clipnorm"], numbers["inverse_global_clipnorm"])
    return list(grads)


def clip_by_norm(grad: Array, limit: Array) -> Array:
    """`grad * limit / max(norm(grad), limit)`; a zero gradient stays zero."""
    return divide_by_shared(grad * limit, jnp.maximum(_safe_root(jnp.sum(grad * grad)), limit))


def clip_by_global_norm(grads: Sequence[Array], limit: Array, inverse_limit: Array) -> list[Array]:
    """All gradients times `limit * min(1 / norm, 1 / limit)`; all NaN if the norm is not finite."""
    norm = jnp.sqrt(jnp.sum(jnp.stack([jnp.sum(jnp.square(grad)) for grad in grads])))
    scale = limit * jnp.minimum(1 / norm, inverse_limit) + (norm - norm)
    return [grad * scale for grad in grads]


def _safe_root(square: Array) -> Array:
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), square)
