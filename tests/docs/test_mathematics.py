"""Every formula of docs/mathematics, computed by NumPy in float64, is what jaxgd computes."""

import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from formulas import NAMES, PAGES, expression, names_in, rows_of, value_of

import jaxgd
from jaxgd import (
    activations,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    regularizers,
    schedules,
)
from jaxgd.layers import Context

RNG = np.random.default_rng(7)
Z = RNG.normal(size=(6, 8)) * 2
Y, P = RNG.uniform(0.1, 0.9, (6, 4)), RNG.uniform(0.1, 0.9, (6, 4))
K = RNG.integers(0, 4, 6)
W, U = RNG.normal(size=(5, 3)), RNG.normal(size=(6, 8))
CLOSE = {"rtol": 3e-7, "atol": 1e-9}  # constants rounded to float32 are in some of them
THRESHOLD = {"threshold": 1.0, "default_value": -1.0}


def defaults(function):
    """A function's settings, by name."""
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not each.empty}


def ids(row):
    return row[0].strip("`")


@pytest.mark.parametrize("row", rows_of("activations", "Entry by entry"), ids=ids)
def test_activation_and_its_slope(row, x64):
    for name in names_in(row[0]):
        function = getattr(activations, name)
        settings = THRESHOLD if name == "threshold" else {}
        known = {"z": Z, **defaults(function), **settings}
        np.testing.assert_allclose(function(Z, **settings), value_of(expression(row[1]), **known), **CLOSE)
        slope = jax.grad(lambda z, f=function, s=settings: jnp.sum(f(z, **s)))(jnp.asarray(Z))
        np.testing.assert_allclose(slope, value_of(expression(row[2]), **known), **CLOSE)


@pytest.mark.parametrize("row", rows_of("activations", "Over a row"), ids=ids)
def test_activation_of_a_row_and_what_flows_back(row, x64):
    function = getattr(activations, ids(row))
    a, back = jax.vjp(function, jnp.asarray(Z))
    np.testing.assert_allclose(a, value_of(expression(row[1]), z=Z), **CLOSE)
    upstream = U[:, : a.shape[1]]
    known = {"z": Z, "a": np.asarray(a), "u": upstream}
    np.testing.assert_allclose(back(jnp.asarray(upstream))[0], value_of(expression(row[2]), **known), **CLOSE)


def test_every_activation_has_its_row():
    rows = rows_of("activations", "Entry by entry") + rows_of("activations", "Over a row")
    assert {name for row in rows for name in names_in(row[0])} == {
        *activations.names(),
        "swish",
        "hard_swish",
    }


def loss_names(function):
    """Targets of every kind, and what else a loss's formula speaks of."""
    one_hot, binary = np.eye(4)[K], (Y > 0.5).astype(float)
    return {"b": binary, "h": one_hot, "s": 2 * binary - 1, "hit": binary * P + (1 - binary) * (1 - P)} | {
        **defaults(function),
        "y": Y,
        "p": P,
        "e": P - Y,
        "n": 4,
        "z": P,
        "batch_rows": 6,
    }


def target_for(formula, name, known):
    """The targets that the formula is written for."""
    if name.startswith(("sparse", "categorical_generalized")):
        return K
    written = set(re.findall(r"\b(h|s|b|hit)\b", formula))
    for letter, words in {"h": {"h"}, "s": {"s"}, "b": {"b", "hit"}}.items():
        if written & words:
            return known[letter]
    return known["y"]


LOSSES = [
    *(row for row in rows_of("losses") if hasattr(losses, ids(row)) and "total" not in row[1]),
]
FROM_LOGITS = rows_of("losses", "From logits")


@pytest.mark.parametrize("row", [row for row in LOSSES if row not in FROM_LOGITS], ids=ids)
def test_loss_of_a_row_and_its_slope(row, x64):
    check_loss(row)


@pytest.mark.parametrize("row", FROM_LOGITS[:3], ids=ids)
def test_loss_from_logits_and_its_slope(row, x64):
    check_loss(row, from_logits=True)


def check_loss(row, **settings):
    function, formula = getattr(losses, ids(row)), expression(row[1])
    known = loss_names(function)
    target = target_for(formula, ids(row), known)
    values = function(target, P, reduction="none", **settings)
    np.testing.assert_allclose(values, np.ravel(value_of(formula, **known)), **CLOSE)
    slope = jax.grad(lambda p: function(target, p, reduction="sum", **settings))(jnp.asarray(P))
    if expression(row[2]):
        expected = np.broadcast_to(value_of(expression(row[2]), **known), P.shape)
        np.testing.assert_allclose(slope, expected, **CLOSE)


@pytest.mark.parametrize("row", rows_of("losses", "Over a batch"), ids=ids)
def test_loss_of_a_batch(row, x64):
    function = getattr(losses, ids(row))
    known = loss_names(function)
    np.testing.assert_allclose(function(known["b"], P), value_of(expression(row[1]), **known), **CLOSE)


@pytest.mark.parametrize("row", rows_of("losses", "Rows, weights, reductions"), ids=ids)
def test_reduction(row, x64):
    weights = RNG.uniform(size=6)
    got = losses.mean_squared_error(Y, P, sample_weight=weights, reduction=ids(row))
    known = {"c": weights, "v": np.mean((P - Y) ** 2, axis=-1), "rows": 6}
    np.testing.assert_allclose(got, value_of(expression(row[1]), **known), **CLOSE)


def test_every_loss_has_its_row():
    assert {ids(row) for row in rows_of("losses")} >= set(losses.names().values())


BLOCK = re.compile(r"^### ([^\n]*)\n\n```python\n(.*?)```", re.MULTILINE | re.DOTALL)
OPTIMIZERS = BLOCK.findall((PAGES / "optimizers.md").read_text())
LETTERS = {"η": "learning_rate", "μ": "momentum", "ρ": "rho", "β1": "beta_1", "β2": "beta_2", "ε": "epsilon"}


class Slots(dict):
    """Names of a rule, of which those that are not set yet are 0."""

    def __missing__(self, name):
        if name in ("m", "s", "v", "a", "u", "x", "z", "r", "c", "largest", "d"):
            return 0.0
        raise KeyError(name)


def orthogonal(settings):
    """Newton and Schulz's iteration with these settings."""

    def iterate(matrix):
        x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
        x = x / (np.sqrt(np.sum(x**2)) + 1e-7)
        for _ in range(settings["ns_steps"]):
            a = x @ x.T
            x = settings["muon_a"] * x + (settings["muon_b"] * a + settings["muon_c"] * a @ a) @ x
        return x.T if matrix.shape[0] > matrix.shape[1] else x

    return iterate


@pytest.mark.parametrize(("call", "rule"), OPTIMIZERS, ids=[call for call, _ in OPTIMIZERS])
def test_three_updates(call, rule, x64):
    exact = call.replace("(", '(constants="exact", ')
    optimizer = eval(f"optimizers.{exact}", {"optimizers": optimizers})
    settings = dict(optimizer.settings)
    letters = {letter: settings[name] for letter, name in LETTERS.items() if name in settings}
    known = Slots({**settings, **letters, "w": W.copy(), "fan_in": 5, "fan_out": 3})
    known["orthogonal"] = orthogonal(settings) if "muon" in call else None
    params = {"dense": {"kernel": jnp.asarray(W)}}
    state = optimizer.init(params)
    first = re.search(r"# at first: (.*)", rule)
    exec(first[1] if first else "", dict(NAMES), known)
    for t in (1, 2, 3):
        known["t"], known["g"] = t, np.cos(t * W)
        exec(rule, dict(NAMES), known)
        params, state = optimizer.rule.apply({"dense": {"kernel": jnp.asarray(known["g"])}}, state, params)
        np.testing.assert_allclose(params["dense"]["kernel"], known["w"], rtol=1e-12)


def test_every_optimizer_has_its_rule():
    written = {call.split("(")[0] for call, _ in OPTIMIZERS} | {"loss_scale", "multi"}
    classes = {optimizers.factory(name).__name__ for name in optimizers.class_names()}
    assert written >= classes


@pytest.mark.parametrize("row", rows_of("schedules"), ids=ids)
def test_schedule(row):
    call = expression(row[0])
    schedule = eval(f"schedules.{call}", {"schedules": schedules})
    bound = eval(
        f"signature(schedules.{call.split('(')[0]}).bind({call.split('(', 1)[1]}",
        {"signature": inspect.signature, "schedules": schedules},
    )
    bound.apply_defaults()
    for step in range(25):
        expected = value_of(expression(row[1]), step=step, **bound.arguments)
        np.testing.assert_allclose(float(schedule(step)), expected, rtol=1e-5, atol=1e-7)


def test_every_schedule_has_its_row():
    written = {expression(row[0]).split("(")[0] for row in rows_of("schedules")}
    assert written == {name for name in dir(schedules) if name.endswith(("_decay", "_restarts"))}


@pytest.mark.parametrize("row", [row for row in rows_of("initializers") if len(row) == 3], ids=ids)
def test_initializer_has_its_law(row):
    shape = (300, 200)
    drawn = np.asarray(initializers.get(ids(row))(jax.random.key(0), shape), dtype=float)
    number = value_of(expression(row[2]), fan_in=shape[0], fan_out=shape[1])
    deviation = number / np.sqrt(3) if row[1] == "uniform" else number
    largest = {"uniform": number, "cut normal": 2 * number / 0.8796256610342398, "normal": 6 * number}[row[1]]
    assert abs(drawn).max() <= largest * (1 + 1e-6)
    np.testing.assert_allclose(drawn.std(), deviation, rtol=0.02)
    assert abs(drawn.mean()) < 4 * deviation / np.sqrt(drawn.size)


def test_every_initializer_has_its_row():
    assert {ids(row) for row in rows_of("initializers")} == set(initializers.names())


def described(module, call):
    """The description that a call makes, and its settings."""
    made = eval(f"module.{call}", {"module": module})
    return made, {name: value for name, value in vars(made).items() if not name.startswith("_")}


@pytest.mark.parametrize("row", rows_of("regularizers", "Regularizers"), ids=ids)
def test_regularizer_and_its_slope(row, x64):
    penalty, settings = described(regularizers, expression(row[0]))
    known = {"w": W, "rows": 5, "identity": np.eye(5), **settings}
    np.testing.assert_allclose(penalty(jnp.asarray(W)), value_of(expression(row[1]), **known), **CLOSE)
    if expression(row[2]):
        np.testing.assert_allclose(
            jax.grad(penalty)(jnp.asarray(W)), value_of(expression(row[2]), **known), **CLOSE
        )


@pytest.mark.parametrize("row", rows_of("regularizers", "Constraints"), ids=ids)
def test_constraint(row, x64):
    constraint, settings = described(constraints, expression(row[0]))
    known = {"w": W, "length": np.sqrt(np.sum(W**2, axis=0)), **settings}
    np.testing.assert_allclose(constraint(jnp.asarray(W)), value_of(expression(row[1]), **known), **CLOSE)


def test_every_regularizer_and_constraint_has_its_row():
    written = {expression(row[0]).split("(")[0] for row in rows_of("regularizers")}
    assert written == {*regularizers.names(), *constraints.names()}


@pytest.mark.parametrize("row", rows_of("layers", "One input"), ids=ids)
def test_layer_and_what_flows_back(row, x64):
    layer = eval(f"layers.{expression(row[0])}", {"layers": layers})
    model = jaxgd.sequential([layer], input_size=4, dtype="float64")
    params = {
        name: {
            leaf: RNG.uniform(0.5, 1.5, value.shape) if value.ndim else value
            for leaf, value in leaves.items()
        }
        for name, leaves in model.init(0).items()
    }
    if "normalization(mean" in row[0]:
        params = model.init(0)
    objective = jaxgd.make_objective(model, lambda y_true, y_pred: jnp.sum(y_pred * y_true, axis=-1))
    x = jnp.asarray(Z[:, :4])
    value = model.forward(params, x, training=True)[0]
    upstream = U[:, : value.shape[1]]
    batch = {"x": x, "y": jnp.asarray(upstream)}
    slope = jax.grad(lambda x: 6 * objective(params, {**batch, "x": x})[0])(x)
    known = layer_names(layer, next(iter(params.values()), {}), Z[:, :4], upstream)
    np.testing.assert_allclose(value, value_of(expression(row[1]), **known), **CLOSE)
    np.testing.assert_allclose(slope, value_of(expression(row[2]), **known), **CLOSE)


def layer_names(layer, leaves, x, upstream):
    """What a layer's formula speaks of."""
    settings = {name: value for name, value in vars(layer).items() if value is not None}
    settings |= {leaf: np.asarray(value) for leaf, value in leaves.items()}
    epsilon = settings.get("epsilon", 0.0)
    return settings | {
        "x": x,
        "u": upstream,
        "v": settings.get("gamma", 1.0) * upstream if not callable(settings.get("gamma")) else upstream,
        "batch": 1,
        "mean_given": np.array([1.0, 2.0, 3.0, 4.0]),
        "variance_given": np.array([1.0, 4.0, 9.0, 2.0]),
        "hat": lambda x: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon),
        "row_hat": lambda x: (x - x.mean(0)) / np.sqrt(x.var(0) + epsilon),
        "mean": NAMES["mean"],
    }


@pytest.mark.parametrize("row", rows_of("layers", "Several inputs"), ids=ids)
def test_merge(row, x64):
    layer = layers.dot(axes=-1) if ids(row) == "dot" else getattr(layers, ids(row))()
    got = layer.forward({}, (jnp.asarray(Y), jnp.asarray(P)), Context()).y
    np.testing.assert_allclose(got, value_of(expression(row[1]), a=Y, b=P), **CLOSE)


def test_every_layer_has_its_row():
    text = (PAGES / "layers.md").read_text()
    factories = {name for name in layers.__all__ if name.islower()}
    assert {name for name in factories if f"`{name}" not in text} == set()


COUNTED = rows_of("metrics", "Of the confusion matrix")
MEASURED = [
    *rows_of("metrics", "Right or wrong"),
    *(
        row
        for row in COUNTED
        if ids(row) in ("Precision", "Recall", "BinaryIoU", "AUC") or "Positives" in row[0]
    ),
    *(row for row in COUNTED if "Negatives" in row[0]),
    *rows_of("metrics", "Of residuals"),
]


def at_thresholds(target, scores):
    """Recall and the rate of false positives at 200 thresholds."""
    edges = np.concatenate([[-1e-7], np.arange(1, 199) / 199, [1 + 1e-7]])
    marked = scores.ravel() > edges[:, None]
    hits, misses = marked[:, target.ravel() == 1], marked[:, target.ravel() == 0]
    return {"recall": hits.mean(axis=1), "false_rate": misses.mean(axis=1)}


@pytest.mark.parametrize("row", MEASURED, ids=ids)
def test_metric(row, x64):
    name, formula = ids(row), expression(row[1])
    binary, one_hot = (Y > 0.5).astype(float), np.eye(4)[K]
    marked = P > 0.5
    counts = {
        "tp": (marked & (binary == 1)).sum(),
        "fp": (marked & (binary == 0)).sum(),
        "tn": (~marked & (binary == 0)).sum(),
        "fn": (~marked & (binary == 1)).sum(),
    }
    known = {"y": Y, "p": P, "e": P - Y, "b": binary, "h": one_hot, "k": K, **counts}
    known |= at_thresholds(binary, P)
    metric = metrics.get(name, **({"k": 2} if "TopK" in name else {}))
    target = Y
    if "Sparse" in name:
        target = K
    elif name.startswith(("Categorical", "TopK")):
        target = one_hot
    elif row in COUNTED or name == "BinaryAccuracy":
        target = binary
    if name == "Accuracy":
        known["y"] = target = binary
        np.testing.assert_allclose(metric(binary, np.round(P)), value_of(formula, **known), **CLOSE)
    else:
        np.testing.assert_allclose(metric(target, P), value_of(formula, **known), **CLOSE)


def test_every_metric_is_on_the_page():
    written = {name for row in rows_of("metrics") for name in names_in(row[0])}
    assert written >= set(metrics.class_names())


@pytest.mark.parametrize("name", ["F1Score", "FBetaScore"])
def test_f_score(name, x64):
    row = next(row for row in COUNTED if ids(row) == name)
    one_hot, marked = np.eye(4)[K], np.eye(4)[P.argmax(axis=1)]
    hits = (one_hot * marked).sum(axis=0)
    precision, recall = hits / np.maximum(marked.sum(axis=0), 1), hits / np.maximum(one_hot.sum(axis=0), 1)
    settings = {} if name == "F1Score" else {"beta": 2.0}
    expected = value_of(
        expression(row[1]).replace("/ (", "/ (1e-7 + "), precision=precision, recall=recall, **settings
    )
    np.testing.assert_allclose(metrics.get(name, **settings)(one_hot, P), expected, rtol=1e-5, atol=1e-6)
