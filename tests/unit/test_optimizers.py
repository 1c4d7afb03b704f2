"""Optimizers: hand-worked numbers, the order of events, trees, states, names, checks."""

import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgd import optimizers, schedules
from jaxgd._statistics import merge, partition, trainable_mask
from jaxgd.optimizers import adam, adamw, loss_scale, multi, muon, rmsprop, sgd
from jaxgd.optimizers._arithmetic import opaque_zero, rounded
from jaxgd.optimizers.muon import orthogonalized

PARAMS = {"out": {"kernel": jnp.array([[1.0, -2.0]]), "bias": jnp.array([0.5, 0.25])}}
GRADS = {"out": {"kernel": jnp.array([[0.5, 2.0]]), "bias": jnp.array([1.0, -4.0])}}


def run(optimizer, num_steps, grads=GRADS, params=PARAMS, **options):
    state = optimizer.init(params)
    for _ in range(num_steps):
        params, state = optimizer.rule.apply(grads, state, params, **options)
    return params, state


def kernel(tree):
    return np.asarray(tree["out"]["kernel"])


# Numbers by hand.


def test_sgd():
    params, state = run(sgd(0.5), 2)
    np.testing.assert_array_equal(kernel(params), [[0.5, -4.0]])
    assert int(state.count) == 2
    assert state.slots == {}


def test_momentum_holds_the_rate_of_its_step():
    params, _ = run(sgd(0.5, momentum=0.5), 2)
    np.testing.assert_array_equal(kernel(params), [[1 - 0.25 - 0.375, -2 - 1 - 1.5]])
    params, _ = run(sgd(0.5, momentum=0.5, nesterov=True), 1)
    np.testing.assert_array_equal(kernel(params), [[1 - 0.375, -2 - 1.5]])


def test_first_step_of_adam_is_the_rate():
    params, _ = run(adam(0.125, epsilon=0.0), 1)
    np.testing.assert_allclose(kernel(params), [[0.875, -2.125]], rtol=1e-6)


def test_rmsprop():
    params, _ = run(rmsprop(0.5, rho=0.75, epsilon=0.0), 1)
    np.testing.assert_array_equal(kernel(params), [[0.0, -3.0]])


def test_lion_steps_by_the_sign():
    params, _ = run(optimizers.lion(0.5), 3)
    np.testing.assert_array_equal(kernel(params), [[-0.5, -3.5]])


def test_orthogonalized_has_singular_values_near_one():
    matrix = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    x = orthogonalized(jnp.asarray(matrix), 5, 3.4445, -4.7750, 2.0315, zero=jnp.float32(0))
    values = np.linalg.svd(np.asarray(x), compute_uv=False)
    assert 0.6 < values.min() <= values.max() < 1.3


def test_schedule_free_adamw_is_the_running_mean_of_the_fast_iterates():
    params, state = PARAMS, optimizers.schedule_free_adamw(0.5).init(PARAMS)
    fast = []
    for _ in range(4):
        params, state = optimizers.schedule_free_adamw(0.5).rule.apply(GRADS, state, params)
        fast.append(kernel(state.slots["momentum"]))
    np.testing.assert_allclose(kernel(params), np.mean(fast, axis=0), rtol=1e-5)


def test_documented_schedule_free_rule_is_another():
    taken, _ = run(optimizers.schedule_free_adamw(0.5), 4)
    documented, _ = run(optimizers.schedule_free_adamw(0.5, documented=True), 4)
    assert np.max(np.abs(kernel(taken) - kernel(documented))) > 0.01


def test_schedule_free_adamw_can_forget_the_initial_weights_as_keras_does():
    params, _ = run(optimizers.schedule_free_adamw(0.5, starts_at_zero=True), 1)
    np.testing.assert_allclose(kernel(params), -0.5 * np.sign(kernel(GRADS)), rtol=1e-6)


def test_documented_adafactor_takes_the_rate_as_it_is():
    taken, _ = run(optimizers.adafactor(4.0, relative_step=False), 1)
    documented, _ = run(optimizers.adafactor(4.0, relative_step=False, documented=True), 1)
    bounded, _ = run(optimizers.adafactor(4.0, documented=True), 1)
    np.testing.assert_array_equal(kernel(taken), kernel(bounded))
    moved, farther = kernel(taken) - kernel(PARAMS), kernel(documented) - kernel(PARAMS)
    np.testing.assert_allclose(farther, 4.0 * moved, rtol=1e-5)


# The order of events.


def test_decay_comes_first_and_spares_what_is_excluded():
    params, _ = run(sgd(0.5, weight_decay=0.5, exclude_from_weight_decay=("^out/bias$",)), 1)
    np.testing.assert_array_equal(kernel(params), [[0.75 - 0.25, -1.5 - 1.0]])
    np.testing.assert_array_equal(params["out"]["bias"], [0.0, 2.25])


@pytest.mark.parametrize(
    ("option", "value", "want"),
    [
        ("clipvalue", 1.0, [[0.5, 1.0]]),
        ("clipnorm", 0.25, [[0.25 * 0.5 / np.sqrt(4.25), 0.25 * 2 / np.sqrt(4.25)]]),
        ("global_clipnorm", 0.25, [[0.25 * 0.5 / np.sqrt(21.25), 0.25 * 2 / np.sqrt(21.25)]]),
        ("clipvalue", 0.0, [[0.5, 2.0]]),
        ("loss_scale_factor", 4.0, [[0.125, 0.5]]),
    ],
)
def test_gradient_that_arrives(option, value, want):
    updates, _ = sgd(1.0, **{option: value}).update(GRADS, sgd(1.0, **{option: value}).init(PARAMS), PARAMS)
    np.testing.assert_allclose(-kernel(updates), want, rtol=1e-6)


def test_zero_gradient_survives_clipping():
    zeros = jax.tree.map(jnp.zeros_like, GRADS)
    for option in ("clipnorm", "global_clipnorm"):
        params, _ = run(sgd(1.0, **{option: 1.0}), 1, grads=zeros)
        np.testing.assert_array_equal(kernel(params), kernel(PARAMS))


def test_global_norm_that_is_not_finite_spoils_every_gradient():
    grads = {"out": {**GRADS["out"], "bias": jnp.array([jnp.inf, 0.0])}}
    params, _ = run(sgd(1.0, global_clipnorm=1.0), 1, grads=grads)
    assert np.all(np.isnan(kernel(params)))


def test_accumulation_updates_with_the_mean():
    optimizer = sgd(0.5, gradient_accumulation_steps=2)
    waiting, state = run(optimizer, 1)
    np.testing.assert_array_equal(kernel(waiting), kernel(PARAMS))
    np.testing.assert_array_equal(kernel(state.accumulator), kernel(GRADS))
    params, state = run(optimizer, 2)
    np.testing.assert_array_equal(kernel(params), [[0.75, -3.0]])
    np.testing.assert_array_equal(kernel(state.accumulator), [[0.0, 0.0]])


def test_average_starts_at_the_first_parameters_and_replaces_the_last():
    optimizer = sgd(0.5, use_ema=True, ema_momentum=0.5)
    params, state = run(optimizer, 2)
    np.testing.assert_array_equal(kernel(params), [[0.5, -4.0]])
    want = [[0.5 * 0.75 + 0.5 * 0.5, 0.5 * -3 + 0.5 * -4]]
    np.testing.assert_array_equal(kernel(optimizer.rule.finalize(params, state)), want)
    overwriting, _ = run(sgd(0.5, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2), 2)
    np.testing.assert_array_equal(kernel(overwriting), want)


def test_constraint_comes_last():
    clamp = lambda tree: jax.tree.map(lambda w: jnp.maximum(w, 0), tree)  # noqa: E731
    optimizer = sgd(0.5, use_ema=True)
    params, state = run(optimizer, 1, constrain=clamp)
    np.testing.assert_array_equal(kernel(params), [[0.75, 0.0]])
    np.testing.assert_array_equal(kernel(state.average), [[0.75, -3.0]])


def test_scaled_loss():
    optimizer = sgd(loss_scale_factor=8.0)
    assert float(optimizer.rule.scale_loss(jnp.float32(2), optimizer.init(PARAMS))) == 16
    assert float(sgd().rule.scale_loss(jnp.float32(2), sgd().init(PARAMS))) == 2


def scale_state(state):
    return int(state.count), float(state.shared["dynamic_scale"]), int(state.shared["step_counter"])


def test_loss_scale_grows_and_shrinks():
    optimizer = loss_scale(sgd(0.5, loss_scale_factor=3.0), initial_scale=4.0, dynamic_growth_steps=2)
    state = optimizer.init(PARAMS)
    assert float(optimizer.rule.scale_loss(jnp.float32(2), state)) == 8
    scaled = jax.tree.map(lambda g: 4 * g, GRADS)
    params, state = optimizer.rule.apply(scaled, state, PARAMS)
    np.testing.assert_array_equal(kernel(params), [[0.75, -3.0]])
    bad = jax.tree.map(lambda g: g * jnp.nan, GRADS)
    same, after = optimizer.rule.apply(bad, state, params)
    np.testing.assert_array_equal(kernel(same), kernel(params))
    assert scale_state(after) == (1, 2, 0)
    _, after = optimizer.rule.apply(scaled, state, params)
    assert scale_state(after) == (2, 8, 0)


def test_loss_scale_as_an_optax_transformation():
    optimizer = loss_scale(adamw(), initial_scale=4.0)
    updates, _ = optimizer.update(GRADS, optimizer.init(PARAMS), PARAMS)
    params, _ = optimizer.rule.apply(GRADS, optimizer.init(PARAMS), PARAMS)
    np.testing.assert_allclose(kernel(optax.apply_updates(PARAMS, updates)), kernel(params), rtol=1e-6)
    bad = jax.tree.map(lambda g: g * jnp.inf, GRADS)
    updates, _ = optimizer.update(bad, optimizer.init(PARAMS), PARAMS)
    np.testing.assert_array_equal(kernel(updates), [[0.0, 0.0]])


def test_multi_gives_each_its_own():
    optimizer = multi({"out/bias": sgd(1.0)}, default=sgd(0.5, momentum=0.5), loss_scale_factor=2.0)
    params, state = run(optimizer, 1)
    np.testing.assert_array_equal(kernel(params), [[0.875, -2.5]])
    np.testing.assert_array_equal(params["out"]["bias"], [0.0, 2.25])
    assert float(optimizer.rule.learning_rate(state)) == 0.5
    assert float(optimizer.rule.scale_loss(jnp.float32(1), state)) == 2
    updates, _ = optimizer.update(GRADS, optimizer.init(PARAMS), PARAMS)
    np.testing.assert_array_equal(kernel(updates), [[-0.125, -0.5]])


def test_multi_refuses_what_is_ambiguous_or_wrapped():
    optimizer = multi({"out/.*": sgd(), ".*/bias": adam()}, default=sgd())
    with pytest.raises(ValueError, match="at most one pattern"):
        optimizer.init(PARAMS)
    with pytest.raises(TypeError, match="plain optimizers"):
        multi({"a": loss_scale(sgd())}, default=sgd())


# Rates.


def test_schedule_sees_every_call():
    optimizer = sgd(schedules.piecewise_constant_decay([1], [1.0, 0.0]), gradient_accumulation_steps=2)
    state = optimizer.init(PARAMS)
    assert float(optimizer.rule.learning_rate(state)) == 1
    params, _ = run(optimizer, 2)
    assert kernel(params)[0, 0] == 0.5
    assert float(optimizer.rule.learning_rate(run(optimizer, 2)[1])) == 0


def test_bare_function_is_static():
    def rate(step):
        return 1.0 / (1 + step)

    params, state = run(sgd(rate), 2)
    np.testing.assert_allclose(kernel(params), [[1 - 0.5 - 0.25, -2 - 2 - 1]])
    assert "learning_rate" not in state.hyperparameters
    assert sgd(rate).rule == sgd(rate).rule != sgd(0.1).rule


def test_rate_can_be_set_unless_it_is_scheduled():
    state = optimizers.set_learning_rate(adam(0.1).init(PARAMS), 0.5)
    assert float(adam().rule.learning_rate(state)) == 0.5
    for optimizer in (
        adam(schedules.exponential_decay(0.1, 4, 0.5)),
        adam(lambda step: 0.1),
        multi({}, default=sgd()),
        optimizers.get(optax.sgd(0.1)),
    ):
        with pytest.raises(TypeError, match="learning_rate"):
            optimizers.set_learning_rate(optimizer.init(PARAMS), 0.5)


def test_a_new_number_is_only_an_input():
    traces = []

    @jax.jit
    def step(grads, state, params):
        traces.append(1)
        return adamw().rule.apply(grads, state, params)

    for rate, decay, beta in ((0.1, 0.1, 0.9), (0.2, 0.3, 0.8), (1, 0, 0.5)):
        optimizer = adamw(rate, decay, beta)
        assert optimizer.rule == adamw().rule
        step(GRADS, optimizer.init(PARAMS), PARAMS)
    assert len(traces) == 1


def test_numbers_may_be_traced():
    rates, betas = jnp.array([0.1, 0.5]), jnp.array([0.9, 0.5])
    states = jax.vmap(lambda rate, beta: adam(rate, beta).init(PARAMS))(rates, betas)
    many, _ = jax.vmap(adam().rule.apply, in_axes=(None, 0, None))(GRADS, states, PARAMS)
    for index in range(2):
        one, _ = run(adam(float(rates[index]), float(betas[index])), 1)
        np.testing.assert_allclose(kernel(many)[index], kernel(one), rtol=1e-6)


# Trees.


def test_statistics_have_no_slots_and_do_not_move():
    norm = {"gamma": jnp.ones(2), "moving_mean": jnp.ones(2), "moving_variance": jnp.ones(2)}
    inputs = {"mean": jnp.ones(2), "variance": jnp.ones(2), "count": jnp.ones((), jnp.int32)}
    params = {"norm": norm, "inputs": inputs, **PARAMS, "empty": {"a": None}}
    grads = jax.tree.map(jnp.ones_like, params)
    optimizer = adamw(0.5, use_ema=True, ema_overwrite_frequency=1)
    moved, state = run(optimizer, 2, grads, params)
    for name in ("moving_mean", "moving_variance"):
        np.testing.assert_array_equal(moved["norm"][name], 1)
        assert state.slots["momentum"]["norm"][name] is None
        assert state.average["norm"][name] is None
    assert moved["inputs"] is not None
    assert jax.tree.all(jax.tree.map(np.array_equal, moved["inputs"], inputs))
    assert np.all(np.asarray(moved["norm"]["gamma"]) < 1)
    assert optimizer.rule.finalize(moved, state)["norm"]["moving_mean"] is moved["norm"]["moving_mean"]
    updates, _ = optimizer.update(grads, optimizer.init(params), params)
    np.testing.assert_array_equal(updates["norm"]["moving_mean"], 0)


def test_statistics_are_recognised_only_together():
    tree = {"a": {"mean": 1.0, "variance": 1.0}, "b": {"moving_mean": 1.0}, "mean": 1.0, "n": 1}
    want = {"a": {"mean": True, "variance": True}, "b": {"moving_mean": True}, "mean": True, "n": False}
    assert trainable_mask(tree) == want


def test_partition_and_merge_are_inverse():
    tree = {"a": {"x": 1.0, "y": 2.0}, "b": None}
    chosen, rest = partition(tree, {"a": {"x": True, "y": False}, "b": None})
    assert chosen == {"a": {"x": 1.0, "y": None}, "b": None}
    assert rest == {"a": {"x": None, "y": 2.0}, "b": None}
    assert merge(chosen, rest) == merge(rest, chosen) == tree


def test_missing_gradient_leaves_parameter_and_slots():
    grads = {"out": {"kernel": GRADS["out"]["kernel"], "bias": None}}
    params, state = run(adamw(), 2, grads)
    np.testing.assert_array_equal(params["out"]["bias"], PARAMS["out"]["bias"])
    np.testing.assert_array_equal(state.slots["velocity"]["out"]["bias"], 0)
    with pytest.raises(ValueError, match="at least one"):
        run(adam(), 1, {"out": {"kernel": None, "bias": None}})


def test_each_parameter_keeps_its_dtype():
    params = {"a": jnp.ones(3, jnp.bfloat16), "b": jnp.ones(3, jnp.float32)}
    grads = jax.tree.map(lambda w: jnp.ones(3, jnp.float32), params)
    optimizer = adamw(gradient_accumulation_steps=2, clipnorm=1.0, use_ema=True)
    moved, state = run(optimizer, 4, grads, params)
    for tree in (moved, state.slots["momentum"], state.accumulator, state.average):
        assert (tree["a"].dtype, tree["b"].dtype) == (jnp.bfloat16, jnp.float32)


@pytest.mark.usefixtures("x64")
def test_float32_parameters_stay_float32_with_64_bit_types():
    for optimizer in (adam(), sgd(lambda step: 0.1), sgd(schedules.exponential_decay(0.1, 4, 0.5))):
        moved, state = run(optimizer, 2, jax.tree.map(lambda g: g.astype(jnp.float32), GRADS))
        assert moved["out"]["kernel"].dtype == jnp.float32
        assert {leaf.dtype for leaf in jax.tree.leaves(state.slots)} <= {jnp.dtype("float32")}


# With optax.


def test_update_is_the_exact_increment_of_an_additive_rule():
    optimizer = adam(1e-12)
    updates, _ = optimizer.update(GRADS, optimizer.init(PARAMS))
    assert np.all(kernel(updates) != 0), "the increment was lost in the parameters' rounding"
    with pytest.raises(ValueError, match="params"):
        adamw().update(GRADS, adamw().init(PARAMS))


@pytest.mark.parametrize("make", [sgd, adam, adamw, muon, optimizers.ftrl])
def test_update_and_apply_agree(make):
    optimizer = make(use_ema=True, ema_overwrite_frequency=2)
    params, state = PARAMS, optimizer.init(PARAMS)
    for _ in range(3):
        updates, state = optimizer.update(GRADS, state, params)
        params = optax.apply_updates(params, updates)
    want, want_state = run(optimizer, 3)
    np.testing.assert_allclose(kernel(params), kernel(want), rtol=1e-5)
    np.testing.assert_allclose(kernel(state.average), kernel(want_state.average), rtol=1e-5)


def test_chain_and_masked_take_our_optimizers():
    masked = optax.masked(sgd(1.0), {"out": {"kernel": True, "bias": False}})
    chained = optax.chain(optax.scale(2.0), masked)
    updates, _ = chained.update(GRADS, chained.init(PARAMS), PARAMS)
    np.testing.assert_array_equal(kernel(updates), [[-1.0, -4.0]])
    np.testing.assert_array_equal(updates["out"]["bias"], 2 * GRADS["out"]["bias"])


def test_any_optax_transformation_is_an_optimizer():
    transformation = optax.adam(0.1)
    optimizer = optimizers.get(transformation)
    assert hash(optimizer.rule) == hash(optimizers.get(transformation).rule)
    assert optimizer.rule == optimizers.get(transformation).rule != optimizers.get(optax.adam(0.1)).rule
    norm = {"moving_mean": jnp.ones(2), "moving_variance": jnp.ones(2)}
    params = {**PARAMS, "norm": norm}
    grads = {**GRADS, "norm": norm}
    moved, state = run(optimizer, 2, grads, params)
    plain, optax_state = PARAMS, transformation.init(PARAMS)
    for _ in range(2):
        updates, optax_state = transformation.update(GRADS, optax_state, plain)
        plain = optax.apply_updates(plain, updates)
    np.testing.assert_array_equal(kernel(moved), kernel(plain))
    np.testing.assert_array_equal(moved["norm"]["moving_mean"], 1)
    assert optimizer.rule.finalize(moved, state) is moved
    assert np.isnan(float(optimizer.rule.learning_rate(state)))


# Names, arguments, copies.


@pytest.mark.parametrize("name", ["adam", "AdamW", "RMSPROP", "schedule_free_adamw", "ScheduleFreeAdamW"])
def test_names_in_any_case(name):
    assert optimizers.get(name).rule.class_name.lower().replace("_", "") == name.lower().replace("_", "")


def test_unknown_names():
    with pytest.raises(ValueError, match="Did you mean 'adam'"):
        optimizers.get("adan")
    with pytest.raises(TypeError, match="expected a name"):
        optimizers.get(3)
    with pytest.raises(ValueError, match="unknown optimizer"):
        optimizers.from_config("Momentum", {})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"learning_rate": -0.1}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"learning_rate": "0.1"}, "learning_rate"),
        ({"learning_rate": None}, "learning_rate"),
        ({"beta_1": 1.5}, "beta_1"),
        ({"epsilon": -1e-7}, "epsilon"),
        ({"weight_decay": -1}, "weight_decay"),
        ({"clipnorm": 1.0, "global_clipnorm": 1.0}, "at most one"),
        ({"gradient_accumulation_steps": 1}, "gradient_accumulation_steps"),
        ({"gradient_accumulation_steps": 2.5}, "gradient_accumulation_steps"),
        ({"ema_momentum": 1.1}, "ema_momentum"),
        ({"loss_scale_factor": 0}, "loss_scale_factor"),
        ({"constants": "rough"}, "constants"),
        ({"exclude_from_weight_decay": "bias"}, "exclude_from_weight_decay"),
        ({"decay": 0.1}, "decay"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        adam(**arguments)


def test_wrong_arguments_of_single_optimizers():
    with pytest.raises(ValueError, match="weight_decay"):
        adamw(weight_decay=None)
    with pytest.raises(ValueError, match="beta_1"):
        optimizers.lion(beta_1=0)
    with pytest.raises(ValueError, match="learning_rate_power"):
        optimizers.ftrl(learning_rate_power=0.5)
    with pytest.raises(ValueError, match="momentum"):
        sgd(momentum=2)


def test_integers_are_numbers():
    params, _ = run(sgd(1), 1)
    np.testing.assert_array_equal(kernel(params), [[0.5, -4.0]])


def test_help_shows_every_argument():
    parameters = inspect.signature(adam).parameters
    assert parameters["ema_momentum"].default == 0.99
    assert "common" not in parameters
    assert list(inspect.signature(adamw).parameters).count("weight_decay") == 1


def test_with_hyperparameters():
    optimizer = sgd(0.5).with_hyperparameters(momentum=0.9, weight_decay=0.1)
    assert optimizer.rule == sgd(momentum=0.5, weight_decay=0.2).rule
    assert optimizer.hyperparameters == {"learning_rate": 0.5, "weight_decay": 0.1, "momentum": 0.9}
    with pytest.raises(TypeError, match="unknown argument 'speed'"):
        sgd().with_hyperparameters(speed=1)
    scaled = loss_scale(sgd(0.5)).with_hyperparameters(learning_rate=0.25, initial_scale=8.0)
    assert (scaled.hyperparameters["learning_rate"], scaled.hyperparameters["initial_scale"]) == (0.25, 8.0)
    assert multi({}, default=sgd()).with_hyperparameters(loss_scale_factor=2.0).rule.rules[0].scales_loss


def test_copies_and_texts():
    optimizer = adamw(0.5, exclude_from_weight_decay=["bias"])
    copy = pickle.loads(pickle.dumps(optimizer))
    assert copy.rule == optimizer.rule
    assert copy.config() == optimizer.config()
    assert repr(sgd(0.5)) == "SGD(learning_rate=0.5, momentum=0.0)"
    assert optimizer.name == "adam_w"
    assert adam(name="mine").name == "mine"


def test_config_of_an_array_is_a_number():
    assert adam(jnp.float32(0.5)).config()["learning_rate"] == 0.5


def test_state_may_be_donated():
    """No two leaves of a fresh state share a buffer, and none belongs to the parameters."""
    for optimizer in (adam(), optimizers.schedule_free_adamw(), optimizers.nadam(use_ema=True)):
        leaves = jax.tree.leaves((optimizer.init(PARAMS), PARAMS))
        pointers = [leaf.unsafe_buffer_pointer() for leaf in leaves]
        assert len(set(pointers)) == len(pointers)


def test_update_can_be_differentiated():
    def end(rate):
        optimizer = sgd(rate)
        params, _ = optimizer.rule.apply(GRADS, optimizer.init(PARAMS), PARAMS)
        return jnp.sum(params["out"]["kernel"])

    assert float(jax.grad(end)(jnp.float32(0.1))) == pytest.approx(-2.5)


@pytest.mark.parametrize("step", [0, 1, 70000])
def test_opaque_zero_changes_no_number(step):
    numbers = np.array([0.0, -0.0, 1e-4, -1.5, np.inf, -np.inf, np.nan], np.float32)
    for dtype in (jnp.float32, jnp.float16, jnp.bfloat16):
        values = numbers.astype(dtype)
        zero = opaque_zero(jnp.float32(step).astype(dtype))
        got = np.asarray(jax.jit(rounded)(values, zero))
        assert got.tobytes() == values.tobytes()
