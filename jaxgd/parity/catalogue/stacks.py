"""The models of the catalogue: stacks of layers as data, their losses, and rows to train on."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxgd
from jaxgd.parity.case import Case

FEATURES, CLASSES = 4, 3
ROWS = 22
"""In batches of 8 the last one is short."""

HIDDEN = ("dense", {"units": 7, "activation": "tanh"})
PENALIZED = {
    "units": 7,
    "activation": "tanh",
    "kernel_regularizer": ("l2", {"l2": 0.02}),
    "bias_regularizer": ("l1", {"l1": 0.01}),
    "activity_regularizer": ("l2", {"l2": 0.03}),
}
CONSTRAINED = {
    "units": 7,
    "activation": "tanh",
    "kernel_constraint": ("max_norm", {"max_value": 0.7}),
    "bias_constraint": ("non_neg", {}),
}
STACKS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "tanh": [HIDDEN],
    "relu": [("dense", {"units": 9, "activation": "relu"})],
    "deep": [
        ("dense", {"units": 8, "activation": "gelu", "kernel_initializer": "he_normal"}),
        ("dense", {"units": 6, "activation": "selu", "kernel_initializer": "lecun_normal"}),
        ("dense", {"units": 5, "activation": "softplus"}),
    ],
    "no bias": [("dense", {"units": 6, "activation": "leaky_relu", "use_bias": False})],
    "penalized": [("dense", PENALIZED)],
    "constrained": [("dense", CONSTRAINED)],
    "batch normalization": [
        HIDDEN,
        ("batch_normalization", {"momentum": 0.9}),
        ("activation", {"activation": "relu"}),
    ],
    "layer normalization": [("layer_normalization", {}), HIDDEN],
    "dropout": [HIDDEN, ("dropout", {"rate": 0.3})],
    "noise": [("gaussian_noise", {"stddev": 0.1}), HIDDEN, ("dropout", {"rate": 0.5, "seed": 77})],
    "rescaling": [("rescaling", {"scale": 0.25, "offset": 0.1}), HIDDEN],
    "swish": [("dense", {"units": 7, "activation": "silu"}), ("activation", {"activation": "softsign"})],
}
OUTPUTS: dict[str, tuple[dict[str, Any], str]] = {
    "mean_squared_error": ({"units": CLASSES}, "real"),
    "huber": ({"units": CLASSES}, "real"),
    "log_cosh": ({"units": CLASSES}, "real"),
    "poisson": ({"units": CLASSES, "activation": "softplus"}, "counts"),
    "cosine_similarity": ({"units": CLASSES}, "real"),
    "hinge": ({"units": 1}, "signs"),
    "binary_crossentropy": ({"units": 1, "activation": "sigmoid"}, "coins"),
    "categorical_crossentropy": ({"units": CLASSES, "activation": "softmax"}, "one_hot"),
    "sparse_categorical_crossentropy": ({"units": CLASSES, "activation": "softmax"}, "labels"),
    "kl_divergence": ({"units": CLASSES, "activation": "softmax"}, "simplex"),
}
"""{loss: (its output layer, its kind of targets)}."""


def layers_of(stack: str, loss: str) -> list[tuple[str, dict[str, Any]]]:
    """The layers of a case, output included."""
    return [*STACKS[stack], ("dense", OUTPUTS[loss][0])]


def our_model(stack: str, loss: str, dtype: str) -> Any:
    """The model in jaxgd."""
    made = [getattr(jaxgd.layers, kind)(**_resolved(options)) for kind, options in layers_of(stack, loss)]
    return jaxgd.sequential(made, FEATURES, dtype=dtype)


def start(case: Case, stack: str, loss: str) -> dict[str, np.ndarray]:
    """Weights to start from, the same in both precisions, which an initializer's are not.

    Every second bias is 0, where penalties have kinks; with rows of zeros all are, where activations have
    theirs.
    """
    rng = case.rng("weights", stack, loss)
    made = {}
    for layer, leaves in jax.eval_shape(our_model(stack, loss, "float32").init).items():
        for leaf, like in leaves.items():
            normal = rng.standard_normal(like.shape)
            if leaf == "kernel":
                value = normal / np.sqrt(like.shape[0])
            elif leaf in ("gamma", "moving_variance"):
                value = 1.0 + 0.1 * np.abs(normal)
            else:
                value = 0.1 * normal
                value[:: 1 if case.regime == "zero rows" else 2] = 0.0
            made[f"{layer}/{leaf}"] = case.cast(value)
    return made


def nested(flat: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """{"layer/leaf": value} as {layer: {leaf: value}}."""
    tree: dict[str, dict[str, Any]] = {}
    for path, value in flat.items():
        layer, leaf = path.split("/")
        tree.setdefault(layer, {})[leaf] = jnp.asarray(value)
    return tree


def _resolved(options: dict[str, Any]) -> dict[str, Any]:
    """Options in which (name, arguments) has become a regularizer or constraint."""
    return {
        key: getattr(jaxgd, f"{key.split('_')[-1]}s").get(value[0], **value[1])
        if isinstance(value, tuple)
        else value
        for key, value in options.items()
    }


def data(case: Case, loss: str, rows: int = ROWS) -> dict[str, np.ndarray]:
    """Rows that the model can learn something from."""
    rng = case.rng(loss)
    x = rng.standard_normal((rows, FEATURES))
    if case.regime == "zero rows":
        x[::3] = 0.0
    score = x @ rng.standard_normal((FEATURES, CLASSES))
    labels = score.argmax(1)
    kinds = {
        "real": score + 0.1 * rng.standard_normal(score.shape),
        "counts": rng.poisson(np.exp(0.3 * score)).astype(float),
        "signs": np.sign(score[:, :1]),
        "coins": (score[:, :1] > 0).astype(float),
        "one_hot": np.eye(CLASSES)[labels],
        "labels": labels,
        "simplex": rng.dirichlet(np.ones(CLASSES), rows),
    }
    weights = np.where(rng.uniform(size=rows) < 0.25, 0.0, rng.uniform(0.1, 3.0, rows))
    y = kinds[OUTPUTS[loss][1]]
    return {"x": case.cast(x), "y": case.cast(y), "weights": case.cast(weights)}
