"""Regularizers and constraints: values by hand, gradients at kinks, names, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgd import constraints, regularizers

W = jnp.array([[3.0, 0.0], [-4.0, 2.0]])


@pytest.mark.parametrize(
    ("regularizer", "value", "gradient"),
    [
        (regularizers.l1(0.5), 4.5, [[0.5, 0.0], [-0.5, 0.5]]),
        (regularizers.l2(0.5), 14.5, [[3.0, 0.0], [-4.0, 2.0]]),
        (regularizers.l1_l2(0.5, 0.5), 19.0, [[3.5, 0.0], [-4.5, 2.5]]),
        (regularizers.l1_l2(), 0.0, [[0.0, 0.0], [0.0, 0.0]]),
    ],
)
def test_regularizers_by_hand(regularizer, value, gradient):
    assert float(regularizer(W)) == value
    np.testing.assert_array_equal(jax.grad(regularizer)(W), gradient)
    np.testing.assert_array_equal(jax.jit(jax.grad(regularizer))(W), gradient)


def test_orthogonal_regularizer_by_hand():
    rows = jnp.array([[1.0, 0.0], [3.0, 4.0], [0.0, -2.0]])  # cosines 0.6, 0, -0.8
    assert float(regularizers.orthogonal_regularizer(0.3)(rows)) == pytest.approx(0.3 * 0.5 * 2 * 1.4 / 3)
    by_columns = regularizers.orthogonal_regularizer(0.3, "columns")
    assert float(by_columns(rows.T)) == pytest.approx(0.3 * 0.5 * 2 * 1.4 / 3)


@pytest.mark.parametrize("w", [jnp.zeros((3, 2)), jnp.array([[0.0, 0.0], [1.0, 1.0]])])
def test_orthogonal_regularizer_is_finite_at_zero(w):
    value, gradient = jax.value_and_grad(regularizers.orthogonal_regularizer())(w)
    assert float(value) == 0.0
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("name", [*regularizers.names(), *constraints.names()])
def test_the_type_is_kept(name, dtype):
    rule = (regularizers if name in regularizers.names() else constraints).get(name)
    assert rule(W.astype(dtype)).dtype == dtype


def test_coefficients_are_mapped_over():
    strengths = jnp.array([0.0, 0.1, 0.5])
    np.testing.assert_allclose(jax.vmap(lambda s: regularizers.l1(s)(W))(strengths), 9 * strengths)
    norms = jax.vmap(lambda m: jnp.linalg.norm(constraints.max_norm(m)(W)[:, 0]))(jnp.array([1.0, 9.0]))
    np.testing.assert_allclose(norms, [1.0, 5.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (constraints.max_norm(2.5), [[1.5, 0.0], [-2.0, 2.0]]),
        (constraints.max_norm(1.0, axis=1), [[1.0, 0.0], [-4 / 20**0.5, 2 / 20**0.5]]),
        (constraints.unit_norm(), [[0.6, 0.0], [-0.8, 1.0]]),
        (constraints.non_neg(), [[3.0, 0.0], [0.0, 2.0]]),
        (constraints.min_max_norm(3.0, 4.0), [[2.4, 0.0], [-3.2, 3.0]]),
        (constraints.min_max_norm(3.0, 4.0, rate=0.5), [[2.7, 0.0], [-3.6, 2.5]]),
    ],
)
def test_constraints_by_hand(constraint, expected):
    np.testing.assert_allclose(constraint(W), expected, rtol=1e-6)
    assert np.isfinite(constraint(jnp.zeros((2, 2)))).all()


@pytest.mark.parametrize("module", [regularizers, constraints])
def test_names_in_every_form(module):
    for name in module.names():
        rule = module.get(name)
        for form in (name.upper(), name.replace("_", ""), type(rule).__name__, type(rule), rule):
            assert module.get(form) == rule
        assert hash(module.get(type(rule).__name__, **rule.config())) == hash(rule)
    assert module.get(None) is None
    assert module.get(jnp.sum) is jnp.sum
    with pytest.raises(ValueError, match="unknown"):
        module.get("dropout")
    with pytest.raises(TypeError, match="callable"):
        module.get(3)


def test_axes_read_from_a_file_are_hashable():
    assert hash(constraints.max_norm(2, axis=[0, 1])) == hash(constraints.max_norm(2, axis=(0, 1)))


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf")])
def test_coefficients_are_checked(bad):
    for make in (regularizers.l1, regularizers.l2, regularizers.orthogonal_regularizer, constraints.max_norm):
        with pytest.raises(ValueError, match="expected a finite number"):
            make(bad)


def test_refusals():
    with pytest.raises(TypeError, match="l2: expected a number"):
        regularizers.l2("strong")
    with pytest.raises(ValueError, match="min_value"):
        constraints.min_max_norm(2.0, 1.0)
    with pytest.raises(ValueError, match="rate"):
        constraints.min_max_norm(rate=1.5)
    with pytest.raises(ValueError, match="rows"):
        regularizers.orthogonal_regularizer(mode="diagonal")
    with pytest.raises(ValueError, match="rank 2"):
        regularizers.orthogonal_regularizer()(jnp.ones(3))
    with pytest.raises(ValueError, match="at least two"):
        regularizers.orthogonal_regularizer()(jnp.ones((1, 3)))
