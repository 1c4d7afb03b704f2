"""The same gradient three ways: by hand, by `jax.grad`, by finite differences."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxgd._statistics import merge, partition
from jaxgd._types import Array, Params
from jaxgd.explain.running import key_at, trace_at
from jaxgd.explain.subject import Subject
from jaxgd.layers import Nested

_PROBED = 256
_STEP = {"float64": 1e-5, "float32": 5e-3}
_KINK = 1e-3


class Comparison(NamedTuple):
    """The gradient of one leaf, three ways. An ulp is the spacing of numbers at its largest magnitude."""

    name: str
    by_hand: np.ndarray
    autodiff: np.ndarray
    probed: np.ndarray
    """int[n]: which entries of the flattened leaf were probed by finite differences."""
    differences: np.ndarray
    """float64[n]: (L(w + h) - L(w - h)) / 2h."""
    at_kink: np.ndarray
    """bool[n]: the slopes left and right of w are not the same: the loss has a kink there."""
    dtype: Any
    """In which the layers compute."""

    @property
    def ulp(self) -> float:
        """The spacing of the computation's numbers at the gradient's largest magnitude."""
        kind, largest = jnp.finfo(self.dtype), float(np.abs(self.by_hand).max())
        if not math.isfinite(largest):
            return math.nan
        return float(kind.eps) * 2.0 ** math.floor(math.log2(max(largest, float(kind.tiny))))

    @property
    def ulps_of_autodiff(self) -> float:
        """Largest distance of `jax.grad` from the gradient by hand; NaN where one of them is not finite."""
        return self._ulps(self.by_hand, self.autodiff)

    @property
    def ulps_of_differences(self) -> float:
        """Largest distance of the finite differences from the gradient by hand, kinks left out."""
        by_hand = self.by_hand.reshape(-1)[self.probed]
        return self._ulps(by_hand[~self.at_kink], self.differences[~self.at_kink])

    def _ulps(self, first: np.ndarray, second: np.ndarray) -> float:
        with np.errstate(invalid="ignore"):  # infinity minus infinity
            distance = np.abs(first.astype(np.float64) - second.astype(np.float64))
        return float(distance.max(initial=0.0)) / self.ulp


def compare(subject: Subject, step: int = 0) -> list[Comparison]:
    """The gradient at the subject's parameters by hand, by `jax.grad` and by central differences.

    The differences are taken in float64 whatever the model's dtype, so that what they differ by is the
    rounding of the other two; only a model that draws random numbers while training is probed in its own.

    Args:
      subject: network, rows and loss.
      step: whose dropout masks are used.

    Returns: one `Comparison` for each leaf that is trained.
    >>> from jaxgd.explain import example
    >>> [(each.name, each.ulps_of_autodiff < 8) for each in compare(example(rows=4))]
    [('dense/bias', True), ('dense/kernel', True), ('dense_1/bias', True), ('dense_1/kernel', True)]
    """
    params: Params = jax.tree.map(jnp.asarray, dict(subject.params))
    key = key_at(subject, step)
    mask = subject.model.trainable(params)
    by_hand, _ = partition(trace_at(subject, params, key).gradients, mask)
    moving, fixed = partition(params, mask)
    autodiff = jax.grad(lambda moving: subject.objective(merge(moving, fixed), subject.batch, key)[0])(moving)
    names, leaves = _named(by_hand)
    _, automatic = _named(autodiff)
    places = [_probed(leaf) for leaf in leaves]
    probes = _probe(subject, moving, fixed, key, leaves, places)
    dtype = subject.model.policy.compute
    return [
        Comparison(name, leaf, other, place, central, kinks, dtype)
        for name, leaf, other, place, central, kinks in zip(
            names, leaves, automatic, places, *probes, strict=True
        )
    ]


def differences_dtype(subject: Subject) -> str:
    """The dtype in which finite differences are taken: dropout and noise draw other numbers in another."""
    return str(jnp.dtype(subject.model.policy.params)) if _draws(subject.model) else "float64"


def _draws(model: Any) -> bool:
    """Whether a layer of the model, or of a model inside it, draws random numbers."""
    return any(
        _draws(layer.model) if isinstance(layer, Nested) else getattr(layer, "seed", False) is not False
        for layer in model.layers
    )


def _in_dtype(model: Any, dtype: str) -> Any:
    """The model, and those inside it, in another dtype."""
    layers = tuple(
        replace(layer, model=_in_dtype(layer.model, dtype)) if isinstance(layer, Nested) else layer
        for layer in model.layers
    )
    return replace(model, layers=layers, dtype=dtype)


def _named(tree: Any) -> tuple[list[str], list[np.ndarray]]:
    paths = jax.tree_util.tree_flatten_with_path(tree)[0]
    names = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in paths]
    return names, [np.asarray(leaf) for _, leaf in paths]


def _probed(leaf: np.ndarray) -> np.ndarray:
    """All entries of a small leaf; of a large one some, evenly, and the largest."""
    if leaf.size <= _PROBED:
        return np.arange(leaf.size)
    even = np.linspace(0, leaf.size - 1, _PROBED // 2).astype(int)
    return np.unique(np.concatenate([even, np.argsort(np.abs(leaf.reshape(-1)))[-_PROBED // 2 :]]))


def _probe(
    subject: Subject, moving: Any, fixed: Any, key: Any, leaves: list[np.ndarray], places: list[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Central differences and kinks for the probed entries of each leaf."""
    dtype = differences_dtype(subject)
    with jax.enable_x64(dtype == "float64"):
        model = _in_dtype(subject.model, dtype)
        objective = replace(subject.objective, model=model)
        tree = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), dtype), (moving, fixed))
        batch = jax.tree.map(lambda value: _widened(value, dtype), subject.batch)
        flat, restore = ravel_pytree(tree[0])
        offsets = np.cumsum([0, *(leaf.size for leaf in leaves[:-1])])
        which = np.concatenate([offset + place for offset, place in zip(offsets, places, strict=True)])

        def loss(flat: Array) -> Array:
            return objective(merge(restore(flat), tree[1]), batch, key)[0]

        central, kinks = _central(loss, flat, which, _STEP[dtype])
    ends = np.cumsum([len(place) for place in places])[:-1]
    return np.split(central, ends), np.split(kinks, ends)


def _widened(value: Array, dtype: str) -> Array:
    array = np.asarray(value)
    return jnp.asarray(array, dtype if array.dtype.kind == "f" or array.dtype.kind == "V" else array.dtype)


def _central(
    loss: Callable[[Array], Array], flat: Array, which: np.ndarray, h: float
) -> tuple[np.ndarray, np.ndarray]:
    """(L(w + h) - L(w - h)) / 2h at each place, and whether the one-sided slopes disagree."""

    @jax.jit
    def both(which: Array) -> tuple[Array, Array]:
        return jax.lax.map(lambda i: (loss(flat.at[i].add(h)), loss(flat.at[i].add(-h))), which)

    up, down = (np.asarray(each, np.float64) for each in both(jnp.asarray(which)))
    centre = float(loss(flat))
    with np.errstate(invalid="ignore"):
        right, left = (up - centre) / h, (centre - down) / h
        scale = max(np.abs(right).max(), np.abs(left).max())
        noise = 8 * np.finfo(flat.dtype).eps * abs(centre) / h
        at_kink = np.abs(right - left) > (_KINK + 10 * h) * scale + noise
        return (up - down) / (2 * h), at_kink
