"""The bugs that are planted: mistakes that reimplementations of Keras make, one replacement each."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp

from jaxgd.parity.planted import Bug, Change, Replace

_OPTIMIZERS = "jaxgd.optimizers"


def _scaled(**factors: float) -> Replace:
    """A `derive` whose numbers are multiplied."""

    def make(old: Any) -> Any:
        def derive(self: Any, values: Any, cast: Any) -> dict[str, Any]:
            numbers = old(self, values, cast)
            return {**numbers, **{name: numbers[name] * factor for name, factor in factors.items()}}

        return derive

    return make


def _swapped(*pairs: tuple[str, str]) -> Replace:
    """A `derive` with numbers exchanged."""

    def make(old: Any) -> Any:
        def derive(self: Any, values: Any, cast: Any) -> dict[str, Any]:
            numbers = old(self, values, cast)
            for one, other in pairs:
                numbers[one], numbers[other] = numbers[other], numbers[one]
            return numbers

        return derive

    return make


def _leaf(formula: Any) -> Replace:
    """A `leaf` that keeps the slots as they are made, but moves the parameter by another formula."""

    def make(old: Any) -> Any:
        def leaf(self: Any, n: SimpleNamespace, grad: Any, value: Any, slots: Any) -> tuple[Any, Any]:
            moved, new = old(self, n, grad, value, slots)
            return formula(self, n, grad, value, slots, new, moved), new

        return leaf

    return make


def _epsilon_inside(self: Any, n: Any, grad: Any, value: Any, slots: Any, new: Any, moved: Any) -> Any:
    return -new["momentum"] * n.alpha / jnp.sqrt(new["velocity"] + n.epsilon)


def _epsilon_corrected(self: Any, n: Any, grad: Any, value: Any, slots: Any, new: Any, moved: Any) -> Any:
    correction = 1 - n.beta_2**n.step
    mean = new["momentum"] / (1 - n.beta_1**n.step)
    return -n.learning_rate * mean / (jnp.sqrt(new["velocity"] / correction) + n.epsilon)


def _no_correction(self: Any, n: Any, grad: Any, value: Any, slots: Any, new: Any, moved: Any) -> Any:
    return -n.learning_rate * new["momentum"] / (jnp.sqrt(new["velocity"]) + n.epsilon)


def _corrected_amsgrad(old: Any) -> Any:
    def leaf(self: Any, n: Any, grad: Any, value: Any, slots: Any) -> tuple[Any, Any]:
        _, new = old(self, n, grad, value, slots)
        correction = 1 - n.beta_2**n.step
        largest = jnp.maximum(slots["velocity_hat"], new["velocity"] / correction)
        mean = new["momentum"] / (1 - n.beta_1**n.step)
        return -n.learning_rate * mean / (jnp.sqrt(largest) + n.epsilon), {**new, "velocity_hat": largest}

    return leaf


def _always_nesterov(self: Any, n: Any, grad: Any, value: Any, slots: Any, new: Any, moved: Any) -> Any:
    return n.momentum * new["momentum"] - n.learning_rate * grad


def _never_nesterov(self: Any, n: Any, grad: Any, value: Any, slots: Any, new: Any, moved: Any) -> Any:
    return new["momentum"]


def _rate_outside(old: Any) -> Any:
    """The rate multiplies the whole velocity, as in optax, and is not inside it."""

    def leaf(self: Any, n: Any, grad: Any, value: Any, slots: Any) -> tuple[Any, Any]:
        velocity = n.momentum * slots["momentum"] - grad
        return n.learning_rate * velocity, {"momentum": velocity}

    return leaf


def _epsilon_outside(self: Any, n: Any, grad: Any, value: Any, slots: Any, new: Any, moved: Any) -> Any:
    return -n.learning_rate * grad / (jnp.sqrt(new["velocity"]) + n.epsilon)


def _uncentered(self: Any, n: Any, grad: Any, value: Any, slots: Any, new: Any, moved: Any) -> Any:
    return -n.learning_rate * grad / jnp.sqrt(new["velocity"] + n.epsilon)


def _coupled(old: Any) -> Any:
    def leaf(self: Any, n: Any, grad: Any, value: Any, slots: Any) -> tuple[Any, Any]:
        return old(self, n, grad + n.weight_decay * value, value, slots)

    return leaf


def _epsilon_in_norm(old: Any) -> Any:
    def leaf(self: Any, n: Any, grad: Any, value: Any, slots: Any) -> tuple[Any, Any]:
        _, new = old(self, n, grad, value, slots)
        norm = jnp.maximum(n.beta_2 * slots["norm"], jnp.abs(grad) + n.epsilon)
        return -n.learning_rate * new["momentum"] / (n.correction * norm), {**new, "norm": norm}

    return leaf


def _constant(value: Any) -> Replace:
    """A function that returns the same whatever it is given."""
    return lambda old: lambda *args, **options: value


def _one_step_late(old: Any) -> Any:
    return lambda self, state: old(self, state._replace(count=jnp.maximum(state.count - 1, 0)))


def _average_late(old: Any) -> Any:
    """The first average is mixed with zeros, and overwriting comes one step early."""

    def average(self: Any, leaves: Any, values: Any, state: Any) -> Any:
        values, new = old(self, leaves, values, state._replace(count=state.count + 1))
        return values, new._replace(count=state.count)

    return average


def _decay_without_rate(old: Any) -> Any:
    def decayed(self: Any, path: str, value: Any, n: Any) -> Any:
        decay = self.decay_of(path, value, n)
        return value if decay is None else value - value * decay

    return decayed


def _summed(old: Any) -> Any:
    return lambda self, values: jnp.sum(values if self.weights is None else values * self.weights)


def _without_row_mask(old: Any) -> Any:
    return lambda values, reduction, sample_weight=None, mask=None, row_mask=None: old(
        values, reduction, sample_weight, mask, None
    )


def _mean_of_weights(old: Any) -> Any:
    return lambda reduction: (
        "mean_with_sample_weight" if reduction == "sum_over_batch_size" else old(reduction)
    )


def _transposed(old: Any) -> Any:
    def init(self: Any, sources: Any, input_shape: Any, dtype: Any) -> Any:
        leaves = old(self, sources, input_shape, dtype)
        kernel = leaves["kernel"]
        return {**leaves, "kernel": kernel.ravel().reshape(kernel.shape[::-1]).T}

    return init


def _unscaled_dropout(old: Any) -> Any:
    def factor(self: Any, x: Any, context: Any) -> Any:
        found = old(self, x, context)
        return None if found is None else jnp.sign(found)

    return factor


def _unbiased(old: Any) -> Any:
    def moments(x: Any, row_mask: Any) -> Any:
        found = old(x, row_mask)
        return found._replace(variance=found.variance * len(x) / (len(x) - 1))

    return moments


def _optimizer(name: str, change: str, cases: str, *changes: tuple[str, Replace]) -> Bug:
    """A bug in `jaxgd.optimizers`, seen by cases of the family of that name."""
    made = tuple(Change(f"{_OPTIMIZERS}.{place}", make) for place, make in changes)
    return Bug(name, change, f"optimizer/{cases}/float64/eager", made)


def _bug(name: str, change: str, cases: str, place: str, make: Replace) -> Bug:
    return Bug(name, change, cases, (Change(place, make),))


_ADAM = "adam:AdamRule"
_LOSSES, _LAYERS = "jaxgd.losses", "jaxgd.layers"
_MSE = "loss/mean_squared_error/kind=real-reduction=sum_over_batch_size"

BUGS: tuple[Bug, ...] = (
    _optimizer(
        "epsilon inside the root",
        "m / sqrt(v + epsilon)",
        "Adam/normal",
        (f"{_ADAM}.leaf", _leaf(_epsilon_inside)),
    ),
    _optimizer(
        "epsilon on the corrected root",
        "as in the paper and in optax",
        "Adam/normal",
        (f"{_ADAM}.leaf", _leaf(_epsilon_corrected)),
    ),
    _optimizer(
        "bias correction off",
        "Adam's step is the rate",
        "Adam/normal",
        (f"{_ADAM}.leaf", _leaf(_no_correction)),
    ),
    _optimizer(
        "wrong epsilon", "1e-8 for 1e-7", "Adam/scale 1e-6", (f"{_ADAM}.derive", _scaled(epsilon=0.1))
    ),
    _optimizer(
        "betas exchanged",
        "beta_1 for beta_2",
        "Adam/normal",
        (f"{_ADAM}.derive", _swapped(("one_minus_beta_1", "one_minus_beta_2"), ("beta_1", "beta_2"))),
    ),
    _optimizer(
        "AMSGrad of the corrected v",
        "the maximum is taken after the correction",
        "Adam-amsgrad=True/normal",
        (f"{_ADAM}.leaf", _corrected_amsgrad),
    ),
    _optimizer(
        "Nesterov without being asked",
        "momentum looks ahead",
        "SGD-momentum=0.9/normal",
        ("sgd:SGDRule.leaf", _leaf(_always_nesterov)),
    ),
    _optimizer(
        "Nesterov ignored",
        "nesterov=True is plain momentum",
        "SGD-momentum=0.9-nesterov=True/normal",
        ("sgd:SGDRule.leaf", _leaf(_never_nesterov)),
    ),
    _optimizer(
        "momentum without the rate",
        "the rate multiplies the velocity as a whole",
        "SGD-momentum=0.9/common=schedule/normal",
        ("sgd:SGDRule.leaf", _rate_outside),
    ),
    _optimizer(
        "RMSprop's epsilon outside",
        "sqrt(v) + epsilon",
        "RMSprop/scale 1e-6",
        ("rmsprop:RMSpropRule.leaf", _leaf(_epsilon_outside)),
    ),
    _optimizer(
        "centering forgotten",
        "the mean is kept but not subtracted",
        "RMSprop-centered=True/normal",
        ("rmsprop:RMSpropRule.leaf", _leaf(_uncentered)),
    ),
    _optimizer(
        "wrong initial accumulator",
        "Adagrad starts at 0",
        "Adagrad/normal",
        (
            "adagrad:AdagradRule.init_slot",
            lambda old: lambda self, name, path, value, numbers: jnp.zeros_like(value),
        ),
    ),
    _optimizer(
        "Adamax's epsilon inside the maximum",
        "max(beta_2 u, |g| + epsilon), as in optax",
        "Adamax/scale 1e-6",
        ("adamax:AdamaxRule.leaf", _epsilon_in_norm),
    ),
    _optimizer(
        "Nadam without its schedule",
        "a constant momentum",
        "Nadam/normal",
        ("nadam:_warm_up", _constant(1.0)),
    ),
    _optimizer(
        "Lion's betas exchanged",
        "the direction uses beta_2",
        "Lion/normal",
        (
            "lion:LionRule.derive",
            _swapped(("beta_1", "beta_2"), ("one_minus_beta_1", "one_minus_beta_2")),
        ),
    ),
    _optimizer("no trust ratio", "Lamb is Adam", "Lamb/normal", ("lamb:_trust_ratio", _constant(1.0))),
    _optimizer(
        "schedule one step late",
        "the rate of the step before",
        "SGD/common=schedule/normal",
        ("_rule:Rule.learning_rate", _one_step_late),
    ),
    _optimizer(
        "decay coupled",
        "weight decay is added to the gradient",
        "AdamW/normal",
        ("adam:AdamRule.leaf", _coupled),
        ("_rule:Rule._decayed", lambda old: lambda self, path, value, n: value),
    ),
    _optimizer(
        "decay without the rate",
        "w - w weight_decay",
        "SGD/common=decay/mixed",
        ("_rule:Rule._decayed", _decay_without_rate),
    ),
    _optimizer(
        "exclusion ignored",
        "biases decay too",
        "SGD/common=decay,biasesexcluded/mixed",
        ("_rule:Rule.is_excluded", _constant(False)),
    ),
    _optimizer(
        "accumulation sums",
        "the sum of the gradients, not their mean",
        "SGD/common=accumulation/mixed",
        ("_rule:divide_by_shared", lambda old: lambda values, divisor: values),
    ),
    _optimizer(
        "loss scale stays in",
        "gradients are not divided by it",
        "SGD/common=lossscale/mixed",
        ("_rule:Rule._unscale", lambda old: lambda self, grads, state: grads),
    ),
    _optimizer(
        "average one step off",
        "the first average is mixed with zeros",
        "SGD/common=overwrite/mixed",
        ("_rule:Rule._average", _average_late),
    ),
    _optimizer(
        "clipped by the root mean square",
        "the norm of the mean square",
        "SGD/common=clipnorm/mixed",
        (
            "_clipping:clip_by_norm",
            lambda old: lambda grad, limit: grad * limit / jnp.maximum(jnp.sqrt(jnp.mean(grad**2)), limit),
        ),
    ),
    _optimizer(
        "clipped one by one",
        "global_clipnorm bounds each gradient",
        "SGD/common=globalclipnorm/mixed",
        (
            "_clipping:clip_by_global_norm",
            lambda old: lambda grads, limit, inverse: [old([grad], limit, inverse)[0] for grad in grads],
        ),
    ),
    _bug("sum for mean", "losses are summed", _MSE, f"{_LOSSES}._reduction:Weighting.apply", _summed),
    _bug(
        "divided by the weights",
        "the mean over weights, not over rows",
        f"{_MSE}-weights=fractional/normal/float64",
        f"{_LOSSES}._get:check_reduction",
        _mean_of_weights,
    ),
    _bug(
        "mask ignored",
        "rows of padding count",
        f"{_MSE}-rows=short-weights=none/normal/float64",
        f"{_LOSSES}._loss:make_weighting",
        _without_row_mask,
    ),
    _bug(
        "wrong label smoothing",
        "y (1 - s) + s, not s / classes",
        "loss/categorical_crossentropy-label_smoothing=0.1/kind=one_hot_loose-reduction=sum-weights=fractional/normal"
        "/float64",
        f"{_LOSSES}._crossentropy_rules:smooth",
        lambda old: lambda y_true, amount, num_classes: y_true * (1 - amount) + amount,
    ),
    _bug(
        "logits forgotten",
        "a cross-entropy takes the clipped probabilities",
        "loss/binary_crossentropy/kind=coin_logits-link=sigmoid-reduction=sum_over_batch_size/saturated/float64/eager",
        f"{_LOSSES}._loss:Loss._choose",
        lambda old: lambda self, y_pred, logits: (y_pred, dict(self.options)),
    ),
    _bug(
        "subgradient of the absolute value",
        "JAX's slope 1 at 0",
        "loss/mean_absolute_error/edge=15-reduction=none/edge/float64",
        f"{_LOSSES}._ties:absolute",
        lambda old: jnp.abs,
    ),
    _bug(
        "subgradient of a kink",
        "JAX's slope of leaky_relu at 0",
        "activation/leaky_relu/kinks/float64/eager",
        "jaxgd.activations.registry:_RULES",
        lambda old: {
            **old,
            "leaky_relu": old["leaky_relu"]._replace(
                function=lambda x, negative_slope=0.2: jax.nn.leaky_relu(x, negative_slope)
            ),
        },
    ),
    _bug(
        "L2 with a half",
        "l2 / 2 sum w**2",
        "penalty/L2/kind=regularizer/normal/float64/eager",
        "jaxgd.regularizers:L2.__call__",
        lambda old: lambda self, w: old(self, w) / 2,
    ),
    _bug(
        "constraint along the wrong axis",
        "norms of rows for norms of columns",
        "penalty/MaxNorm/kind=constraint/normal/float64/eager",
        "jaxgd.constraints:_norms",
        lambda old: lambda w, axis: old(w, 1),
    ),
    _bug(
        "fans exchanged",
        "glorot_uniform by the inputs only",
        "initializer/glorot_uniform/seed=1-shape=(5,10)/normal/float64",
        "jaxgd.initializers.scaled:GlorotUniform.law",
        lambda old: (old[0], "fan_in", old[2]),
    ),
    _bug(
        "transposed kernel",
        "a kernel is filled column by column",
        "gradient/tanh/loss=huber/normal/float64/eager",
        f"{_LAYERS}.dense:Dense.init",
        _transposed,
    ),
    _bug(
        "dropout without its scale",
        "what is kept is not enlarged",
        "gradient/dropout/loss=huber/normal/float64/eager",
        f"{_LAYERS}.dropout:Dropout._factor",
        _unscaled_dropout,
    ),
    _bug(
        "unbiased variance",
        "batch normalization divides by n - 1",
        "gradient/batch normalization/loss=huber/normal/float64/eager",
        f"{_LAYERS}.batch_normalization:_batch_moments",
        _unbiased,
    ),
)
