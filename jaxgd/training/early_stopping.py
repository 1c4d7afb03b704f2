"""Early stopping, carried in the compiled program."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._checks import check_integer, check_real, unknown_name
from jaxgd._types import Array, PyTree

_MODES = ("auto", "min", "max")


@dataclass(frozen=True)
class EarlyStopping:
    """When to stop, and which parameters to keep.

    Args:
      monitor: a column of the history, such as "val_loss" or "val_accuracy".
      min_delta: a smaller change is no improvement.
      patience: epochs without improvement after which the run stops.
      mode: "min", "max", or "auto", which knows losses and the metrics of jaxgd.
      baseline: a value that must be beaten too before patience starts anew; None for none.
      restore_best_weights: whether the parameters of the best epoch are returned.
      start_from_epoch: epochs before this one (from 0) are not looked at.

    Raises:
      ValueError: an unknown mode, or a negative number.
    Keras: `callbacks.EarlyStopping`, its rules and defaults.
    """

    monitor: str = "val_loss"
    min_delta: float = 0.0
    patience: int = 0
    mode: str = "auto"
    baseline: float | None = None
    restore_best_weights: bool = False
    start_from_epoch: int = 0

    def __post_init__(self) -> None:
        if self.mode not in _MODES:
            raise unknown_name("mode", self.mode, _MODES)
        check_real("min_delta", self.min_delta, 0.0)
        check_integer("patience", self.patience, 0)
        check_integer("start_from_epoch", self.start_from_epoch, 0)
        if self.baseline is not None:
            check_real("baseline", self.baseline)

    def rule(self, direction: str | None) -> "Rule":
        """The static part; `direction` is the monitored metric's own, for mode "auto"."""
        mode = direction if self.mode == "auto" else self.mode
        if mode is None:
            raise ValueError(f"early_stopping: {self.monitor!r} may be better up or down; give mode.")
        return Rule(self.monitor, mode == "max", self.baseline is not None, self.restore_best_weights)

    def numbers(self, dtype: Any) -> "Numbers":
        """The part that is an input of the program; `dtype` is that of the monitored values."""
        return Numbers(
            jnp.int32(self.patience),
            Twofold.of(self.min_delta, dtype),
            jnp.float32(0.0 if self.baseline is None else self.baseline),
            jnp.int32(self.start_from_epoch),
        )


class Twofold(NamedTuple):
    """A double as the sum of two numbers of a perhaps shorter type."""

    value: Array
    rest: Array

    @classmethod
    def of(cls, number: float, dtype: Any) -> "Twofold":
        value = np.asarray(number, dtype)
        return cls(jnp.asarray(value), jnp.asarray(np.float64(number) - np.float64(value), dtype))


class Numbers(NamedTuple):
    """What a new value of does not compile again."""

    patience: Array
    min_delta: Twofold
    baseline: Array
    start_from_epoch: Array


@flax.struct.dataclass
class Progress:
    """What early stopping remembers. `best_params` is None unless they are restored."""

    best: Array
    best_epoch: Array
    wait: Array
    stopped: Array
    seen: Array
    best_params: PyTree = None


@dataclass(frozen=True)
class Rule:
    """What the program is compiled for."""

    monitor: str
    larger_is_better: bool
    has_baseline: bool
    restore: bool

    def start(self, params: PyTree, dtype: Any) -> Progress:
        """Before the first epoch; every array in a buffer of its own."""
        best_params = jax.tree.map(jnp.copy, params) if self.restore else None
        zero = [jnp.zeros((), jnp.int32) for _ in range(2)]
        no = [jnp.zeros((), bool) for _ in range(2)]
        return Progress(jnp.zeros((), dtype), zero[0], zero[1], no[0], no[1], best_params)

    def update(
        self, progress: Progress, current: Array, epoch: Array, params: PyTree, numbers: Numbers
    ) -> Progress:
        """After an epoch."""
        looked_at = epoch >= numbers.start_from_epoch
        better = self._better(current, progress.best, numbers.min_delta)
        improved = looked_at & (better | ~progress.seen)
        resets = improved
        if self.has_baseline:
            resets = improved & self._better(current, numbers.baseline, numbers.min_delta)
        wait = jnp.where(resets, 0, progress.wait + looked_at)
        kept = improved | (looked_at & ~progress.seen)
        return Progress(
            best=jnp.where(improved, current, progress.best),
            best_epoch=jnp.where(kept, epoch, progress.best_epoch),
            wait=wait,
            stopped=looked_at & ~improved & (wait >= numbers.patience) & (epoch > 0),
            seen=progress.seen | looked_at,
            best_params=self._keep(kept, params, progress.best_params),
        )

    def _better(self, current: Array, reference: Array, min_delta: Twofold) -> Array:
        """Whether current beats the reference by more than min_delta.

        Keras subtracts in double and compares in float32, also in a float64 run. It matters: an accuracy of
        two decimals often rises by exactly min_delta.
        """
        sign = 1 if self.larger_is_better else -1
        difference, error = _exact_difference(current, sign * min_delta.value)
        needed = (difference + (error - sign * min_delta.rest)).astype(jnp.float32)
        reference = reference.astype(jnp.float32)
        return needed > reference if self.larger_is_better else needed < reference

    def _keep(self, kept: Array, params: PyTree, best_params: PyTree) -> PyTree:
        if not self.restore:
            return None
        return jax.tree.map(lambda new, old: jnp.where(kept, new, old), params, best_params)


def _exact_difference(a: Array, b: Array) -> tuple[Array, Array]:
    """a - b rounded, and what the rounding lost (Knuth's two-sum)."""
    difference = a - b
    b_seen = a - difference
    a_seen = difference + b_seen
    return difference, (a - a_seen) + (b_seen - b)
