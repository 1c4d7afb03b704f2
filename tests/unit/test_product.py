"""Every form of the product is the same product, in value and in every derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgd.layers import _product

FORMS = {
    "summed": _product._summed,
    "turned": lambda x, kernel: _product._turned(x, kernel, "highest"),
    "transposed once": lambda x, kernel: _product._transposed_once(x, kernel, "highest"),
}
SHAPES = ((1, 1, 1), (3, 5, 2), (32, 5, 10), (4, 33, 17))


@pytest.fixture(params=SHAPES, ids=str)
def operands(request, x64):
    rows, inputs, outputs = request.param
    source = np.random.default_rng(0)
    return jnp.asarray(source.normal(size=(rows, inputs))), jnp.asarray(source.normal(size=(inputs, outputs)))


def squares(form):
    return lambda x, kernel: (jnp.tanh(form(x, kernel)) ** 2).sum()


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_values_and_derivatives_are_those_of_dot(form, operands):
    np.testing.assert_allclose(form(*operands), jnp.dot(*operands), rtol=0, atol=1e-13)
    for derivative in (jax.grad, jax.jacfwd):
        ours, plain = (derivative(squares(each), argnums=(0, 1))(*operands) for each in (form, jnp.dot))
        for one, other in zip(ours, plain, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_second_derivatives_and_vmap(form, operands):
    x, kernel = operands[0][:3, :4], operands[1][:4, :3]
    hessians = [jax.hessian(squares(each), argnums=1)(x, kernel) for each in (form, jnp.dot)]
    np.testing.assert_allclose(*hessians, rtol=0, atol=1e-12)
    many = jnp.stack([kernel, 2 * kernel])
    gradients = [
        jax.vmap(jax.grad(squares(each), argnums=1), in_axes=(None, 0))(x, many) for each in (form, jnp.dot)
    ]
    np.testing.assert_allclose(*gradients, rtol=0, atol=1e-12)


def products(rows, width, dtype=jnp.float32):
    """The matrix products of a kernel's gradient, as compiled."""
    x, kernel = jnp.ones((rows, width), dtype), jnp.ones((width, width), dtype)
    gradient = jax.grad(lambda kernel, x: squares(lambda *o: _product.product(*o, "highest"))(x, kernel))
    text = jax.jit(gradient).lower(kernel, x).compile().as_text()
    return [line for line in text.splitlines() if " dot(" in line]


def test_the_form_is_chosen_from_the_size():
    assert products(32, 8) == []
    found = products(32, 9)
    assert len(found) == 2
    assert all("lhs_contracting_dims={1}, rhs_contracting_dims={0}" in line for line in found), (
        "no left operand is transposed inside a product"
    )
    by_kernel = products(1024, 65)[1]
    assert "lhs_contracting_dims={0}" in by_kernel, "an input that outgrows the cache is not copied"


def test_narrow_numbers_are_summed_by_the_matrix_product():
    assert len(products(2, 2, jnp.bfloat16)) == 2


def test_a_few_numbers_are_summed_alone_and_multiplied_in_step():
    x, kernel = jnp.ones((32, 5)), jnp.ones((5, 10))

    def has_product():
        return "dot_general" in str(jax.make_jaxpr(lambda *ab: _product.product(*ab, "highest"))(x, kernel))

    assert not has_product()
    with _product.turned_kernels():
        assert has_product()
