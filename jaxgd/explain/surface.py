"""The loss over a plane through the space of parameters, and where the paths lie in it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxgd._checks import unknown_name
from jaxgd._statistics import merge, partition
from jaxgd._types import Array, Params
from jaxgd.explain.running import Run, key_at
from jaxgd.explain.subject import Subject

GRID = 41
_MARGIN = 0.2


class Plane(NamedTuple):
    """centre + u * along[0] + v * along[1], u and v in the given ranges."""

    title: str
    axes: tuple[str, str]
    u: np.ndarray
    """float[GRID]."""
    v: np.ndarray
    losses: np.ndarray
    """float[GRID, GRID]: a row for each v, from the lowest."""
    paths: dict[str, np.ndarray]
    """{optimizer: [steps + 1, 2]}, projected into the plane."""
    kept: float
    """Share of the paths' spread that lies in the plane; the rest is not seen."""


class _View(NamedTuple):
    """Where a plane lies."""

    title: str
    axes: tuple[str, str]
    along: np.ndarray
    """float64[2, parameters], at right angles, of length 1."""
    origin: np.ndarray
    """What the start's place in the plane is called: [0, 0], or its weights."""


def planes(subject: Subject, runs: Mapping[str, Run], weights: Sequence[str] = ()) -> list[Plane]:
    """Loss surfaces with the paths of the runs.

    Args:
      subject: the loss.
      runs: {optimizer: its run}, all from the same start.
      weights: two names such as "dense/kernel[0,3]"; without them the two that the first run moved most.

    Returns: the plane that holds most of the paths, the one of two weights, and a random one; nothing for a
      single parameter.
    Raises:
      ValueError: a weight that is not there.
    """
    names = _weight_names(subject)
    if len(names) < 2:
        return []
    points = {name: _points(subject, run) for name, run in runs.items()}
    first = next(iter(points.values()))
    chosen = _chosen(weights, names) if weights else _moved_most(first)
    spread = np.concatenate([each - first[0] for each in points.values()])
    spread = spread[np.isfinite(spread).all(axis=1)]
    loss_at = _loss_in_plane(subject, first[0])
    return [_plane(loss_at, points, spread, view) for view in _views(names, chosen, spread, first[0])]


def _views(names: list[str], chosen: list[int], spread: np.ndarray, start: np.ndarray) -> list[_View]:
    labels = (names[chosen[0]], names[chosen[1]])
    two = np.zeros((2, len(start)))
    two[[0, 1], chosen] = 1.0
    main, drawn, zero = _main_directions(spread), _random_directions(len(start)), np.zeros(2)
    return [
        _View("Main directions of the paths", ("direction 1", "direction 2"), main, zero),
        _View(f"Two weights: {labels[0]} and {labels[1]}", labels, two, start[chosen]),
        _View("Two random directions", ("random 1", "random 2"), drawn, zero),
    ]


def _points(subject: Subject, run: Run) -> np.ndarray:
    """float64[steps + 1, trained parameters]; a step with anything not finite is NaN, which lies nowhere."""
    moving, _ = partition(run.params, subject.model.trainable(subject.params))
    leaves = [np.asarray(leaf, np.float64).reshape(len(leaf), -1) for leaf in jax.tree.leaves(moving)]
    points = np.concatenate(leaves, axis=1)
    return np.where(np.isfinite(points).all(axis=1, keepdims=True), points, np.nan)


def _weight_names(subject: Subject) -> list[str]:
    """A name for each trained parameter, in the order of the flat vector."""
    moving, _ = partition(subject.params, subject.model.trainable(subject.params))
    names = []
    for path, leaf in jax.tree_util.tree_flatten_with_path(moving)[0]:
        prefix = jax.tree_util.keystr(path, simple=True, separator="/")
        names += [f"{prefix}[{','.join(map(str, place))}]" for place in np.ndindex(np.shape(leaf))]
    return names


def _chosen(weights: Sequence[str], names: list[str]) -> list[int]:
    for name in weights:
        if name.replace(" ", "") not in names:
            known = names if len(names) <= 12 else [*names[:6], *names[-6:]]
            raise unknown_name("weight", name, known)
    places = [names.index(name.replace(" ", "")) for name in weights]
    if len(set(places)) != 2:
        raise ValueError(f"weights: expected two different ones, got {', '.join(weights)}.")
    return places


def _moved_most(points: np.ndarray) -> list[int]:
    """The two parameters that a run moved most; the first two of a run that stood still."""
    moved = np.nan_to_num(np.abs(points[-1] - points[0]))
    return [int(place) for place in np.argsort(-moved, kind="stable")[:2]]


def _random_directions(size: int) -> np.ndarray:
    """Two directions at right angles, the same every time."""
    drawn = np.random.default_rng(0).normal(size=(2, size))
    return np.linalg.qr(drawn.T)[0].T


def _main_directions(spread: np.ndarray) -> np.ndarray:
    """The two directions in which points lie farthest apart; any two where they do not spread so much."""
    _, _, directions = np.linalg.svd(spread, full_matrices=False)
    if len(directions) < 2:
        return _random_directions(spread.shape[1])
    return directions[:2]


def _plane(
    loss_at: Callable[..., Array], points: Mapping[str, np.ndarray], spread: np.ndarray, view: _View
) -> Plane:
    start, along = next(iter(points.values()))[0], view.along
    inside, total = spread @ along.T, float((spread**2).sum())
    centre, reach = _extent(inside)
    u, v = (np.linspace(middle - reach, middle + reach, GRID) for middle in centre)
    grid = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
    return Plane(
        title=view.title,
        axes=view.axes,
        u=u + view.origin[0],
        v=v + view.origin[1],
        losses=np.asarray(loss_at(along, grid), np.float64).reshape(len(v), len(u)),
        paths={name: (each - start) @ along.T + view.origin for name, each in points.items()},
        kept=float((inside**2).sum()) / total if total else 1.0,
    )


def _extent(inside: np.ndarray) -> tuple[np.ndarray, float]:
    """The middle of the points, and how far to look from it: the same both ways."""
    low, high = inside.min(axis=0), inside.max(axis=0)
    reach = float((high - low).max()) / 2 * (1 + 2 * _MARGIN)
    return (low + high) / 2, reach or 1.0


def _loss_in_plane(subject: Subject, start: np.ndarray) -> Callable[..., Array]:
    """loss_at(along [2, parameters], places [n, 2]) -> [n]; one program for all planes."""
    params: Params = jax.tree.map(jnp.asarray, dict(subject.params))
    moving, fixed = partition(params, subject.model.trainable(params))
    flat, restore = ravel_pytree(moving)
    key: Any = key_at(subject, 0)

    @jax.jit
    def losses(base: Array, along: Array, places: Array) -> Array:
        def one(place: Array) -> Array:
            return subject.objective(merge(restore(base + place @ along), fixed), subject.batch, key)[0]

        return jax.lax.map(one, places)

    return lambda along, places: losses(*(jnp.asarray(each, flat.dtype) for each in (start, along, places)))
