"""Steps, the loop and `fit` on numbers worked by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgd

LINE = jaxgd.sequential([jaxgd.layers.dense(1, use_bias=False)], 1)


def params(value):
    return {"dense": {"kernel": jnp.array([[value]])}}


def test_the_shapes_of_a_state_are_known_without_one():
    def state(given):
        return jaxgd.TrainState.create(params=given, optimizer="adam")

    shapes = jax.eval_shape(state, params(1.0))
    assert shapes.params["dense"]["kernel"].shape == (1, 1)
    assert jax.tree.structure(shapes) == jax.tree.structure(state(params(1.0)))


def test_one_step_by_hand():
    """loss = mean((w x - y)^2) = ((1 - 3)^2 + (2 - 2)^2) / 2 = 2; dloss/dw = -2; w = 1 + 0.25 * 2."""
    step = jaxgd.make_step(jaxgd.make_objective(LINE, "mse"), "sgd")
    state = jaxgd.TrainState.create(params=params(1.0), optimizer=jaxgd.optimizers.sgd(0.25))
    new, loss, _ = step(state, {"x": jnp.array([[1.0], [2.0]]), "y": jnp.array([[3.0], [2.0]])})
    assert float(loss) == 2.0
    assert float(new.params["dense"]["kernel"][0, 0]) == 1.5
    assert int(new.step) == 1


def test_the_loss_of_an_epoch_is_a_mean_over_rows():
    """Batches of 2 and 1 rows at w = 1 and rate 0: losses 2 and 9, (2 * 2 + 1 * 9) / 3."""
    x, y = np.array([[1.0], [2.0], [1.0]]), np.array([[3.0], [2.0], [4.0]])
    sgd = jaxgd.optimizers.sgd(0.0)
    result = jaxgd.fit(LINE, x, y, optimizer=sgd, epochs=1, batch_size=2, shuffle=False, params=params(1.0))
    np.testing.assert_allclose(result.history["loss"], [13 / 3], rtol=1e-6)


def test_any_pure_function_and_any_aux():
    def objective(tree, batch, key):
        return jnp.square(tree["w"] - batch).sum(), {"w": tree["w"]}

    step = jaxgd.make_step(objective, jaxgd.optimizers.sgd(0.5))
    state = jaxgd.TrainState.create(params={"w": jnp.array(4.0)}, optimizer=jaxgd.optimizers.sgd(0.5))
    state, history = jaxgd.train(step, state, jnp.array([1.0, 2.0]), np.array([[0], [1], [0]]))
    np.testing.assert_array_equal(history["loss"], [9.0, 1.0, 1.0])
    np.testing.assert_array_equal(history["aux"]["w"], [4.0, 1.0, 2.0])
    assert float(state.params["w"]) == 1.0


def test_class_weights_leave_validation_alone():
    model = jaxgd.mlp([1, 2], output_activation="softmax")
    x, y = np.linspace(-1, 1, 10)[:, None], np.arange(10) % 2
    options = {
        "loss": "sparse_categorical_crossentropy",
        "validation_split": 0.4,
        "epochs": 1,
        "shuffle": False,
    }
    sgd = {"optimizer": jaxgd.optimizers.sgd(0.0)}
    plain = jaxgd.fit(model, x, y, **options, **sgd).history
    weighted = jaxgd.fit(model, x, y, class_weight={0: 2.0, 1: 2.0}, **options, **sgd).history
    np.testing.assert_allclose(weighted["val_loss"], plain["val_loss"], rtol=1e-6)
    np.testing.assert_allclose(weighted["loss"], 2 * plain["loss"], rtol=1e-6)


def test_another_seed_is_another_run():
    x, y = np.ones((9, 2)), np.ones((9, 1))
    model = jaxgd.mlp([2, 8, 1], dropout=0.5)
    runs = [jaxgd.fit(model, x, y, seed=seed, epochs=2).history["loss"] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()
    key = jaxgd.fit(model, x, y, seed=jax.random.key(0), epochs=2).history["loss"]
    assert (key != runs[0]).any()


def test_progress_is_shown_where_it_is_asked_for(capfd):
    x, y = np.ones((4, 1)), np.ones((4, 1))
    for silent in (False, None):
        jaxgd.fit(LINE, x, y, epochs=2, progress=silent)
    assert capfd.readouterr() == ("", "")
    jaxgd.fit(LINE, x, y, epochs=2, progress=True)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "epoch 2/2  loss" in shown.err


def test_progress_that_is_neither_a_bool_nor_a_function_is_refused():
    with pytest.raises(TypeError, match="progress: expected True, False or a function"):
        jaxgd.fit(LINE, np.ones((4, 1)), np.ones((4, 1)), progress="yes")


DATA = {"x": jnp.array([[1.0], [2.0]]), "y": jnp.array([[3.0], [2.0]])}


def last_loss(objective, state, schedule=((0, 1), (0, 1))):
    _, history = jaxgd.train(jaxgd.make_step(objective, "sgd"), state, DATA, jnp.array(schedule))
    return history["loss"][-1]


def scaled(factor, precision=None):
    def loss(params, batch, key):
        kernel = params["dense"]["kernel"]
        y = jnp.dot(batch["x"], kernel)
        return factor * ((y - batch["y"]) ** 2).mean()

    return loss


def test_train_inside_of_a_transformation():
    """Whatever is traced may come by a closure as well as by an argument."""

    def of(factor):
        return last_loss(scaled(factor), jaxgd.TrainState.create(params=params(1.0), optimizer="sgd"))

    alone = [float(of(factor)) for factor in (1.0, 2.0)]
    np.testing.assert_allclose(jax.vmap(of)(jnp.array([1.0, 2.0])), alone, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(of)(2.0), alone[1], rtol=1e-6)
    state = jaxgd.TrainState.create(params=params(1.0), optimizer="sgd")
    times = jax.jit(lambda factor: factor * last_loss(scaled(1.0), state))
    assert [float(times(1.0)), float(times(2))] == [alone[0], 2 * alone[0]]  # traced twice, with one state


def test_train_minds_what_jax_is_told():
    seen = []

    def loss(params, batch, key):
        seen.append(jax.config.jax_default_matmul_precision)
        return scaled(1.0)(params, batch, key)

    def run():
        return float(last_loss(loss, jaxgd.TrainState.create(params=params(1.0), optimizer="sgd")))

    for precision in ("bfloat16", "highest", "bfloat16"):
        with jax.default_matmul_precision(precision):
            compiled = run()
    assert set(seen) == {"bfloat16", "highest"}
    with jax.disable_jit():
        assert run() == pytest.approx(compiled, rel=1e-6)


def test_programs_of_fit_mind_what_jax_is_told():
    count = []
    for precision in ("highest", "default", "highest"):
        with jax.default_matmul_precision(precision):
            count.append(jaxgd.fit(LINE, DATA["x"], DATA["y"], optimizer="sgd", epochs=1).compilations)
    assert count[1:] == [1, 0]
