"""Losses by hand-worked numbers, and the errors of their descriptions."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgd import losses


def near(got, expected):
    np.testing.assert_allclose(got, expected, rtol=2e-6, atol=1e-7)


WORKED = [
    ("mean_squared_error", {}, [[1.0, 2.0]], [[2.0, 5.0]], 5.0, [[1.0, 3.0]]),
    ("mean_absolute_error", {}, [[1.0, 2.0]], [[2.0, 2.0]], 0.5, [[0.5, 0.0]]),
    ("mean_absolute_percentage_error", {}, [[2.0, 4.0]], [[1.0, 5.0]], 37.5, [[-25.0, 12.5]]),
    ("huber", {"delta": 2.0}, [[0.0, 0.0]], [[1.0, 3.0]], (0.5 + 4.0) / 2, [[0.5, 1.0]]),
    ("log_cosh", {}, [[0.0]], [[1.0]], math.log(math.cosh(1)), [[math.tanh(1)]]),
    ("cosine_similarity", {}, [[0.0, 1.0]], [[3.0, 4.0]], -0.8, [[0.096, -0.072]]),
    ("hinge", {}, [[1.0, -1.0]], [[0.25, -3.0]], 0.375, [[-0.5, 0.0]]),
    ("squared_hinge", {}, [[1.0, 0.0]], [[0.5, 0.5]], 1.25, [[-0.5, 1.5]]),
    ("categorical_hinge", {}, [[1.0, 0.0, 0.0]], [[0.2, 0.5, 0.1]], 1.3, [[-1.0, 1.0, 0.0]]),
    ("kl_divergence", {}, [[0.5, 0.5]], [[0.25, 0.75]], 0.5 * math.log(4 / 3), [[-2.0, -2 / 3]]),
    ("poisson", {}, [[2.0]], [[4.0]], 4 - 2 * math.log(4), [[0.5]]),
    ("binary_crossentropy", {}, [[1.0, 0.0]], [[0.5, 0.25]], -math.log(0.375) / 2, [[-1.0, 2 / 3]]),
    ("binary_crossentropy", {"from_logits": True}, [[1.0]], [[0.0]], math.log(2), [[-0.5]]),
    ("categorical_crossentropy", {}, [[0.0, 1.0]], [[0.75, 0.25]], math.log(4), [[1.0, -3.0]]),
    (
        "categorical_crossentropy",
        {"from_logits": True},
        [[0.0, 1.0]],
        [[0.0, 0.0]],
        math.log(2),
        [[0.5, -0.5]],
    ),
    ("sparse_categorical_crossentropy", {}, [1], [[0.75, 0.25]], math.log(4), [[1.0, -3.0]]),
    ("sparse_categorical_crossentropy", {"from_logits": True}, [1], [[0.0, 0.0]], math.log(2), [[0.5, -0.5]]),
    ("binary_focal_crossentropy", {}, [[1.0]], [[0.5]], math.log(2) / 4, [[-math.log(2) - 0.5]]),
    ("categorical_generalized_cross_entropy", {}, [0], [[0.25, 0.75]], 1.0, [[-2.0, 0.0]]),
    ("dice", {}, [[1.0, 0.0]], [[0.5, 0.5]], 0.5, [[-0.75, 0.25]]),
    ("tversky", {"alpha": 0.0, "beta": 1.0}, [[1.0, 0.0]], [[0.5, 0.5]], 0.5, [[-0.5, 0.5]]),
]


@pytest.mark.parametrize(("name", "options", "y_true", "y_pred", "value", "gradient"), WORKED)
def test_worked_by_hand(name, options, y_true, y_pred, value, gradient):
    y_true, y_pred = jnp.array(y_true), jnp.array(y_pred)
    loss = losses.get(name, **options)
    near(loss(y_true, y_pred), value)
    near(loss.gradient(y_true, y_pred), gradient)
    near(jax.grad(lambda p: getattr(losses, name)(y_true, p, **options))(y_pred), gradient)


def test_reductions():
    y_true, y_pred = jnp.zeros((2, 1)), jnp.array([[1.0], [3.0]])
    weights = jnp.array([3.0, 1.0])
    expected = {"sum_over_batch_size": 6.0, "mean": 6.0, "sum": 12.0, "mean_with_sample_weight": 3.0}
    for reduction, value in expected.items():
        near(losses.mean_squared_error(y_true, y_pred, sample_weight=weights, reduction=reduction), value)
    near(losses.mean_squared_error(y_true, y_pred, sample_weight=weights, reduction="none"), [3.0, 9.0])
    near(losses.mean_squared_error(y_true, y_pred, sample_weight=weights, reduction=None), [3.0, 9.0])


def test_ignored_class_leaves_the_mean():
    y_pred = jnp.array([[0.5, 0.5], [0.25, 0.75], [0.9, 0.1]])
    loss = losses.get("sparse_categorical_crossentropy", ignore_class=-1)
    near(loss(jnp.array([0, -1, -1]), y_pred), math.log(2))
    near(loss(jnp.array([0, 0, -1]), y_pred), math.log(8) / 2)
    near(loss(jnp.array([0, 0, -1]), y_pred, row_mask=jnp.array([True, False, True])), math.log(2))


def test_labels_outside_the_classes_make_nan():
    logits = jnp.array([[0.5, 1.0, -2.0]])
    for label in (-1, 3):
        loss = losses.get("sparse_categorical_crossentropy", from_logits=True)
        value, gradient = jax.value_and_grad(lambda z, y=label, loss=loss: loss(jnp.array([y]), z))(logits)
        assert np.isnan(value)
        assert np.isnan(gradient).all()
        assert np.isnan(loss.gradient(jnp.array([label]), logits)).all()


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0], [[0.5]], [np.nan]])
def test_check_labels_refuses(labels):
    with pytest.raises(ValueError, match=r"labels: .* row"):
        losses.check_labels(np.array(labels), 3)


def test_check_labels_accepts():
    losses.check_labels(np.array([0, 2, -1]), 3, ignore_class=-1)
    losses.check_labels(np.array([[0.0], [2.0]]), 3)


def test_weight_is_the_number_of_rows():
    loss, y_pred = losses.get("mse"), jnp.ones((4, 2))
    assert loss.weight(y_pred) == 4
    assert loss.weight(y_pred, jnp.array([True, True, False, False])) == 2


def test_functions_of_the_user():
    def cubed(y_true, y_pred):
        return jnp.mean(jnp.abs(y_true - y_pred) ** 3, axis=-1)

    loss = losses.get(cubed, "sum")
    y_true, y_pred = jnp.zeros((3, 1)), jnp.array([[1.0], [2.0], [jnp.nan]])
    assert (loss.name, loss.explicit, loss.uses_logits) == ("cubed", False, False)
    near(loss(y_true[:2], y_pred[:2]), 9.0)
    near(loss.gradient(y_true[:2], y_pred[:2]), [[3.0], [12.0]])
    rows = jnp.array([True, True, False])
    near(loss(y_true, y_pred, row_mask=rows), 9.0)
    near(loss.gradient(y_true, y_pred, row_mask=rows), [[3.0], [12.0], [0.0]])


@pytest.mark.parametrize("shapes", [((3,), (3, 1)), ((3, 1), (3,))], ids=["targets", "predictions"])
@pytest.mark.parametrize("row_mask", [None, [True, True, False]], ids=["all", "masked"])
def test_a_function_of_the_user_never_broadcasts_rows_against_each_other(shapes, row_mask):
    loss = losses.get(lambda y_true, y_pred: jnp.abs(y_true - y_pred)[:, 0])
    y_true, y_pred = (
        np.reshape(each, s) for each, s in zip(([1, 2, 3], [1.5, 2.0, 5.0]), shapes, strict=True)
    )
    mask = None if row_mask is None else np.array(row_mask)
    expected = (0.5 + 0 + 2) / 3 if mask is None else 0.25
    assert float(loss(y_true, y_pred, row_mask=mask)) == pytest.approx(expected)
    assert loss.gradient(y_true, y_pred, row_mask=mask).shape == shapes[1]


def test_a_scalar_of_the_user_is_the_loss_and_cannot_be_masked():
    loss = losses.get(lambda y_true, y_pred: jnp.max(jnp.abs(y_true - y_pred)))
    near(loss(jnp.zeros((2, 1)), jnp.array([[1.0], [4.0]])), 4.0)
    with pytest.raises(ValueError, match="row_mask"):
        loss(jnp.zeros((2, 1)), jnp.ones((2, 1)), row_mask=jnp.array([True, False]))


def test_get_normalises():
    assert losses.get("huber", delta=1.0) == losses.get("Huber")
    assert losses.get(functools.partial(losses.huber, delta=2.0)) == losses.get("huber", delta=2.0)
    assert losses.get(functools.partial(losses.huber, reduction="sum")) == losses.get("huber", "sum")
    assert losses.get("mse", "mean") == losses.get("MSE")
    assert losses.get("mse", None) == losses.get("mse", "none")
    assert losses.get(losses.get("huber", "sum", delta=3.0)) == losses.get("huber", "sum", delta=3.0)
    assert losses.get("huber", delta=2.0) != losses.get("huber")
    assert repr(losses.get("huber", delta=2.0)) == "huber(delta=2.0)"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: losses.get("mean_squarederror"), ValueError, "Did you mean 'mean_squared_error'"),
        (lambda: losses.get("logcosh"), ValueError, "unknown loss"),
        (lambda: losses.get("huber", gamma=1.0), ValueError, "unknown option of huber"),
        (lambda: losses.get("mse", "average"), ValueError, "reduction"),
        (lambda: losses.get(functools.partial(losses.huber, 1.0)), TypeError, "keyword"),
        (lambda: losses.get(3), TypeError, "loss"),
        (lambda: losses.get("mse").gradient_logits([[1.0]], [[1.0]]), ValueError, "logits"),
        (lambda: losses.categorical_generalized_cross_entropy([0], [[1.0]], q=1.0), ValueError, "q:"),
        (lambda: losses.mean_squared_error(np.ones(3), np.ones((3, 3))), ValueError, "y_true"),
        (lambda: losses.mean_squared_error(np.ones((3, 1)), np.ones((3, 3))), ValueError, "y_true"),
        (
            lambda: losses.mean_squared_error(
                np.ones((3, 3)), np.ones((3, 3)), sample_weight=np.ones((3, 3))
            ),
            ValueError,
            "sample_weight",
        ),
        (
            lambda: losses.mean_squared_error(
                np.ones((3, 3, 1)), np.ones((3, 3, 1)), sample_weight=np.ones(3)
            ),
            ValueError,
            "sample_weight",
        ),
        (
            lambda: losses.get("mse")(np.ones((3, 1)), np.ones((3, 1)), row_mask=np.ones(2, bool)),
            ValueError,
            "row_mask",
        ),
        (
            lambda: losses.get("mse")(np.ones(3), np.ones(3), row_mask=np.ones(3, bool)),
            ValueError,
            "row_mask",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_focal_weight_for_each_class_fits_the_classes():
    value = losses.categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]], alpha=[0.9, 0.5], gamma=0.0)
    np.testing.assert_allclose(value, 0.5 * np.log(2), rtol=1e-6)
    with pytest.raises(ValueError, match="alpha: expected a number, or one for each of the 2 classes"):
        losses.categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]], alpha=[0.9, 0.5, 0.1])
