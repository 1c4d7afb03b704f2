"""A run as the arrays that a fit works on: increments, gradients, noise, and the leaves they belong to."""

from dataclasses import dataclass, replace

import numpy as np

from jaxgd.parity.diagnosing.trace import Run

_ARITHMETIC = 3.0
"""Roundings of an update's own size that are put down to the arithmetic of any rule."""
_SEARCH = 2e-15
"""Relative error of an update that the search itself makes, as it holds logarithms in float64."""


@dataclass(frozen=True)
class Leaf:
    """Where one parameter lies in the flattened arrays; `shape` is None if only some elements are there."""

    name: str
    start: int
    stop: int
    rank: int
    shape: tuple[int, ...] | None

    @property
    def where(self) -> slice:
        """Its place along the last axis."""
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class Problem:
    """What a rule must explain.

    Args:
      values: [steps, elements], parameters before each step.
      changes: [steps, elements], what each step added.
      grads: [steps, elements].
      rounding: [steps, elements], standard deviation that storing the parameters gives `changes`.
      arithmetic: relative error of a change that the arithmetic of a rule gives it.
      precision: half the spacing of numbers near 1 in the type of the rule's constants.
      sizes: [elements], largest change of each element.
      norms: [steps, leaves], norms of the gradients of whole leaves, also where elements were left out.
      total_norm: [steps], norm of all gradients together.
    """

    values: np.ndarray
    changes: np.ndarray
    grads: np.ndarray
    rounding: np.ndarray
    arithmetic: float
    precision: float
    sizes: np.ndarray
    norms: np.ndarray
    total_norm: np.ndarray
    leaves: tuple[Leaf, ...]

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.changes)

    @property
    def matrix_mask(self) -> np.ndarray:
        """[elements]: 1 in leaves of rank 2 and above, 0 in vectors."""
        return np.concatenate(
            [np.full(leaf.stop - leaf.start, float(leaf.rank >= 2)) for leaf in self.leaves]
        )

    @property
    def leaf_index(self) -> np.ndarray:
        """[elements]: the number of the leaf of each element."""
        return np.concatenate(
            [np.full(leaf.stop - leaf.start, number) for number, leaf in enumerate(self.leaves)]
        )

    def weights(self, arithmetic: float, softness: np.ndarray | float = 0.0) -> np.ndarray:
        """[steps, elements]: one over the noise.

        Args:
          arithmetic: how much more than usual a rule's arithmetic rounds.
          softness: relative error that is forgiven too, of all steps or [steps, 1].
        """
        relative = arithmetic * self.arithmetic + softness
        return 1 / np.sqrt(self.rounding**2 + (relative * self.sizes) ** 2 + np.finfo(np.float64).tiny)

    def first(self, steps: int) -> "Problem":
        """The first steps alone."""
        rows = ("values", "changes", "grads", "rounding", "norms", "total_norm")
        return replace(self, **{name: getattr(self, name)[:steps] for name in rows})


def make_problem(run: Run, max_elements: int, whole_leaves: bool = False, constants: float = 0.0) -> Problem:
    """The run flattened.

    Args:
      max_elements: how many elements are kept: evenly spread over each leaf, or, with `whole_leaves`, the
        smallest leaves whole (at least one matrix).
      constants: relative error of an update that is forgiven: that of constants rounded to float32.
    """
    names = _small_leaves(run, max_elements) if whole_leaves else list(run.params)
    share = 1.0 if whole_leaves else max_elements / sum(_size(run, name) for name in names)
    leaves, values, grads = [], [], []
    for name in names:
        rows = run.params[name].reshape(run.steps + 1, -1)
        keep = _spread(rows.shape[1], share)
        start = leaves[-1].stop if leaves else 0
        shape = run.params[name].shape[1:]
        whole = shape if len(keep) == rows.shape[1] else None
        leaves.append(Leaf(name, start, start + len(keep), len(shape), whole))
        values.append(rows[:, keep])
        grads.append(run.grads[name].reshape(run.steps, -1)[:, keep])
    return _finish(run, names, tuple(leaves), np.concatenate(values, 1), np.concatenate(grads, 1), constants)


def _finish(run: Run, names: list, leaves: tuple, values: np.ndarray, grads: np.ndarray, constants: float):
    exact = values.astype(np.float64)
    changes = np.diff(exact, axis=0)
    sizes = np.abs(changes).max(axis=0)
    spacing = np.spacing(np.maximum(np.abs(values[1:]), np.abs(values[:-1])).astype(run.dtype))
    arithmetic = _ARITHMETIC * np.finfo(run.dtype).eps / 2 + constants + _SEARCH
    norms = {
        name: np.linalg.norm(g.reshape(run.steps, -1).astype(float), axis=1) for name, g in run.grads.items()
    }
    return Problem(
        values=exact[:-1],
        changes=changes,
        grads=grads.astype(np.float64),
        rounding=spacing.astype(np.float64) / np.sqrt(6),
        arithmetic=arithmetic,
        precision=float(np.finfo(np.float32 if constants else run.dtype).eps / 2),
        sizes=sizes,
        norms=np.stack([norms[name] for name in names], axis=1),
        total_norm=np.linalg.norm(np.stack(list(norms.values())), axis=0),
        leaves=leaves,
    )


def _size(run: Run, name: str) -> int:
    return int(np.prod(run.params[name].shape[1:]))


def _spread(size: int, share: float) -> np.ndarray:
    count = size if share >= 1 else max(1, int(size * share))
    return np.unique(np.linspace(0, size - 1, count).round().astype(int))


def _small_leaves(run: Run, max_elements: int) -> list[str]:
    """Names, in the run's order, of the smallest leaves; the smallest matrix is always among them."""
    matrices = [name for name in run.params if run.params[name].ndim == 3]
    ordered = sorted(run.params, key=lambda name: _size(run, name))
    chosen = {min(matrices, key=lambda name: _size(run, name))} if matrices else set()
    for name in ordered:
        if sum(_size(run, other) for other in chosen | {name}) <= max_elements or not chosen:
            chosen.add(name)
    return [name for name in run.params if name in chosen]
