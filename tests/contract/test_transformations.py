"""Models under JAX's transformations, and what makes them descriptions: hash, equality, repr, dtypes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgd
from jaxgd import initializers, layers, regularizers

FEATURES = 3
MODELS = {
    "mlp": jaxgd.mlp([FEATURES, 4, 2], activation="tanh", output_activation="sigmoid"),
    "normalized": jaxgd.sequential(
        [
            layers.normalization((0.1, 0.2, 0.3), (1.0, 2.0, 3.0)),
            layers.dense(4, "gelu", kernel_regularizer=regularizers.get("l2", l2=0.1), name="hidden"),
            layers.batch_normalization(momentum=0.9),
            layers.layer_normalization(),
            layers.rescaling(0.5, offset=0.1),
            layers.dropout(0.25, seed=3),
            layers.gaussian_noise(0.5),
            layers.flatten(),
            layers.dense(2, trainable=False, kernel_initializer=initializers.get("he_normal", seed=4)),
            layers.activation("softmax"),
        ],
        FEATURES,
    ),
}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


@pytest.fixture
def x(rng):
    return jnp.asarray(rng.standard_normal((7, FEATURES)), jnp.float32)


def close(one, other, bound=2e-6):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=bound, atol=bound)


def test_jit_changes_nothing(model, x):
    params, key = model.init(0), jax.random.key(1)
    close(jax.jit(model.apply)(params, x), model.apply(params, x))
    forward = jax.jit(lambda p, x, key: model.forward(p, x, training=True, key=key))
    close(forward(params, x, key), model.forward(params, x, training=True, key=key))


def test_the_model_itself_may_be_an_argument(model, x):
    """Its leaves are scalars such as dropout rates; its structure is static."""
    params = model.init(0)
    close(jax.jit(lambda m, p, x: m.apply(p, x))(model, params, x), model.apply(params, x))
    assert jax.tree.unflatten(jax.tree.structure(model), jax.tree.leaves(model)) == model


def test_vmap_over_rows_and_over_parameters(model, x):
    many = [model.init(seed) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *many)
    expected = jnp.stack([model.apply(params, x) for params in many])
    close(jax.vmap(model.apply, in_axes=(0, None))(stacked, x), expected)
    close(jax.vmap(lambda row: model.apply(many[0], row[None])[0])(x), expected[0])


def test_vmap_over_seeds(model):
    keys = jax.random.split(jax.random.key(0), 3)
    stacked = jax.vmap(model.init)(keys)
    for i, key in enumerate(keys):
        close(jax.tree.map(lambda leaf, i=i: leaf[i], stacked), model.init(key))


def test_jacobians_agree_with_differences(x64):
    model = jaxgd.mlp([FEATURES, 4, 2], activation="tanh", output_activation="sigmoid", dtype="float64")
    params, row, h = model.init(0), jnp.array([0.3, -0.2, 0.7]), 1e-5

    def of_row(row):
        return model.apply(params, row[None])[0]

    forward, reverse = jax.jacfwd(of_row)(row), jax.jacrev(of_row)(row)
    steps = h * jnp.eye(FEATURES)
    differences = jnp.stack([(of_row(row + e) - of_row(row - e)) / (2 * h) for e in steps], axis=1)
    np.testing.assert_allclose(forward, reverse, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(forward, differences, rtol=1e-8, atol=1e-10)


def test_hessian_of_the_objective(x64):
    model = jaxgd.mlp([FEATURES, 2, 1], activation="tanh", output_activation="sigmoid", dtype="float64")
    objective = jaxgd.make_objective(model, "binary_crossentropy")
    rng = np.random.default_rng(0)
    batch = {"x": jnp.asarray(rng.standard_normal((5, FEATURES))), "y": jnp.array([0.0, 1, 1, 0, 1])[:, None]}
    flat, unflatten = jax.flatten_util.ravel_pytree(model.init(0))

    def loss(flat):
        return objective(unflatten(flat), batch)[0]

    hessian, h = jax.hessian(loss)(flat), 1e-5
    grad = jax.grad(loss)
    differences = jnp.stack([(grad(flat + e) - grad(flat - e)) / (2 * h) for e in h * jnp.eye(flat.size)])
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(hessian, differences, rtol=1e-6, atol=1e-8)
    assert jnp.abs(hessian).max() > 1e-2


def test_vmap_of_train_over_seeds_and_rates(x):
    """Each member of a vmapped run is the run by itself."""
    model = jaxgd.mlp([FEATURES, 4, 1], activation="tanh", dropout=0.3)
    data = {"x": x, "y": jnp.sin(x.sum(axis=1, keepdims=True))}
    step = jaxgd.make_step(jaxgd.make_objective(model, "mse"), "adam")
    schedule = jaxgd.make_schedule(7, 3, epochs=4, seed=0)

    def run(key, rate):
        adam = jaxgd.optimizers.adam(rate)
        state = jaxgd.TrainState.create(params=model.init(key), optimizer=adam, key=key)
        state, history = jaxgd.train(step, state, data, schedule)
        return state.params, history["loss"]

    keys, rates = jax.random.split(jax.random.key(0), 3), jnp.array([0.001, 0.01, 0.1])
    params, losses = jax.vmap(run)(keys, rates)
    for i in range(3):
        alone_params, alone_losses = run(keys[i], rates[i])
        close(losses[i], alone_losses, 1e-5)
        close(jax.tree.map(lambda leaf, i=i: leaf[i], params), alone_params, 1e-5)
    assert float(jnp.ptp(losses[:, -1])) > 1e-3


def test_equal_descriptions_are_equal():
    def make(units=4, rate=0.5):
        return jaxgd.mlp([3, units, 1], "relu", dropout=rate)

    assert make() == make()
    assert hash(make()) == hash(make())
    assert len({make(), make(), make(5), make(rate=0.25)}) == 3
    assert jax.tree.structure(make()) == jax.tree.structure(make(rate=0.25))
    assert jax.tree.structure(make()) != jax.tree.structure(make(5))


def test_repr_makes_the_model_again(model):
    names = {name: getattr(module, name) for module in (initializers, regularizers) for name in dir(module)}
    names |= {name: getattr(layers, name) for name in layers.__all__}
    again = eval(repr(model), {**names, "sequential": jaxgd.sequential})
    assert repr(again) == repr(model)
    close(
        again.apply(again.init(0), jnp.ones((2, FEATURES))),
        model.apply(model.init(0), jnp.ones((2, FEATURES))),
    )


def test_repr_shows_what_was_set():
    dense = layers.dense(3, "relu", name="h", trainable=False)
    assert repr(dense) == "dense(3, activation='relu', name='h', trainable=False)"
    half = jaxgd.mlp([2, 1], dtype="mixed_bfloat16", precision="default")
    assert repr(half) == "sequential([dense(1)], input_size=2, dtype='mixed_bfloat16', precision='default')"


@pytest.mark.parametrize(("dtype", "compute"), [("mixed_bfloat16", "bf16"), ("mixed_float16", "f16")])
def test_half_precision(dtype, compute, x):
    model = jaxgd.sequential(
        [
            layers.dense(4, "relu"),
            layers.batch_normalization(),
            layers.layer_normalization(),
            layers.dense(2),
        ],
        FEATURES,
        dtype=dtype,
    )
    params = model.init(0)
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(params)} == {"float32"}
    y, moved = model.forward(params, x, training=True)
    assert str(y.dtype) == dtype.removeprefix("mixed_")
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(moved)} == {"float32"}
    products = [line for line in lowered(model, params, x) if "dot_general" in line]
    assert len(products) == 2
    for line in products:
        assert line.count(f"x{compute}>") == 3, line
    full = jaxgd.sequential(model.layers, FEATURES)
    np.testing.assert_allclose(
        model.apply(params, x).astype(jnp.float32), full.apply(params, x), rtol=0.05, atol=0.05
    )
    grads = jax.grad(lambda p: jaxgd.make_objective(model, "mse")(p, {"x": x, "y": jnp.ones((7, 2))})[0])(
        params
    )
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(grads)} == {"float32"}
    result = jaxgd.fit(model, x, jnp.ones((7, 2)), epochs=3, batch_size=3, optimizer="sgd")
    assert result.history["loss"].dtype == np.float32
    assert result.history["loss"][-1] < result.history["loss"][0]


def lowered(model, params, x):
    return jax.jit(model.apply).lower(params, x).as_text().splitlines()


@pytest.fixture
def many_rows(x):
    """So many that the products are matrix products; those of a few numbers are sums, at full precision."""
    return jnp.tile(x, (200, 1))


@pytest.mark.parametrize(
    ("precision", "word"), [("highest", "HIGHEST"), ("high", "HIGH"), ("default", "DEFAULT")]
)
def test_precision_is_in_the_program(precision, word, many_rows):
    model = jaxgd.mlp([FEATURES, 4, 2], precision=precision)
    products = [line for line in lowered(model, model.init(0), many_rows) if "dot_general" in line]
    assert len(products) == 2
    for line in products:
        assert f"precision = [{word}, {word}]" in line, line


def test_precision_of_the_whole_step(many_rows):
    """The products of the backward pass too."""
    model = jaxgd.mlp([FEATURES, 4, 2])
    step = jaxgd.make_step(jaxgd.make_objective(model, "mse"), "sgd")
    state = jaxgd.TrainState.create(params=model.init(0), optimizer="sgd")
    text = jax.jit(step).lower(state, {"x": many_rows, "y": jnp.ones((len(many_rows), 2))}).as_text()
    products = [line for line in text.splitlines() if "dot_general" in line]
    assert len(products) == 5
    for line in products:
        assert "precision = [HIGHEST, HIGHEST]" in line, line


def test_float64_stays_float64(x64):
    model = jaxgd.sequential(MODELS["normalized"].layers, FEATURES, dtype="float64")
    params, x = model.init(0), jnp.ones((4, FEATURES))
    y, moved = model.forward(params, x, training=True, key=jax.random.key(0))
    assert {str(leaf.dtype) for leaf in jax.tree.leaves((params, y, moved))} == {"float64"}


def test_float32_stays_float32_under_x64(x64):
    model = MODELS["normalized"]
    params, x = model.init(0), np.ones((4, FEATURES))
    y, moved = model.forward(params, x, training=True, key=jax.random.key(0))
    assert {str(leaf.dtype) for leaf in jax.tree.leaves((params, y, moved))} == {"float32"}
    result = jaxgd.fit(model, x, np.ones((4, 2)), epochs=2, batch_size=3, metrics=["mae"])
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(result.params)} == {"float32"}
