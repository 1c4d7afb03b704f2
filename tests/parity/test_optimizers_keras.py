"""Every optimizer against the installed Keras, given equal gradients: bit-equal in float32, 1e-12 in float64.

The gradients span six orders of magnitude, those of two parameters are smaller by 1e-3 and 1e-6, and one row
is zero. Keras runs in a graph that is left as it is written. TensorFlow's graph optimizer turns `x /
sqrt(y)` into `x * rsqrt(y)`, so that RMSprop, Adagrad and Adadelta differ between `fit` and eager calls;
jaxgd has the latter.
"""

import contextlib
import hashlib

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest
import tensorflow as tf

from jaxgd import optimizers, schedules

SHAPES = {"h/kernel": (24, 33), "h/bias": (33,), "out/kernel": (33, 5), "out/bias": (5,)}
SCALES = {"h/kernel": 1, "h/bias": 1e-3, "out/kernel": 1e-6, "out/bias": 1}
LIMITS = {"l1_regularization_strength": 0.01, "l2_regularization_strength": 0.02, "beta": 0.1}
FTRL = {**LIMITS, "l2_shrinkage_regularization_strength": 0.03}

BIT_EQUAL = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {}),
    ("RMSprop", {"centered": True, "momentum": 0.9}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True}),
    ("AdamW", {}),
    ("Adadelta", {}),
    ("Adagrad", {}),
    ("Adamax", {}),
    ("Nadam", {}),
    ("Lion", {}),
    ("ScheduleFreeAdamW", {}),
    ("ScheduleFreeAdamW", {"warmup_steps": 10, "weight_decay": 0.01}),
]
# Means, norms and matrix products are summed in another order; TensorFlow's elementwise power is not
# correctly rounded (a quarter of its results is one unit off, measured).
ROUNDED = [
    ("Lamb", {}),
    ("Lamb", {"weight_decay": 0.01}),
    ("Adafactor", {}),
    ("Adafactor", {"learning_rate": 0.5, "relative_step": False, "weight_decay": 0.01}),
    ("Ftrl", {}),
    ("Ftrl", FTRL),
    ("Muon", {}),
    ("Muon", {"nesterov": False, "rms_rate": None, "adam_lr_ratio": 0.5, "exclude_layers": ["out"]}),
]
# Of the distance that the parameter travelled.
FLOAT32_BOUND, FLOAT64_BOUND = 1e-5, 1e-12
# Five iterations of matrix products, each stretching small singular values and their errors 3.4 times.
MUON_BOUND = 1e-4

COMMON = {
    "clipnorm": {"clipnorm": 0.5, "weight_decay": 0.01},
    "clipvalue": {"clipvalue": 0.01, "loss_scale_factor": 3.0},
    "global_clipnorm": {"global_clipnorm": 0.3, "weight_decay": 0.01},
    "average": {"use_ema": True, "ema_momentum": 0.9, "weight_decay": 0.02},
    "overwrite": {"use_ema": True, "ema_overwrite_frequency": 4},
    "accumulate": {"gradient_accumulation_steps": 3, "clipvalue": 0.5},
    "all": {
        "gradient_accumulation_steps": 2,
        "global_clipnorm": 0.3,
        "weight_decay": 0.01,
        "use_ema": True,
        "ema_momentum": 0.9,
        "ema_overwrite_frequency": 3,
        "loss_scale_factor": 7.0,
    },
}


def ours(class_name, arguments):
    return optimizers.from_config(class_name, arguments)


def theirs(class_name, arguments):
    return getattr(keras.optimizers, class_name)(**arguments)


def case_id(value):
    return value if isinstance(value, str) else "-".join(map(str, value)) or "default"


def make_case(name, num_steps, dtype, paths=tuple(SHAPES)):
    """Parameters and gradients by path, from a hash of the case's name."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    rng = np.random.default_rng(seed)
    shapes = {path: SHAPES[path] for path in paths}
    params = {
        path: (SCALES[path] * rng.standard_normal(shape)).astype(dtype) for path, shape in shapes.items()
    }

    def gradient(path, shape):
        magnitudes = SCALES[path] * 10 ** rng.uniform(-6, 0, shape)
        return (magnitudes * rng.standard_normal(shape)).astype(dtype)

    steps = [{path: gradient(path, shape) for path, shape in shapes.items()} for _ in range(num_steps)]
    for grads in steps:
        grads[paths[0]][2] = 0
    return params, steps


def nested(flat):
    tree = {}
    for path, value in flat.items():
        layer, leaf = path.split("/")
        tree.setdefault(layer, {})[leaf] = value
    return tree


def flattened(tree):
    return {
        f"{layer}/{leaf}": np.asarray(value) for layer, node in tree.items() for leaf, value in node.items()
    }


def keras_variables(params, constraint=None):
    variables = []
    for path, value in params.items():
        layer, leaf = path.split("/")
        with keras.name_scope(layer):
            variables.append(keras.Variable(value, name=leaf, dtype=str(value.dtype)))
        if constraint is not None:
            variables[-1].constraint = constraint
    return variables


@contextlib.contextmanager
def graph_as_written():
    """No rewriting of graphs by TensorFlow, which then computes what eager calls do."""
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False, **before})


def run_keras(optimizer, params, steps, constraint=None, finalize=False, graph=graph_as_written):
    variables = keras_variables(params, constraint)
    optimizer.build(variables)

    def apply(*grads):
        optimizer.apply(list(grads), variables)

    step = tf.function(apply)
    with graph():
        for grads in steps:
            step(*[None if grad is None else tf.constant(grad) for grad in grads.values()])
    if finalize:
        optimizer.finalize_variable_values(variables)
    return {path: variable.numpy() for path, variable in zip(params, variables, strict=True)}


def run_ours(optimizer, params, steps, constrain=None, finalize=False):
    rule = optimizer.rule
    step = jax.jit(lambda grads, state, params: rule.apply(grads, state, params, constrain))
    params = jax.tree.map(jnp.asarray, nested(params))
    state = optimizer.init(params)
    for grads in steps:
        params, state = step(nested(grads), state, params)
    return flattened(rule.finalize(params, state) if finalize else params)


def compare(name, keras_optimizer, optimizer, dtype, num_steps=200, paths=tuple(SHAPES), **options):
    """Number of unequal entries, and the largest error of a parameter over the distance that it travelled."""
    params, steps = make_case(name, num_steps, dtype, paths)
    want = run_keras(keras_optimizer, params, steps, **options)
    got = run_ours(optimizer, params, steps, **options)
    assert all(got[path].dtype == dtype for path in params)
    unequal = sum(int(np.sum(got[path] != want[path])) for path in params)
    return unequal, max(relative_error(got[path], want[path], params[path]) for path in params)


def relative_error(got, want, start):
    travelled = np.max(np.abs(want - start))
    assert travelled > 0, "nothing moved: this compares nothing"
    return np.max(np.abs(got - want)) / travelled


@pytest.fixture
def float64():
    keras.config.set_floatx("float64")
    try:
        with jax.enable_x64(True):
            yield
    finally:
        keras.config.set_floatx("float32")


@pytest.mark.parametrize(("class_name", "arguments"), BIT_EQUAL, ids=case_id)
def test_float32_is_bit_equal(class_name, arguments):
    unequal, _ = compare(class_name, theirs(class_name, arguments), ours(class_name, arguments), "float32")
    assert unequal == 0


@pytest.mark.parametrize(("class_name", "arguments"), BIT_EQUAL, ids=case_id)
def test_one_parameter_alone_is_bit_equal(class_name, arguments):
    """A compiler inverts a scalar divisor that has no other use."""
    optimizer = ours(class_name, {**arguments, "loss_scale_factor": 3.0})
    keras_optimizer = theirs(class_name, {**arguments, "loss_scale_factor": 3.0})
    unequal, _ = compare(class_name, keras_optimizer, optimizer, "float32", 20, paths=("out/kernel",))
    assert unequal == 0


@pytest.mark.parametrize(("class_name", "arguments"), ROUNDED, ids=case_id)
def test_float32_is_equal_to_rounding(class_name, arguments):
    _, error = compare(class_name, theirs(class_name, arguments), ours(class_name, arguments), "float32", 50)
    assert error <= (MUON_BOUND if class_name == "Muon" else FLOAT32_BOUND)


@pytest.mark.parametrize(("class_name", "arguments"), BIT_EQUAL + ROUNDED, ids=case_id)
def test_float64(class_name, arguments, float64):
    _, error = compare(class_name, theirs(class_name, arguments), ours(class_name, arguments), "float64", 25)
    assert error <= FLOAT64_BOUND


@pytest.mark.parametrize("class_name", ["Adam", "Nadam", "SGD", "Adagrad"])
def test_exact_constants_differ_from_keras_in_float64(class_name, float64):
    """The rounding of constants matters: without it the same comparison fails."""
    arguments = {"momentum": 0.9} if class_name == "SGD" else {}
    exact = ours(class_name, {**arguments, "constants": "exact"})
    _, error = compare(class_name, theirs(class_name, arguments), exact, "float64", 25)
    assert 1e-9 < error < 1e-3


def test_optax_adam_fails_the_same_comparison():
    """The comparison is able to fail: optax's Adam has epsilon elsewhere."""
    planted = optimizers.get(optax.adam(1e-3, eps=1e-7))
    _, error = compare("Adam", theirs("Adam", {}), planted, "float32", 20)
    assert error > 0.05


@pytest.mark.parametrize(
    ("class_name", "common"),
    [("Adam", common) for common in COMMON]
    + [(name, "all") for name in ("SGD", "Lamb", "Ftrl", "Nadam", "Muon", "ScheduleFreeAdamW")],
    ids=str,
)
def test_common_options(class_name, common, float64):
    arguments = COMMON[common]
    keras_optimizer = theirs(class_name, arguments)
    _, error = compare(
        common, keras_optimizer, ours(class_name, arguments), "float64", 14, finalize="use_ema" in arguments
    )
    assert error <= FLOAT64_BOUND


@pytest.mark.parametrize("common", ["clipvalue", "average", "overwrite", "accumulate"])
def test_common_options_without_sums_are_bit_equal(common):
    arguments = COMMON[common]
    unequal, _ = compare(common, theirs("Adam", arguments), ours("Adam", arguments), "float32", 30)
    assert unequal == 0


@pytest.mark.parametrize("patterns", [["bias"], ["^out", "h/bias"], ["kernel$"]], ids=case_id)
@pytest.mark.parametrize("class_name", ["SGD", "AdamW"])
def test_exclusion_from_decay_searches_the_path(class_name, patterns):
    keras_optimizer = theirs(class_name, {"weight_decay": 0.5})
    # Keras's names on this backend end in ":0".
    keras_optimizer.exclude_from_weight_decay(var_names=[p.replace("$", ":0$") for p in patterns])
    optimizer = ours(class_name, {"weight_decay": 0.5, "exclude_from_weight_decay": patterns})
    unequal, _ = compare("exclude", keras_optimizer, optimizer, "float32", 10)
    assert unequal == 0


@pytest.mark.parametrize("pattern", ["^kernel", "out"])
def test_muon_searches_the_leaf_name(pattern, float64):
    keras_optimizer = theirs("Muon", {"weight_decay": 0.5, "adam_weight_decay": 0.3})
    keras_optimizer.exclude_from_weight_decay(var_names=[pattern])
    arguments = {"weight_decay": 0.5, "adam_weight_decay": 0.3, "exclude_from_weight_decay": [pattern]}
    _, error = compare("muon", keras_optimizer, ours("Muon", arguments), "float64", 10)
    assert error <= FLOAT64_BOUND


@pytest.mark.parametrize("steps", [None, 3])
@pytest.mark.parametrize("class_name", ["SGD", "Adam"])
def test_schedule_counts_every_call(class_name, steps):
    arguments = {"weight_decay": 0.1, "gradient_accumulation_steps": steps}
    if class_name == "SGD":
        arguments["momentum"] = 0.9
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 4, 0.5)
    keras_optimizer = theirs(class_name, {**arguments, "learning_rate": rate})
    mine = schedules.exponential_decay(0.1, 4, 0.5)
    optimizer = ours(class_name, {**arguments, "learning_rate": mine})
    unequal, error = compare("schedule", keras_optimizer, optimizer, "float32", 20)
    # The schedule itself is a power of float32 numbers and may be one unit off.
    assert error <= 1e-6, unequal


def test_constraint_comes_last():
    arguments = COMMON["average"]
    params, steps = make_case("constraint", 12, "float32")
    variables_limit = keras.constraints.NonNeg()
    want = run_keras(theirs("Adam", arguments), params, steps, constraint=variables_limit)
    got = run_ours(
        ours("Adam", arguments), params, steps, lambda tree: jax.tree.map(lambda w: jnp.maximum(w, 0), tree)
    )
    assert all(np.array_equal(got[path], want[path]) for path in params)
    want = run_keras(theirs("Adam", arguments), params, steps, constraint=variables_limit, finalize=True)
    assert min(np.min(value) for value in want.values()) < 0, "the average saw no unconstrained value"


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_parameter_without_gradient_is_left_alone():
    arguments = {"weight_decay": 0.1, "use_ema": True, "momentum": 0.9}
    params, steps = make_case("missing", 6, "float32")
    for grads in steps:
        grads["out/bias"] = None
    want = run_keras(theirs("SGD", arguments), params, steps)
    got = run_ours(ours("SGD", arguments), params, steps)
    assert all(np.array_equal(got[path], want[path]) for path in params)
    assert np.array_equal(got["out/bias"], params["out/bias"])


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_loss_scale_skips_what_is_not_finite(bad):
    params, steps = make_case("loss_scale", 12, "float32")
    steps[4]["h/kernel"][0, 0] = bad
    inner = keras.optimizers.Adam(1e-2)
    keras_optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=64.0, dynamic_growth_steps=3)
    optimizer = optimizers.loss_scale(optimizers.adam(1e-2), 64.0, 3)
    want = run_keras(keras_optimizer, params, steps)
    got = run_ours(optimizer, params, steps)
    assert all(np.array_equal(got[path], want[path]) for path in params)
    state, step = optimizer.init(nested(params)), jax.jit(optimizer.rule.apply)
    for grads in steps:
        _, state = step(nested(grads), state, nested(params))
    assert float(state.shared["dynamic_scale"]) == float(keras_optimizer.dynamic_scale.numpy())
    assert int(state.shared["step_counter"]) == int(keras_optimizer.step_counter.numpy())
    assert int(state.count) == int(keras_optimizer.iterations.numpy())


def test_multi_routes_like_keras():
    routes = {".*/bias": "SGD", "out/kernel": "Lion"}
    keras_routes = keras.optimizers.OptimizerMap(
        keras.optimizers.Adam(), {key: getattr(keras.optimizers, name)() for key, name in routes.items()}
    )
    optimizer = optimizers.multi(
        {key: optimizers.get(name) for key, name in routes.items()}, default=optimizers.adam()
    )
    unequal, _ = compare("multi", keras.optimizers.MultiOptimizer(keras_routes), optimizer, "float32", 20)
    assert unequal == 0


@pytest.mark.parametrize("class_name", ["RMSprop", "Adagrad"])
def test_rewritten_graph_differs_from_keras_itself(class_name):
    """The known difference of the module's docstring: up to 3e-5 of the distance, measured."""
    params, steps = make_case(class_name, 100, "float32")
    plain = run_keras(theirs(class_name, {}), params, steps)
    rewritten = run_keras(theirs(class_name, {}), params, steps, graph=contextlib.nullcontext)
    assert 0 < max(relative_error(rewritten[path], plain[path], params[path]) for path in params) < 1e-4


def test_graph_as_written_is_eager():
    params, steps = make_case("eager", 10, "float32")
    optimizer = theirs("RMSprop", {})
    variables = keras_variables(params)
    for grads in steps:
        optimizer.apply([tf.constant(grad) for grad in grads.values()], variables)
    want = run_keras(theirs("RMSprop", {}), params, steps)
    for path, variable in zip(params, variables, strict=True):
        assert np.array_equal(variable.numpy(), want[path])


@pytest.mark.parametrize("class_name", sorted({name for name, _ in BIT_EQUAL + ROUNDED}))
def test_config_is_that_of_keras(class_name):
    want = theirs(class_name, {"learning_rate": 0.5}).get_config()
    got = ours(class_name, {"learning_rate": 0.5}).config()
    # Keras counts the objects of a process in their names: adam, adam_1, ...
    assert want.pop("name").startswith(got.pop("name"))
    assert got == want
    assert ours(class_name, want).config() == {**want, "name": ours(class_name, {}).name}


def test_wrappers_serialize_as_keras_does():
    inner = {"learning_rate": 0.5, "name": "inner"}
    want = keras.optimizers.serialize(
        keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(**inner), name="outer")
    )
    got = optimizers.serialize(optimizers.loss_scale(optimizers.sgd(**inner), name="outer"))
    assert got == want
    routes = keras.optimizers.OptimizerMap(
        keras.optimizers.SGD(**inner), {"a": keras.optimizers.SGD(**inner)}
    )
    want = keras.optimizers.serialize(keras.optimizers.MultiOptimizer(routes, name="outer"))
    mine = optimizers.multi({"a": optimizers.sgd(**inner)}, default=optimizers.sgd(**inner), name="outer")
    assert optimizers.serialize(mine) == want
    assert optimizers.serialize(optimizers.from_config(want["class_name"], want["config"])) == want


def test_slots_are_keras_variables():
    """What a file keeps: names, order of the slots, and values after some steps."""
    params, steps = make_case("slots", 5, "float32")
    keras_optimizer = theirs("Adam", {"amsgrad": True})
    run_keras(keras_optimizer, params, steps)
    optimizer = ours("Adam", {"amsgrad": True})
    tree, state = nested(params), optimizer.init(nested(params))
    step = jax.jit(optimizer.rule.apply)
    for grads in steps:
        tree, state = step(nested(grads), state, tree)
    own = keras_optimizer.variables[2:]
    momenta, velocities, hats = own[0:8:2], own[1:8:2], own[8:]
    for name, variables in (("momentum", momenta), ("velocity", velocities), ("velocity_hat", hats)):
        got = flattened(state.slots[name])
        for path, variable in zip(SHAPES, variables, strict=True):
            assert np.array_equal(got[path], variable.numpy())


@pytest.mark.parametrize(
    "arguments",
    [
        {"clipnorm": 1.0, "clipvalue": 1.0},
        {"gradient_accumulation_steps": 1},
        {"use_ema": True, "ema_momentum": 1.5},
        {"use_ema": True, "ema_overwrite_frequency": -1},
        {"momentum": 1.5},
        {"learning_rate": "fast"},
        {"unknown": 1},
    ],
    ids=case_id,
)
def test_both_refuse(arguments):
    with pytest.raises((TypeError, ValueError)):
        theirs("SGD", arguments)
    with pytest.raises((TypeError, ValueError)):
        ours("SGD", arguments)
