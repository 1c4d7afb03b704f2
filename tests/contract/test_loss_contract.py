"""One contract for every loss: type, jit, vmap, derivatives by hand, differences, padding, equality."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgd import losses

ROWS, CLASSES = 6, 4
LABEL_LOSSES = {"sparse_categorical_crossentropy", "categorical_generalized_cross_entropy"}
NAMES = sorted(set(losses.names().values()))
LOGIT_OPTIONS = [(name, {"from_logits": True}) for name in NAMES if "crossentropy" in name]
CASES = [(name, {}) for name in NAMES] + LOGIT_OPTIONS


def make_data(name, rows=ROWS, seed=0):
    rng = np.random.default_rng(seed)
    y_pred = 0.5 * rng.dirichlet(np.ones(CLASSES), rows) + 0.5 / CLASSES  # away from 0 and 1
    labels = rng.integers(0, CLASSES, rows)
    return (labels if name in LABEL_LOSSES else np.eye(CLASSES)[labels]), y_pred


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize(("name", "options"), CASES)
def test_gradients_by_hand_by_jax_and_by_differences(name, options, x64):
    y_true, y_pred = make_data(name)
    loss = losses.get(name, **options)
    weights = np.linspace(0.5, 2.0, ROWS)
    total = jax.jit(lambda p: loss(y_true, p, sample_weight=weights))
    by_hand = loss.gradient(y_true, jnp.asarray(y_pred), sample_weight=weights)
    assert loss.explicit
    assert by_hand.shape == y_pred.shape
    np.testing.assert_allclose(by_hand, jax.grad(total)(y_pred), rtol=1e-12, atol=1e-15)
    direction = np.random.default_rng(1).standard_normal(y_pred.shape)
    slope = float(jnp.sum(by_hand * direction))
    errors = []
    for step in (1e-4, 5e-5):
        difference = float(total(y_pred + step * direction) - total(y_pred - step * direction)) / (2 * step)
        errors.append(abs(difference - slope))
    scale = max(abs(slope), 1e-3)
    assert errors[0] <= 1e-4 * scale
    assert errors[1] <= 0.3 * errors[0] + 1e-9 * scale  # a central difference's error falls as the square


@pytest.mark.parametrize("name", NAMES)
def test_values_dtype_and_function(name):
    y_true, y_pred = make_data(name)
    loss, function = losses.get(name), getattr(losses, name)
    value = loss(y_true, y_pred)
    assert (value.shape, value.dtype) == ((), jnp.float32)
    np.testing.assert_array_equal(value, function(y_true, y_pred))
    values = loss.values(y_true, y_pred)
    np.testing.assert_array_equal(values, function(y_true, y_pred, reduction="none"))
    assert values.shape == (() if name in ("dice", "tversky") else (ROWS,))
    half = jnp.asarray(y_pred, jnp.bfloat16)
    assert loss(y_true, half).dtype == jnp.float32
    np.testing.assert_allclose(jax.jit(loss)(y_true, y_pred), value, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_padding_counts_nowhere(name, x64):
    y_true, y_pred = make_data(name)
    loss = losses.get(name)
    rows = np.array([True, True, False, True, False, True])
    bad_true, bad_pred = y_true.copy(), y_pred.copy()
    bad_true[~rows], bad_pred[~rows] = (-5 if y_true.dtype.kind == "i" else np.nan), [[np.nan], [np.inf]]
    expected, gradient = jax.value_and_grad(lambda p: loss(y_true[rows], p))(jnp.asarray(y_pred[rows]))
    value, whole = jax.value_and_grad(lambda p: loss(bad_true, p, row_mask=rows))(jnp.asarray(bad_pred))
    by_hand = loss.gradient(bad_true, bad_pred, row_mask=rows)
    np.testing.assert_allclose(value, expected, rtol=1e-13)
    for got in (whole, by_hand):
        np.testing.assert_allclose(got[rows], gradient, rtol=1e-12, atol=1e-15)
        np.testing.assert_array_equal(got[~rows], 0)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_but_padding_is_zero(name):
    y_true, y_pred = make_data(name)
    loss = losses.get(name)
    nothing = np.zeros(ROWS, bool)
    value, gradient = jax.value_and_grad(lambda p: loss(y_true, p, row_mask=nothing))(jnp.asarray(y_pred))
    assert value == (1.0 if name in ("dice", "tversky") else 0.0)  # the overlap of nothing is no overlap
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("name", NAMES)
def test_no_mask_leaves_no_trace(name):
    """Without a row mask the program holds no boolean of the batch's shape beyond the loss's own."""
    y_true, y_pred = make_data(name)
    loss = losses.get(name)
    plain = str(jax.make_jaxpr(lambda t, p: loss(t, p))(y_true, y_pred))
    masked = str(jax.make_jaxpr(lambda t, p, m: loss(t, p, row_mask=m))(y_true, y_pred, np.ones(ROWS, bool)))
    assert plain.count("\n") < masked.count("\n")


def test_the_hot_loop_is_short():
    """Mean squared error without weights and mask: subtract, square, two sums, two divisions."""
    jaxpr = jax.make_jaxpr(losses.get("mse"))(jnp.ones((8, 1)), jnp.ones((8, 1)))
    names = sorted(equation.primitive.name for equation in jaxpr.jaxpr.eqns)
    assert names == ["div", "div", "reduce_sum", "reduce_sum", "square", "sub"]


@pytest.mark.parametrize("name", NAMES)
def test_equal_descriptions_are_one_program(name):
    traces = []

    @functools.partial(jax.jit, static_argnums=0)
    def run(loss, y_true, y_pred):
        traces.append(loss)
        return loss(y_true, y_pred)

    function = getattr(losses, name)
    spellings = [name, losses.class_name(name), function, functools.partial(function), losses.get(name)]
    for spelling in spellings:
        run(losses.get(spelling), *make_data(name))
    assert len(traces) == 1
    assert len({losses.get(spelling) for spelling in spellings}) == 1


@pytest.mark.parametrize(
    ("name", "option", "grid"),
    [
        ("huber", "delta", [0.1, 0.5, 2.0]),
        ("binary_crossentropy", "label_smoothing", [0.0, 0.1, 0.3]),
        ("categorical_crossentropy", "label_smoothing", [0.0, 0.1, 0.3]),
        ("binary_focal_crossentropy", "gamma", [0.5, 2.0, 3.0]),
        ("categorical_focal_crossentropy", "alpha", [0.1, 0.25, 0.9]),
        ("categorical_generalized_cross_entropy", "q", [0.2, 0.5, 0.9]),
        ("tversky", "beta", [0.2, 0.5, 0.9]),
    ],
)
def test_options_may_be_traced(name, option, grid):
    y_true, y_pred = make_data(name)
    values = jax.vmap(lambda v: getattr(losses, name)(y_true, y_pred, **{option: v}))(jnp.array(grid))
    gradients = jax.vmap(lambda v: losses.get(name, **{option: v}).gradient(y_true, y_pred))(jnp.array(grid))
    for index, setting in enumerate(grid):
        loss = losses.get(name, **{option: setting})
        np.testing.assert_allclose(values[index], loss(y_true, y_pred), rtol=1e-6)
        np.testing.assert_allclose(gradients[index], loss.gradient(y_true, y_pred), rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize("name", [name for name in NAMES if losses.get(name).uses_logits])
def test_gradient_of_logits_by_hand(name, x64):
    link = jax.nn.sigmoid if name.startswith("binary") else jax.nn.softmax
    y_true, _ = make_data(name)
    logits = jnp.asarray(30 * np.random.default_rng(3).standard_normal((ROWS, CLASSES)))
    loss = losses.get(name)
    rows = np.arange(ROWS) != 2
    by_jax = jax.grad(lambda z: loss(y_true, link(z), logits=z, row_mask=rows))(logits)
    by_hand = loss.gradient_logits(y_true, logits, row_mask=rows)
    np.testing.assert_allclose(by_hand, by_jax, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_broadcast(name):
    y_true, y_pred = make_data(name)
    with pytest.raises(ValueError, match="y_true"):
        losses.get(name)(y_true[:1], y_pred)
