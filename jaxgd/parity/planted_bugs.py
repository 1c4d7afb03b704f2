"""The bugs that are planted: mistakes that reimplementations of Keras make, one replacement each."""

import jax
import jax.numpy as jnp

from jaxgd.parity import planted_formulas as wrong
from jaxgd.parity.planted import Bug, Change, Replace

_OPTIMIZERS = "jaxgd.optimizers"


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
        (f"{_ADAM}.leaf", wrong.leaf(wrong.epsilon_inside)),
    ),
    _optimizer(
        "epsilon on the corrected root",
        "as in the paper and in optax",
        "Adam/normal",
        (f"{_ADAM}.leaf", wrong.leaf(wrong.epsilon_corrected)),
    ),
    _optimizer(
        "bias correction off",
        "Adam's step is the rate",
        "Adam/normal",
        (f"{_ADAM}.leaf", wrong.leaf(wrong.no_correction)),
    ),
    _optimizer(
        "wrong epsilon", "1e-8 for 1e-7", "Adam/scale 1e-6", (f"{_ADAM}.derive", wrong.scaled(epsilon=0.1))
    ),
    _optimizer(
        "betas exchanged",
        "beta_1 for beta_2",
        "Adam/normal",
        (f"{_ADAM}.derive", wrong.swapped(("one_minus_beta_1", "one_minus_beta_2"), ("beta_1", "beta_2"))),
    ),
    _optimizer(
        "AMSGrad of the corrected v",
        "the maximum is taken after the correction",
        "Adam-amsgrad=True/normal",
        (f"{_ADAM}.leaf", wrong.corrected_amsgrad),
    ),
    _optimizer(
        "Nesterov without being asked",
        "momentum looks ahead",
        "SGD-momentum=0.9/normal",
        ("sgd:SGDRule.leaf", wrong.leaf(wrong.always_nesterov)),
    ),
    _optimizer(
        "Nesterov ignored",
        "nesterov=True is plain momentum",
        "SGD-momentum=0.9-nesterov=True/normal",
        ("sgd:SGDRule.leaf", wrong.leaf(wrong.never_nesterov)),
    ),
    _optimizer(
        "momentum without the rate",
        "the rate multiplies the velocity as a whole",
        "SGD-momentum=0.9/common=schedule/normal",
        ("sgd:SGDRule.leaf", wrong.rate_outside),
    ),
    _optimizer(
        "RMSprop's epsilon outside",
        "sqrt(v) + epsilon",
        "RMSprop/scale 1e-6",
        ("rmsprop:RMSpropRule.leaf", wrong.leaf(wrong.epsilon_outside)),
    ),
    _optimizer(
        "centering forgotten",
        "the mean is kept but not subtracted",
        "RMSprop-centered=True/normal",
        ("rmsprop:RMSpropRule.leaf", wrong.leaf(wrong.uncentered)),
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
        ("adamax:AdamaxRule.leaf", wrong.epsilon_in_norm),
    ),
    _optimizer(
        "Nadam without its schedule",
        "a constant momentum",
        "Nadam/normal",
        ("nadam:_warm_up", wrong.constant(1.0)),
    ),
    _optimizer(
        "Lion's betas exchanged",
        "the direction uses beta_2",
        "Lion/normal",
        (
            "lion:LionRule.derive",
            wrong.swapped(("beta_1", "beta_2"), ("one_minus_beta_1", "one_minus_beta_2")),
        ),
    ),
    _optimizer("no trust ratio", "Lamb is Adam", "Lamb/normal", ("lamb:_trust_ratio", wrong.constant(1.0))),
    _optimizer(
        "schedule one step late",
        "the rate of the step before",
        "SGD/common=schedule/normal",
        ("_rule:Rule.learning_rate", wrong.one_step_late),
    ),
    _optimizer(
        "decay coupled",
        "weight decay is added to the gradient",
        "AdamW/normal",
        ("adam:AdamRule.leaf", wrong.coupled),
        ("_rule:Rule._decayed", lambda old: lambda self, path, value, n: value),
    ),
    _optimizer(
        "decay without the rate",
        "w - w weight_decay",
        "SGD/common=decay/mixed",
        ("_rule:Rule._decayed", wrong.decay_without_rate),
    ),
    _optimizer(
        "exclusion ignored",
        "biases decay too",
        "SGD/common=decay,biasesexcluded/mixed",
        ("_rule:Rule.is_excluded", wrong.constant(False)),
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
        ("_rule:Rule._average", wrong.average_late),
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
    _bug("sum for mean", "losses are summed", _MSE, f"{_LOSSES}._reduction:Weighting.apply", wrong.summed),
    _bug(
        "divided by the weights",
        "the mean over weights, not over rows",
        f"{_MSE}-weights=fractional/normal/float64",
        f"{_LOSSES}._get:check_reduction",
        wrong.mean_of_weights,
    ),
    _bug(
        "mask ignored",
        "rows of padding count",
        f"{_MSE}-rows=short-weights=none/normal/float64",
        f"{_LOSSES}._loss:make_weighting",
        wrong.without_row_mask,
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
        wrong.transposed,
    ),
    _bug(
        "dropout without its scale",
        "what is kept is not enlarged",
        "gradient/dropout/loss=huber/normal/float64/eager",
        f"{_LAYERS}.dropout:Dropout._dropped",
        wrong.unscaled_dropout,
    ),
    _bug(
        "unbiased variance",
        "batch normalization divides by n - 1",
        "gradient/batch normalization/loss=huber/normal/float64/eager",
        f"{_LAYERS}.batch_normalization:_batch_moments",
        wrong.unbiased,
    ),
)
