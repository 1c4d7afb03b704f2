"""Every loss against the installed Keras: value, gradient by JAX, gradient by hand, edges, masks, logits."""

import functools
import hashlib

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import tensorflow as tf

from jaxgd import losses

BATCH, OUTPUTS = 16, 5
TOLERANCE = {"float64": 1e-12, "float32": 2e-6}


@pytest.fixture(params=["float64", "float32"])
def floatx(request):
    before = keras.config.floatx()
    keras.config.set_floatx(request.param)
    with jax.enable_x64(request.param == "float64"):
        yield request.param
    keras.config.set_floatx(before)


def generator(*name):
    return np.random.default_rng(int.from_bytes(hashlib.sha256(repr(name).encode()).digest()[:8], "little"))


def make_data(kind, rng):
    """Targets and predictions of a kind, as a loss wants them."""
    shape = (BATCH, OUTPUTS)
    labels = rng.integers(0, OUTPUTS, BATCH)
    one_hot, normal = np.eye(OUTPUTS)[labels], rng.standard_normal(shape)
    uniform, simplex = rng.uniform(0.02, 0.98, shape), rng.dirichlet(np.ones(OUTPUTS), BATCH)
    coins = rng.integers(0, 2, shape).astype(float)
    kinds = {
        "real": (rng.standard_normal(shape), 2 * normal),
        "aligned": (normal + rng.standard_normal(shape), normal),
        "positive": (np.abs(rng.standard_normal(shape)), np.abs(normal)),
        "signs": (2 * coins - 1, normal),
        "coins": (coins, uniform),
        "coin_logits": (coins, 8 * normal),
        "simplex": (rng.dirichlet(np.ones(OUTPUTS), BATCH), simplex),
        "one_hot": (one_hot, simplex),
        "one_hot_loose": (one_hot, uniform),
        "one_hot_logits": (one_hot, 8 * normal),
        "loose_logits": (rng.uniform(0, 2, shape), 3 * normal),
        "labels": (labels, simplex),
        "labels_loose": (labels, uniform),
        "label_logits": (labels, 8 * normal),
        "labels_ignored": (np.where(rng.uniform(size=BATCH) < 0.4, 2, labels), simplex),
    }
    return kinds[kind]


CASES = [
    ("mean_squared_error", "real", {}),
    ("mean_absolute_error", "real", {}),
    ("mean_absolute_percentage_error", "real", {}),
    ("mean_squared_logarithmic_error", "positive", {}),
    ("mean_squared_logarithmic_error", "real", {}),
    ("huber", "real", {}),
    ("huber", "real", {"delta": 0.3}),
    ("log_cosh", "real", {}),
    ("cosine_similarity", "aligned", {}),
    ("hinge", "signs", {}),
    ("hinge", "coins", {}),
    ("squared_hinge", "signs", {}),
    ("squared_hinge", "coins", {}),
    ("categorical_hinge", "one_hot_logits", {}),
    ("kl_divergence", "simplex", {}),
    ("kl_divergence", "one_hot", {}),
    ("poisson", "positive", {}),
    ("binary_crossentropy", "coins", {}),
    ("binary_crossentropy", "coins", {"label_smoothing": 0.1}),
    ("binary_crossentropy", "coin_logits", {"from_logits": True}),
    ("binary_focal_crossentropy", "coins", {}),
    ("binary_focal_crossentropy", "coins", {"apply_class_balancing": True, "gamma": 1.3, "alpha": 0.3}),
    ("binary_focal_crossentropy", "coins", {"label_smoothing": 0.2}),
    ("binary_focal_crossentropy", "coin_logits", {"from_logits": True}),
    ("categorical_crossentropy", "one_hot", {}),
    ("categorical_crossentropy", "one_hot_loose", {"label_smoothing": 0.1}),
    ("categorical_crossentropy", "one_hot_logits", {"from_logits": True}),
    ("categorical_crossentropy", "loose_logits", {"from_logits": True}),
    ("categorical_focal_crossentropy", "one_hot", {}),
    ("categorical_focal_crossentropy", "one_hot_logits", {"from_logits": True, "gamma": 1.7, "alpha": 0.3}),
    ("sparse_categorical_crossentropy", "labels", {}),
    ("sparse_categorical_crossentropy", "labels_loose", {}),
    ("sparse_categorical_crossentropy", "label_logits", {"from_logits": True}),
    ("sparse_categorical_crossentropy", "labels_ignored", {"ignore_class": 2}),
    ("sparse_categorical_crossentropy", "labels_ignored", {"ignore_class": 2, "from_logits": True}),
    ("categorical_generalized_cross_entropy", "labels", {}),
    ("categorical_generalized_cross_entropy", "labels", {"q": 0.7}),
    ("dice", "coins", {}),
    ("dice", "coins", {"axis": -1}),
    ("tversky", "coins", {"alpha": 0.3, "beta": 0.7}),
    ("tversky", "coins", {"alpha": 0.3, "beta": 0.7, "axis": 1}),
]
IDS = ["-".join([name, kind, *map(str, options.values())]) for name, kind, options in CASES]


def keras_loss(name, **options):
    return getattr(keras.losses, losses.class_name(name))(**options)


def keras_value_and_gradient(loss, y_true, y_pred, **weighting):
    variable = tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        value = loss(y_true, variable, **weighting)
        total = tf.reduce_sum(value)
    return value.numpy(), tape.gradient(total, variable).numpy()


@functools.partial(jax.jit, static_argnames="loss")
def value_and_both_gradients(loss, y_true, y_pred, weighting):
    """What jaxgd computes: the value, its gradient by JAX, its gradient by hand."""
    by_jax = jax.grad(lambda p: jnp.sum(loss(y_true, p, **weighting)))(y_pred)
    return loss(y_true, y_pred, **weighting), by_jax, loss.gradient(y_true, y_pred, **weighting)


def assert_near(got, expected, floatx):
    """Largest difference relative to the largest entry; NaN and infinity where the other has them."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    assert got.shape == expected.shape
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(expected))
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    finite = np.isfinite(expected)
    scale = max(np.abs(expected[finite]).max(initial=0), 1e-30)
    assert np.abs(got[finite] - expected[finite]).max(initial=0) <= TOLERANCE[floatx] * scale


def cast(y_true, y_pred, floatx):
    return (y_true if y_true.dtype.kind == "i" else y_true.astype(floatx)), y_pred.astype(floatx)


@pytest.mark.parametrize(("name", "kind", "options"), CASES, ids=IDS)
def test_value_and_gradients(name, kind, options, floatx):
    rng = generator(name, kind, options)
    y_true, y_pred = cast(*make_data(kind, rng), floatx)
    weights = rng.uniform(0.2, 2.0, BATCH).astype(floatx)
    weighting = {"sample_weight": weights}
    value, gradient = keras_value_and_gradient(keras_loss(name, **options), y_true, y_pred, **weighting)
    ours, by_jax, by_hand = value_and_both_gradients(losses.get(name, **options), y_true, y_pred, weighting)
    assert np.abs(gradient).max() > 0
    assert {ours.dtype.name, by_jax.dtype.name, by_hand.dtype.name} == {floatx}
    assert_near(ours, value, floatx)
    assert_near(by_jax, gradient, floatx)
    assert_near(by_hand, gradient, floatx)


IGNORING = ("sparse_categorical_crossentropy", "labels_ignored", {"ignore_class": 2})


@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none"]
)
@pytest.mark.parametrize(
    ("name", "kind", "options", "shape"),
    [
        *((*CASES[0], shape) for shape in [None, (), (1,), (BATCH,), (BATCH, 1)]),
        (*IGNORING, None),
        (*IGNORING, (BATCH,)),
        ("dice", "coins", {}, (BATCH,)),
    ],
)
def test_reductions_and_weight_shapes(name, kind, options, shape, reduction):
    rng = generator(name, reduction)
    y_true, y_pred = cast(*make_data(kind, rng), "float32")
    weights = None if shape is None else rng.uniform(0.2, 2.0, shape).astype("float32")
    expected, gradient = keras_value_and_gradient(
        keras_loss(name, reduction=reduction, **options), y_true, y_pred, sample_weight=weights
    )
    loss = losses.get(name, reduction=reduction, **options)
    ours, by_jax, by_hand = value_and_both_gradients(loss, y_true, y_pred, {"sample_weight": weights})
    if reduction == "none" and shape == (BATCH, 1):
        expected = expected.reshape(BATCH)  # Keras gives the values the weights' shape
    assert_near(ours, expected, "float32")
    assert_near(by_jax, gradient, "float32")
    assert_near(by_hand, gradient, "float32")


def test_all_zero_weights_give_zero():
    y_true, y_pred = cast(*make_data("real", generator("zero")), "float32")
    for reduction in ("sum_over_batch_size", "mean_with_sample_weight"):
        loss = keras.losses.MeanSquaredError(reduction=reduction)
        expected = loss(y_true, y_pred, sample_weight=np.zeros(BATCH, "float32")).numpy()
        ours = losses.mean_squared_error(y_true, y_pred, sample_weight=np.zeros(BATCH), reduction=reduction)
        assert expected == float(ours) == 0


NAN, INF = float("nan"), float("inf")
SURE = 1 - 1e-7
EDGES = [
    ("binary_crossentropy", {}, [[1.0], [0.0], [1.0], [0.0]], [[0.0], [1.0], [1e-7], [SURE]]),
    ("binary_crossentropy", {}, [[1.0], [0.0]], [[NAN], [0.3]]),
    ("binary_crossentropy", {"from_logits": True}, [[0.0], [1.0], [1.0]], [[1e4], [-1e4], [0.0]]),
    ("binary_crossentropy", {"from_logits": True}, [[0.0], [1.0]], [[INF], [-INF]]),
    ("binary_crossentropy", {"from_logits": True}, [[1.0], [0.0]], [[INF], [-INF]]),
    ("categorical_crossentropy", {}, [[0.0, 0.0, 1.0]], [[0.5, 0.5, 0.0]]),
    ("categorical_crossentropy", {}, [[1.0, 0.0, 0.0]], [[0.5, 0.5, 0.0]]),
    ("categorical_crossentropy", {}, [[1.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]]),
    ("categorical_crossentropy", {}, [[1.0, 0.0, 0.0]], [[1.0, 0.0, 0.0]]),
    ("categorical_crossentropy", {"from_logits": True}, [[1.0, 0.0, 0.0]], [[1.0, 0.5, -INF]]),
    ("sparse_categorical_crossentropy", {}, [2], [[0.5, 0.5, 0.0]]),
    ("sparse_categorical_crossentropy", {}, [0], [[0.5, 0.5, 0.0]]),
    ("sparse_categorical_crossentropy", {}, [0], [[0.0, 0.0, 0.0]]),
    ("sparse_categorical_crossentropy", {"from_logits": True}, [0], [[1.0, 0.5, -INF]]),
    ("sparse_categorical_crossentropy", {"from_logits": True}, [[1], [0]], [[900.0, -900.0], [0.0, 0.0]]),
    ("mean_absolute_error", {}, [[0.0, 1.0]], [[0.0, 3.0]]),
    ("mean_absolute_percentage_error", {}, [[0.0, 1.0, 1e-9]], [[0.0, 3.0, 1.0]]),
    ("mean_squared_logarithmic_error", {}, [[0.5, 1.0, 1.0]], [[1e-7, 0.0, -1.0]]),
    ("huber", {}, [[0.0, 0.0, 0.0]], [[1.0, -1.0, 0.0]]),
    ("hinge", {}, [[1.0, -1.0, 1.0]], [[1.0, -1.0, 2.0]]),
    ("hinge", {}, [[1.0, 0.0, 1.0]], [[1.0, -1.0, 2.0]]),
    ("hinge", {}, [[1.0, 0.0, -1.0]], [[1.0, -1.0, 2.0]]),
    ("categorical_hinge", {}, [[0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]]),
    ("categorical_hinge", {}, [[0.0, 1.0, 0.0]], [[0.5, 0.1, 0.5]]),
    ("categorical_hinge", {}, [[0.0, 1.0, 0.0]], [[-3.0, -0.1, -4.0]]),
    ("kl_divergence", {}, [[0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]]),
    ("cosine_similarity", {}, [[1.0, 2.0], [1.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [1e-9, 1e-9], [1.0, 1.0]]),
    ("poisson", {}, [[1.0, 1.0, 0.0]], [[-1.0, 0.0, 0.0]]),
    ("log_cosh", {}, [[0.0, 0.0, 0.0]], [[0.0, 50.0, -200.0]]),
    ("binary_focal_crossentropy", {"gamma": 0.5}, [[1.0], [0.0]], [[1.0], [0.3]]),
    ("binary_focal_crossentropy", {"gamma": 0.0}, [[1.0], [0.0]], [[1.0], [0.3]]),
    ("binary_focal_crossentropy", {"from_logits": True}, [[1.0], [0.0]], [[60.0], [60.0]]),
    ("categorical_focal_crossentropy", {}, [[1.0, 0.0]], [[1.0, 0.0]]),
    ("dice", {}, [[0.0, 0.0]], [[0.0, 0.0]]),
    ("tversky", {}, [[0.0, 0.0]], [[0.0, 0.0]]),
]


@pytest.mark.parametrize(("name", "options", "y_true", "y_pred"), EDGES)
def test_edges(name, options, y_true, y_pred, floatx):
    """Values and TensorFlow's gradients where branches meet, clipping starts, or nothing is finite."""
    is_label = name.startswith("sparse")
    y_true, y_pred = np.asarray(y_true, "int32" if is_label else floatx), np.asarray(y_pred, floatx)
    value, gradient = keras_value_and_gradient(keras_loss(name, reduction="none", **options), y_true, y_pred)
    loss = losses.get(name, reduction="none", **options)
    ours, by_jax, by_hand = value_and_both_gradients(loss, y_true, y_pred, {})
    assert_near(ours, value, floatx)
    assert_near(by_jax, gradient, floatx)
    assert_near(by_hand, gradient, floatx)


@pytest.mark.parametrize(
    ("name", "kind", "options", "is_weighted"),
    [(*case, True) for case in CASES] + [(*CASES[index], False) for index in (0, 8, 17, 30, 33, 37)],
)
def test_row_mask_is_keras_on_the_rows_that_exist(name, kind, options, is_weighted):
    """Rows of NaN, infinities and impossible labels change nothing, and get a gradient of exactly 0."""
    rng = generator(name, kind, options)
    y_true, y_pred = cast(*make_data(kind, rng), "float32")
    weights = rng.uniform(0.2, 2.0, BATCH).astype("float32") if is_weighted else None
    reduction = "mean_with_sample_weight" if is_weighted else "sum_over_batch_size"
    rows = np.arange(BATCH) < 11
    value, gradient = keras_value_and_gradient(
        keras_loss(name, reduction=reduction, **options),
        y_true[rows],
        y_pred[rows],
        sample_weight=weights[rows] if is_weighted else None,
    )
    y_true[~rows] = 99 if y_true.dtype.kind == "i" else NAN
    y_pred[~rows] = np.array([NAN, INF, -INF, 0.0, 1e38])[:, None]
    if is_weighted:
        weights[~rows] = NAN
    loss = losses.get(name, reduction=reduction, **options)
    ours, by_jax, by_hand = value_and_both_gradients(
        loss, y_true, y_pred, {"sample_weight": weights, "row_mask": rows}
    )
    assert_near(ours, value, "float32")
    for whole in (by_jax, by_hand):
        assert_near(whole[rows], gradient, "float32")
        np.testing.assert_array_equal(whole[~rows], 0)


@pytest.mark.parametrize("name", ["mean_squared_error", "binary_crossentropy", "huber"])
def test_row_mask_with_every_reduction(name):
    rng = generator(name)
    y_true, y_pred = cast(*make_data("coins", rng), "float32")
    rows = rng.uniform(size=BATCH) < 0.6
    weights = rng.uniform(0.2, 2.0, BATCH).astype("float32")
    for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight", "none"):
        expected = keras_loss(name, reduction=reduction)(
            y_true[rows], y_pred[rows], sample_weight=weights[rows]
        )
        ours = losses.get(name, reduction)(y_true, y_pred, sample_weight=weights, row_mask=rows)
        if reduction == "none":
            np.testing.assert_array_equal(ours[~rows], 0)
            ours = ours[rows]
        assert_near(ours, expected.numpy(), "float32")


LINKS = {
    "binary_crossentropy": (keras.ops.sigmoid, jax.nn.sigmoid, "coin_logits"),
    "binary_focal_crossentropy": (keras.ops.sigmoid, jax.nn.sigmoid, "coin_logits"),
    "categorical_crossentropy": (keras.ops.softmax, jax.nn.softmax, "one_hot_logits"),
    "sparse_categorical_crossentropy": (keras.ops.softmax, jax.nn.softmax, "label_logits"),
    "categorical_focal_crossentropy": (keras.ops.softmax, jax.nn.softmax, "one_hot_logits"),
    "mean_squared_error": (keras.ops.sigmoid, jax.nn.sigmoid, "coin_logits"),
}


@pytest.mark.parametrize("name", LINKS)
def test_logits_are_used_where_keras_uses_them(name, floatx):
    keras_link, link, kind = LINKS[name]
    y_true, logits = cast(*make_data(kind, generator("link", name)), floatx)
    logits = 5 * logits  # saturated: clipping would show
    variable = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        value = keras_loss(name)(y_true, keras_link(variable))
    loss = losses.get(name)
    ours, by_jax = jax.value_and_grad(lambda z: loss(y_true, link(z), logits=z))(jnp.asarray(logits))
    gradient = tape.gradient(value, variable).numpy()
    assert_near(ours, value.numpy(), floatx)
    assert_near(by_jax, gradient, floatx)
    if loss.uses_logits:
        assert_near(loss.gradient_logits(y_true, jnp.asarray(logits)), gradient, floatx)


def test_ignored_classes_turn_the_logits_off():
    y_true, logits = cast(*make_data("labels_ignored", generator("ignored")), "float32")
    logits = 60 * (logits - 0.5)
    expected = keras.losses.SparseCategoricalCrossentropy(ignore_class=2)(
        y_true, keras.ops.softmax(tf.constant(logits))
    )
    loss = losses.get("sparse_categorical_crossentropy", ignore_class=2)
    assert not loss.uses_logits
    assert_near(loss(y_true, jax.nn.softmax(logits), logits=logits), expected.numpy(), "float32")


@pytest.mark.parametrize(
    ("true_shape", "pred_shape"), [((6,), (6, 1)), ((6, 1), (6,)), ((6, 1), (6, 1)), ((6,), (6,))]
)
@pytest.mark.parametrize("name", ["mean_squared_error", "binary_crossentropy", "hinge", "poisson"])
def test_ranks_that_differ_by_one(name, true_shape, pred_shape):
    rng = generator(name, true_shape)
    y_true, y_pred = (
        rng.integers(0, 2, true_shape).astype("f4"),
        rng.uniform(0.1, 0.9, pred_shape).astype("f4"),
    )
    expected = keras_loss(name)(y_true, y_pred).numpy()
    assert_near(getattr(losses, name)(y_true, y_pred), expected, "float32")


def test_mask_of_keras():
    y_true, y_pred = cast(*make_data("real", generator("mask")), "float32")
    keep = np.arange(BATCH) % 3 > 0
    weights = np.linspace(0.5, 2, BATCH).astype("float32")
    for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight"):
        tensor = tf.constant(y_pred)
        keras.src.backend.set_keras_mask(tensor, tf.constant(keep))
        expected = keras.losses.MeanSquaredError(reduction=reduction)(y_true, tensor, sample_weight=weights)
        ours = losses.get("mse", reduction)(y_true, y_pred, sample_weight=weights, mask=keep)
        assert_near(ours, expected.numpy(), "float32")


def test_every_name_that_keras_knows():
    not_built = {"circle", "Circle", "ctc", "CTC", "Loss", "LossFunctionWrapper"}
    known = set(keras.src.losses.ALL_OBJECTS_DICT) - not_built
    for name in known:
        expected = keras.losses.get(name)
        function = getattr(expected, "fn", expected)
        assert losses.get(name).name == function.__name__
    assert {f for f in losses.names() if f.islower() and "_" in f} <= set(dir(keras.losses))


def test_default_options_are_those_of_keras():
    for name in {case[0] for case in CASES}:
        theirs = keras_loss(name)._fn_kwargs
        ours = losses._loss.defaults_of(getattr(losses, name))
        assert ours == {option: theirs[option] for option in ours}


def test_crossentropy_is_chosen_from_shapes():
    from keras.src.trainers.compile_utils import get_loss

    for true_shape, pred_shape in [
        ((4,), (4, 1)),
        ((4, 1), (4, 1)),
        ((4,), (4, 3)),
        ((4, 1), (4, 3)),
        ((4, 3), (4, 3)),
    ]:
        expected = get_loss("crossentropy", np.zeros(true_shape), np.zeros(pred_shape)).fn.__name__
        assert losses.resolve("crossentropy", true_shape, pred_shape).name == expected
