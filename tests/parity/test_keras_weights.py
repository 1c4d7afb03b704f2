"""Weights alone and legacy `.h5` files against the installed Keras; optimizers that have not seen a step."""

import warnings

import keras
import numpy as np
import pytest

import jaxgd
from jaxgd import layers, optimizers
from jaxgd.keras_files import KerasFileError, KerasTraining, load, save

ROWS = 16


def _data():
    source = np.random.default_rng(0)
    x = source.normal(size=(ROWS, 3)).astype("float32")
    return x, source.uniform(0.1, 0.9, size=(ROWS, 2)).astype("float32")


def _keras_model(optimizer=None):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Input((3,)),
            keras.layers.Normalization(mean=[0.5, 0.0, 1.0], variance=[1.0, 2.0, 4.0]),
            keras.layers.Dense(6, activation="tanh", name="first"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.0),
            keras.layers.Dense(4, trainable=False),
            keras.layers.Dense(2),
        ]
    )
    model.compile(optimizer or keras.optimizers.Adam(0.01), "mean_squared_error", run_eagerly=True)
    return model


def _train(model, steps):
    x, y = _data()
    for _ in range(steps):
        model.train_on_batch(x, y)


def _same(one, other):
    return len(one) == len(other) and all(
        np.array_equal(a.numpy(), b.numpy()) for a, b in zip(one, other, strict=True)
    )


def _quietly_loaded(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="__array__ implementation", category=DeprecationWarning)
        return keras.models.load_model(path)


OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.01),
    "scheduled": lambda: keras.optimizers.SGD(
        keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5), momentum=0.5
    ),
    "averaged": lambda: keras.optimizers.RMSprop(0.01, use_ema=True, gradient_accumulation_steps=2),
    "loss_scale": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Nadam(0.01)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_legacy_file_holds_what_the_newer_one_holds(tmp_path, name):
    """`.h5` and `.keras` of one model, and Keras goes on from what jaxgd makes of the older."""
    original = _keras_model(OPTIMIZERS[name]())
    _train(original, 3)
    original.save(tmp_path / "m.keras")
    original.save(tmp_path / "m.h5")
    save(tmp_path / "new.keras", *load(tmp_path / "m.keras"))
    model, params, training = load(tmp_path / "m.h5")
    assert model == load(tmp_path / "m.keras")[0]
    save(tmp_path / "old.keras", model, params, training)
    one, other = (_quietly_loaded(tmp_path / f"{each}.keras") for each in ("old", "new"))
    assert _same(one.variables, original.variables)
    assert _same(one.optimizer.variables, original.optimizer.variables)
    assert one.optimizer.get_config() == other.optimizer.get_config()


def test_weights_of_keras_are_read_with_and_without_the_optimizer(tmp_path):
    original = _keras_model()
    _train(original, 3)
    original.save(tmp_path / "m.keras")
    original.save_weights(tmp_path / "m.weights.h5")
    model, _, training = load(tmp_path / "m.keras")
    _, read, nothing = load(tmp_path / "m.weights.h5", model=model)
    assert nothing is None
    settings = KerasTraining("mse", training.optimizer)
    _, again, state = load(tmp_path / "m.weights.h5", model=model, training=settings)
    for found in (read, again):
        save(tmp_path / "n.keras", model, found, training)
        assert _same(_quietly_loaded(tmp_path / "n.keras").variables, original.variables)
    assert state.iterations == 3
    assert np.array_equal(
        state.opt_state.slots["velocity"]["first"]["kernel"],
        training.opt_state.slots["velocity"]["first"]["kernel"],
    )
    other = KerasTraining("mse", optimizers.adam(amsgrad=True))
    with pytest.raises(KerasFileError, match="missing 'optimizer/vars/"):
        load(tmp_path / "m.weights.h5", model=model, training=other)
    with pytest.raises(KerasFileError, match="weights alone"):
        load(tmp_path / "m.weights.h5")
    with pytest.raises(KerasFileError, match="model of its own"):
        load(tmp_path / "m.keras", model=model)


def test_keras_reads_the_weights_that_jaxgd_writes(tmp_path):
    """The state of the optimizer too, once Keras's optimizer is built; no warning then."""
    original = _keras_model()
    _train(original, 3)
    original.save(tmp_path / "m.keras")
    save(tmp_path / "m.weights.h5", *load(tmp_path / "m.keras"))
    copy = _keras_model()
    copy.optimizer.build(copy.trainable_variables)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copy.load_weights(tmp_path / "m.weights.h5")
    assert _same(copy.variables, original.variables)
    assert _same(copy.optimizer.variables, original.optimizer.variables)


WRAPPERS = {
    "loss_scale": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.25)),
    "several": lambda: keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(keras.optimizers.Adam(0.25), {".*bias": keras.optimizers.SGD(0.5)})
    ),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_wrappers_before_their_first_step(tmp_path, name):
    """What Keras saves then has no slots; jaxgd starts from the state before the first update."""
    original = _keras_model(WRAPPERS[name]())
    original.save(tmp_path / "k.keras")
    model, params, training = load(tmp_path / "k.keras")
    assert training.iterations == 0
    save(tmp_path / "m.keras", model, params, training)
    copy = _quietly_loaded(tmp_path / "m.keras")
    copy.run_eagerly = True
    _train(original, 5)
    _train(copy, 5)
    assert _same(copy.variables, original.variables)
    assert _same(copy.optimizer.variables, original.optimizer.variables)


def _routed(key):
    """A model of Keras, compiled, in which one optimizer is for the paths that match `key`."""
    routes = {key: keras.optimizers.SGD(0.1, momentum=0.5)}
    routed = keras.optimizers.OptimizerMap(keras.optimizers.Adam(0.01), routes)
    stack = [keras.layers.Input((3,)), keras.layers.Dense(4, "tanh", name="first"), keras.layers.Dense(2)]
    model = keras.Sequential(stack, name="net")
    model.compile(keras.optimizers.MultiOptimizer(routed), "mean_squared_error", run_eagerly=True)
    return model


def _kernel_after_a_step(path):
    """The first kernel after one step in jaxgd from a file."""
    x, y = _data()
    model, params, training = load(path)
    start = training.state(params)
    settings = {"epochs": 1, "batch_size": len(x), "shuffle": False}
    result = jaxgd.fit(model, x, y, loss="mse", optimizer=training.optimizer, state=start, **settings)
    return np.asarray(result.params["first"]["kernel"])


def test_keys_of_several_optimizers_mean_what_they_mean_once_keras_has_loaded_the_file(tmp_path):
    """There a path has no model's name before it, so that a key matches which matched nothing before."""
    original = _routed("first/kernel")
    original.save(tmp_path / "m.keras")
    with pytest.warns(UserWarning, match="Skipping variable loading"):
        loaded = keras.models.load_model(tmp_path / "m.keras")
    loaded.run_eagerly = True
    ours = _kernel_after_a_step(tmp_path / "m.keras")
    _train(original, 1)
    _train(loaded, 1)
    assert np.abs(ours - loaded.layers[0].kernel).max() < 1e-7
    assert np.abs(ours - original.layers[0].kernel).max() > 1e-3


def test_a_state_that_the_loaded_keys_do_not_fit_is_refused(tmp_path):
    """Keras drops it with a warning."""
    original = _routed("first/kernel")
    _train(original, 1)
    original.save(tmp_path / "m.keras")
    with pytest.raises(KerasFileError, match=r"keys 'first/kernel' match in a loaded model.*training=False"):
        load(tmp_path / "m.keras")


def test_keys_with_the_name_of_the_model_go_on_as_in_the_model_that_was_saved(tmp_path):
    """With their state, which Keras itself drops when it loads the file."""
    original = _routed("net/first/kernel")
    _train(original, 2)
    original.save(tmp_path / "m.keras")
    ours = _kernel_after_a_step(tmp_path / "m.keras")
    _train(original, 1)
    assert np.abs(ours - original.layers[0].kernel).max() < 1e-7


def test_schedule_free_starts_at_the_parameters_of_a_file_without_its_state(tmp_path):
    """Keras starts at other random weights then; what it has trained goes on from the file in both."""
    original = _keras_model(keras.optimizers.ScheduleFreeAdamW(0.01))
    original.save(tmp_path / "new.keras")
    with pytest.warns(UserWarning, match="Skipping variable loading"):
        loaded = keras.models.load_model(tmp_path / "new.keras")
    assert np.abs(_fast(loaded) - loaded.get_layer("first").kernel).max() > 0.1
    model, params, training = load(tmp_path / "new.keras")
    assert np.array_equal(training.opt_state.slots["momentum"]["first"]["kernel"], params["first"]["kernel"])
    assert len(training.notes) == 1
    assert "starts it at zero, as schedule_free_adamw(starts_at_zero=True) does" in training.notes[0]

    _train(original, 3)
    original.save(tmp_path / "trained.keras")
    state = load(tmp_path / "trained.keras")[2].opt_state
    assert np.array_equal(state.slots["momentum"]["first"]["kernel"], _fast(original))
    from_zero = KerasTraining("mse", optimizers.schedule_free_adamw(0.01, starts_at_zero=True))
    save(tmp_path / "zero.keras", model, params, from_zero)
    assert not np.any(_fast(_quietly_loaded(tmp_path / "zero.keras")))


def _fast(model):
    """Keras's z of the first kernel."""
    path = "first_kernel_momentum"
    return next(each for each in model.optimizer.variables if each.path.endswith(path)).numpy()


def test_float64_weights(tmp_path, x64):
    model = jaxgd.sequential([layers.dense(3, "tanh"), layers.dense(2)], 3, dtype="float64")
    params = model.init(0)
    save(tmp_path / "m.weights.h5", model, params)
    copy = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(3, "tanh"), keras.layers.Dense(2)])
    copy.load_weights(tmp_path / "m.weights.h5")
    assert np.array_equal(copy.get_weights()[0], np.asarray(params["dense"]["kernel"], "float32"))
    read = load(tmp_path / "m.weights.h5", model=model)[1]
    assert np.array_equal(read["dense"]["kernel"], params["dense"]["kernel"])
