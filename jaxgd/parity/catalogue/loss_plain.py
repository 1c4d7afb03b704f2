"""The losses that optax or one line of jax.numpy would give: how far a plain port of Keras would be."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxgd.parity.case import Case

_PER_SAMPLE: dict[str, Callable[[Any, Any], Any]] = {
    "mean_squared_error": lambda y, p: jnp.mean(optax.squared_error(p, y), -1),
    "mean_absolute_error": lambda y, p: jnp.mean(jnp.abs(p - y), -1),
    "huber": lambda y, p: jnp.mean(optax.huber_loss(p, y), -1),
    "log_cosh": lambda y, p: jnp.mean(optax.log_cosh(p, y), -1),
    "cosine_similarity": lambda y, p: -optax.cosine_similarity(p, y),
    "hinge": lambda y, p: jnp.mean(optax.hinge_loss(p, y), -1),
    "kl_divergence": lambda y, p: optax.kl_divergence(jnp.log(p), y),
    "categorical_hinge": lambda y, p: optax.losses.multiclass_hinge_loss(p, jnp.argmax(y, -1)),
}
_FROM_LOGITS: dict[str, Callable[[Any, Any], Any]] = {
    "binary_crossentropy": lambda y, p: jnp.mean(optax.sigmoid_binary_cross_entropy(p, y), -1),
    "binary_focal_crossentropy": lambda y, p: jnp.mean(optax.sigmoid_focal_loss(p, y), -1),
    "categorical_crossentropy": lambda y, p: optax.softmax_cross_entropy(p, y),
    "sparse_categorical_crossentropy": optax.losses.softmax_cross_entropy_with_integer_labels,
}


def make(case: Case) -> Callable[[Any, Any], Any] | None:
    """(y_true, y_pred) -> one value a sample, None where the case has more than default arguments."""
    options = dict(case.options)
    if case.dtype != "float64" or case.get("link") or case.get("rows") or case.reference != "eager":
        return None
    if options == {"from_logits": True}:
        found = _FROM_LOGITS.get(case.subject)
        if found is not None and case.subject.startswith("sparse"):
            return lambda y, p: found(p, y.reshape(-1))
        return found
    return _PER_SAMPLE.get(case.subject) if not options else None


def value_and_gradient(function: Callable[[Any, Any], Any], y_true: Any, y_pred: Any, is_mean: bool) -> Any:
    """The values, averaged if wanted, and the gradient of their sum."""

    def value(prediction: Any) -> Any:
        values = function(y_true, prediction)
        return jnp.mean(values) if is_mean else values

    gradient = jax.grad(lambda prediction: jnp.sum(value(prediction)))(y_pred)
    return {"value": value(y_pred), "gradient": gradient}
