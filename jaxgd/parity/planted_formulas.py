"""Wrong formulas, as replacements of jaxgd's own: what `planted_bugs` plants.

A formula of an update rule takes what `Rule.leaf` takes, the new slots, and the right increment.
"""

from typing import Any

import jax.numpy as jnp

from jaxgd.parity.planted import Replace


def scaled(**factors: float) -> Replace:
    """A `derive` whose numbers are multiplied."""

    def make(old: Any) -> Any:
        def derive(self: Any, values: Any, cast: Any) -> dict[str, Any]:
            numbers = old(self, values, cast)
            return {**numbers, **{name: numbers[name] * factor for name, factor in factors.items()}}

        return derive

    return make


def swapped(*pairs: tuple[str, str]) -> Replace:
    """A `derive` with numbers exchanged."""

    def make(old: Any) -> Any:
        def derive(self: Any, values: Any, cast: Any) -> dict[str, Any]:
            numbers = old(self, values, cast)
            for one, other in pairs:
                numbers[one], numbers[other] = numbers[other], numbers[one]
            return numbers

        return derive

    return make


def leaf(formula: Any) -> Replace:
    """A `leaf` that keeps the slots as they are made, but moves the parameter by another formula."""

    def make(old: Any) -> Any:
        def leaf(self: Any, n: Any, grad: Any, value: Any, slots: Any) -> tuple[Any, Any]:
            moved, new = old(self, n, grad, value, slots)
            return formula(self, n, grad, value, slots, new, moved), new

        return leaf

    return make


def epsilon_inside(self: Any, n: Any, grad: Any, value: Any, slots: Any, new: Any, moved: Any) -> Any:
    """m / sqrt(v + epsilon)."""
    return -new["momentum"] * n.alpha / jnp.sqrt(new["velocity"] + n.epsilon)


def epsilon_corrected(self: Any, n: Any, grad: Any, value: Any, slots: Any, new: Any, moved: Any) -> Any:
    """Epsilon after the bias correction, as in the paper."""
    correction = 1 - n.beta_2**n.step
    mean = new["momentum"] / (1 - n.beta_1**n.step)
    return -n.learning_rate * mean / (jnp.sqrt(new["velocity"] / correction) + n.epsilon)


def no_correction(self: Any, n: Any, grad: Any, value: Any, slots: Any, new: Any, moved: Any) -> Any:
    """No bias correction."""
    return -n.learning_rate * new["momentum"] / (jnp.sqrt(new["velocity"]) + n.epsilon)


def corrected_amsgrad(old: Any) -> Any:
    """The maximum of corrected v."""

    def leaf(self: Any, n: Any, grad: Any, value: Any, slots: Any) -> tuple[Any, Any]:
        _, new = old(self, n, grad, value, slots)
        correction = 1 - n.beta_2**n.step
        largest = jnp.maximum(slots["velocity_hat"], new["velocity"] / correction)
        mean = new["momentum"] / (1 - n.beta_1**n.step)
        return -n.learning_rate * mean / (jnp.sqrt(largest) + n.epsilon), {**new, "velocity_hat": largest}

    return leaf


def always_nesterov(self: Any, n: Any, grad: Any, value: Any, slots: Any, new: Any, moved: Any) -> Any:
    """Looks ahead."""
    return n.momentum * new["momentum"] - n.learning_rate * grad


def never_nesterov(self: Any, n: Any, grad: Any, value: Any, slots: Any, new: Any, moved: Any) -> Any:
    """Does not look ahead."""
    return new["momentum"]


def rate_outside(old: Any) -> Any:
    """The rate multiplies the whole velocity, as in optax, and is not inside it."""

    def leaf(self: Any, n: Any, grad: Any, value: Any, slots: Any) -> tuple[Any, Any]:
        velocity = n.momentum * slots["momentum"] - grad
        return n.learning_rate * velocity, {"momentum": velocity}

    return leaf


def epsilon_outside(self: Any, n: Any, grad: Any, value: Any, slots: Any, new: Any, moved: Any) -> Any:
    """sqrt(v) + epsilon."""
    return -n.learning_rate * grad / (jnp.sqrt(new["velocity"]) + n.epsilon)


def uncentered(self: Any, n: Any, grad: Any, value: Any, slots: Any, new: Any, moved: Any) -> Any:
    """The mean is not subtracted."""
    return -n.learning_rate * grad / jnp.sqrt(new["velocity"] + n.epsilon)


def coupled(old: Any) -> Any:
    """Weight decay enters the gradient."""

    def leaf(self: Any, n: Any, grad: Any, value: Any, slots: Any) -> tuple[Any, Any]:
        return old(self, n, grad + n.weight_decay * value, value, slots)

    return leaf


def epsilon_in_norm(old: Any) -> Any:
    """Epsilon inside the maximum."""

    def leaf(self: Any, n: Any, grad: Any, value: Any, slots: Any) -> tuple[Any, Any]:
        _, new = old(self, n, grad, value, slots)
        norm = jnp.maximum(n.beta_2 * slots["norm"], jnp.abs(grad) + n.epsilon)
        return -n.learning_rate * new["momentum"] / (n.correction * norm), {**new, "norm": norm}

    return leaf


def constant(value: Any) -> Replace:
    """A function that returns the same whatever it is given."""
    return lambda old: lambda *args, **options: value


def one_step_late(old: Any) -> Any:
    """The rate of the step before."""
    return lambda self, state: old(self, state._replace(count=jnp.maximum(state.count - 1, 0)))


def average_late(old: Any) -> Any:
    """The first average is mixed with zeros, and overwriting comes one step early."""

    def average(self: Any, leaves: Any, values: Any, state: Any) -> Any:
        values, new = old(self, leaves, values, state._replace(count=state.count + 1))
        return values, new._replace(count=state.count)

    return average


def decay_without_rate(old: Any) -> Any:
    """w - w weight_decay."""

    def decayed(self: Any, path: str, value: Any, n: Any) -> Any:
        decay = self.decay_of(path, value, n)
        return value if decay is None else value - value * decay

    return decayed


def summed(old: Any) -> Any:
    """The sum, whatever the reduction."""
    return lambda self, values: jnp.sum(values if self.weights is None else values * self.weights)


def without_row_mask(old: Any) -> Any:
    """Padding counts."""
    return lambda values, reduction, sample_weight=None, mask=None, row_mask=None: old(
        values, reduction, sample_weight, mask, None
    )


def mean_of_weights(old: Any) -> Any:
    """The mean over the weights."""
    return lambda reduction: (
        "mean_with_sample_weight" if reduction == "sum_over_batch_size" else old(reduction)
    )


def transposed(old: Any) -> Any:
    """The numbers of a kernel in another order."""

    def init(self: Any, sources: Any, input_shape: Any, dtype: Any) -> Any:
        leaves = old(self, sources, input_shape, dtype)
        kernel = leaves["kernel"]
        return {**leaves, "kernel": kernel.ravel().reshape(kernel.shape[::-1]).T}

    return init


def unscaled_dropout(old: Any) -> Any:
    """Dropout that does not enlarge what it keeps."""

    def dropped(layer: Any, values: Any, context: Any) -> Any:
        result = old(layer, values, context)
        return result if result is values else result / layer.scale

    return dropped


def unbiased(old: Any) -> Any:
    """Divided by n - 1."""

    def moments(x: Any, row_mask: Any) -> Any:
        found = old(x, row_mask)
        return found._replace(variance=found.variance * len(x) / (len(x) - 1))

    return moments
