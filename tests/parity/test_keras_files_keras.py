"""Keras files against the installed Keras: it opens what jaxgd writes, and jaxgd reads what it writes."""

import warnings

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from keras_twins import precision
from optimizer_round_trips import KERAS_OPTIMIZERS, ROWS, keras_model, make_data, round_trip, train

import jaxgd
from jaxgd import activations, initializers, layers, losses, optimizers
from jaxgd.keras_files import KerasFileError, KerasTraining, load, save
from jaxgd.keras_files.compiling import _LOSSES_THAT_ARE_METRICS
from jaxgd.keras_files.optimizer_state import trainable_part
from jaxgd.metrics import class_names, snake_case


def _open(path):
    """What Keras loads; a warning is a failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="__array__ implementation", category=DeprecationWarning)
        return keras.models.load_model(path)


def _same_variables(one, other):
    return len(one) == len(other) and all(
        np.array_equal(a.numpy(), b.numpy()) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("name", KERAS_OPTIMIZERS)
def test_keras_goes_on_bit_for_bit_from_what_jaxgd_writes(tmp_path, name):
    """Keras's file through jaxgd and back: 20 further full-batch steps are those of the original."""
    original = keras_model(KERAS_OPTIMIZERS[name]())
    train(original, 3)
    original.save(tmp_path / "keras.keras")
    save(tmp_path / "jaxgd.keras", *load(tmp_path / "keras.keras"))
    copy = _open(tmp_path / "jaxgd.keras")
    copy.run_eagerly = True
    assert 3 in [int(each.numpy()) for each in copy.optimizer.variables if each.dtype == "int64"]
    assert _same_variables(copy.variables, original.variables)
    assert _same_variables(copy.optimizer.variables, original.optimizer.variables)
    if name != "several":  # its keys lose the model's name, which Keras's own paths lose when it reads a file
        assert copy.optimizer.get_config() == original.optimizer.get_config()
    before = original.get_weights()
    train(original, 20)
    train(copy, 20)
    assert not np.array_equal(before[0], original.get_weights()[0])
    assert _same_variables(copy.variables, original.variables)
    assert _same_variables(copy.optimizer.variables, original.optimizer.variables)


# Norms, matrix products and powers of the two libraries differ in their last bits; the rest is bit-equal.
ROUNDED = ("momentum", "adamw", "adafactor", "ftrl", "lamb", "muon")


@pytest.mark.parametrize("name", KERAS_OPTIMIZERS)
def test_optimizer_of_keras_goes_on_in_jaxgd(tmp_path, name):
    """20 further updates with equal gradients: every slot went where it belongs."""
    original = keras_model(KERAS_OPTIMIZERS[name]())
    train(original, 3)
    original.save(tmp_path / "keras.keras")
    model, params, training = load(tmp_path / "keras.keras")
    state, moving = training.opt_state, trainable_part(model, params)
    start = _flat(model, moving)
    source = np.random.default_rng(1)
    apply = jax.jit(training.optimizer.rule.apply)
    for _ in range(20):
        drawn = [source.normal(size=each.shape).astype("float32") for each in original.trainable_variables]
        original.optimizer.apply(drawn, original.trainable_variables)
        moving, state = apply(_tree(model, moving, drawn), state, moving, None)
        moving = model.constrain(moving)
    for one, other, before in zip(_flat(model, moving), original.trainable_variables, start, strict=True):
        travelled = np.abs(other.numpy() - before).max()
        assert travelled > 0
        assert np.abs(one - other.numpy()).max() <= (1e-5 * travelled if name in ROUNDED else 0.0)
    assert int(state.count) == 23


def _order(model, moving):
    for name in model.names:
        for leaf in ("kernel", "bias", "gamma", "beta"):
            if moving.get(name, {}).get(leaf) is not None:
                yield name, leaf


def _flat(model, moving):
    return [np.asarray(moving[name][leaf]) for name, leaf in _order(model, moving)]


def _tree(model, moving, values):
    tree = {name: dict.fromkeys(leaves) for name, leaves in moving.items()}
    for (name, leaf), value in zip(_order(model, moving), values, strict=True):
        tree[name][leaf] = jnp.asarray(value)
    return tree


def test_training_of_keras_goes_on_in_fit(tmp_path):
    """20 full-batch epochs from Keras's file in float64: the parameters that Keras reaches."""
    with precision("float64"):
        original = keras_model(keras.optimizers.Adam(0.01))
        train(original, 5)
        original.save(tmp_path / "keras.keras")
        model, params, training = load(tmp_path / "keras.keras")
        x, y = make_data()
        result = jaxgd.fit(
            model,
            x,
            y,
            loss=training.loss,
            optimizer=training.optimizer,
            state=training.state(params, key=model.key(0)),
            epochs=20,
            batch_size=ROWS,
            shuffle=False,
        )
        train(original, 20)
        expected = original.get_weights()
        found = [result.params[n][leaf] for n in model.names for leaf in _leaves(result.params[n])]
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert np.abs(np.asarray(one) - other).max() <= 1e-12 * np.abs(other).max()


def _leaves(leaves):
    order = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")
    return [leaf for leaf in order if leaf in leaves]


def test_every_layer_of_keras_is_read_and_written(tmp_path):
    """One model of all layers, with settings: equal predictions in Keras, jaxgd, and Keras again."""
    keras.utils.set_random_seed(1)
    k = keras.layers
    model = keras.Sequential(
        [
            k.Input((2, 4)),
            k.Flatten(),
            k.Normalization(mean=[0.5] * 8, variance=[2.0] * 8),
            k.Normalization(name="measured"),
            k.Rescaling(0.5, offset=0.25),
            k.Dense(6, activation=k.LeakyReLU(negative_slope=0.1), kernel_initializer="he_normal"),
            k.LeakyReLU(),
            k.LeakyReLU(negative_slope=0.2),
            k.ReLU(max_value=6.0),
            k.ELU(alpha=0.5),
            k.Softmax(),
            k.BatchNormalization(momentum=0.5, trainable=False),
            k.LayerNormalization(epsilon=0.01),
            k.BatchNormalization(scale=False),
            k.Dropout(0.5),
            k.Dropout(0.5, seed=3),
            k.GaussianNoise(0.5),
            k.Activation("gelu"),
            k.Dense(3, use_bias=False, name="last", activity_regularizer="l1", kernel_constraint="unit_norm"),
        ]
    )
    x = np.random.default_rng(0).normal(size=(ROWS, 2, 4)).astype("float32")
    model.get_layer("measured").adapt(x.reshape(ROWS, 8))
    model.compile(keras.optimizers.Adam(), "mean_squared_error", run_eagerly=True)
    model.train_on_batch(x, np.zeros((ROWS, 3), "float32"))
    expected = model.predict_on_batch(x)
    model.save(tmp_path / "keras.keras")
    ours, params, training = load(tmp_path / "keras.keras")
    found = np.asarray(ours.apply(params, x))
    assert np.abs(found - expected).max() <= 2e-6 * np.abs(expected).max()
    save(tmp_path / "jaxgd.keras", ours, params, training)
    copy = _open(tmp_path / "jaxgd.keras")
    copy.run_eagerly = True
    assert np.array_equal(copy.predict_on_batch(x), expected)
    for one, other in zip(copy.layers, model.layers, strict=True):
        assert one.name == other.name
        if isinstance(other, k.Softmax) or other.name == "leaky_re_lu_2":  # an activation with its defaults
            assert isinstance(one, k.Activation)
        else:
            assert type(one) is type(other)
            assert _settings(one) == _settings(other)
    assert _same_variables(copy.weights, model.weights)
    assert _same_variables(copy.optimizer.variables, model.optimizer.variables)


def _settings(layer):
    """A layer's configuration without the name of the layer that is its activation, which means nothing."""
    config = layer.get_config()
    if isinstance(config.get("activation"), dict):
        del config["activation"]["config"]["name"]
    return config


@pytest.mark.parametrize("name", [name for name in activations.names() if name != "threshold"])
def test_keras_opens_every_activation(tmp_path, name):
    chosen = activations.get(name, form="keras") if name == "sparsemax" else name
    model = jaxgd.sequential([layers.dense(4, chosen), layers.activation(chosen)], 3)
    params = model.init(0)
    save(tmp_path / "m.keras", model, params)
    x, _ = make_data()
    expected = _open(tmp_path / "m.keras").predict_on_batch(x)
    found = np.asarray(model.apply(params, x))
    assert np.abs(found - expected).max() <= 2e-6 * max(1.0, np.abs(expected).max())


def test_keras_opens_every_initializer(tmp_path):
    options = {
        "variance_scaling": {"scale": 2.0, "mode": "fan_out", "distribution": "uniform", "seed": 3},
        "constant": {"value": 0.5},
        "orthogonal": {"gain": 2.0},
    }
    stack = [
        layers.dense(
            3, kernel_initializer=initializers.get(name, **options[name]) if name in options else name
        )
        for name in initializers.names()
    ]
    model = jaxgd.sequential(stack, 3)
    params = model.init(0)
    save(tmp_path / "m.keras", model, params)
    copy = _open(tmp_path / "m.keras")
    copy.save(tmp_path / "k.keras")
    assert load(tmp_path / "k.keras")[0] == model


def _loss_names():
    return sorted({losses.class_name(name) for name in losses.names().values()})


@pytest.mark.parametrize("class_name", _loss_names())
def test_keras_opens_every_loss(tmp_path, class_name):
    model = jaxgd.mlp([3, 2], output_activation="softmax")
    loss = losses.get(class_name, reduction="sum")
    save(tmp_path / "m.keras", model, model.init(0), KerasTraining(loss, "sgd"))
    copy = _open(tmp_path / "m.keras")
    assert type(copy.loss).__name__ == class_name
    assert copy.loss.reduction == "sum"
    copy.save(tmp_path / "k.keras")
    assert load(tmp_path / "k.keras")[2].loss == loss


def test_keras_opens_every_metric(tmp_path):
    options = {
        "SensitivityAtSpecificity": {"specificity": 0.5},
        "SpecificityAtSensitivity": {"sensitivity": 0.5},
        "PrecisionAtRecall": {"recall": 0.5},
        "RecallAtPrecision": {"precision": 0.5},
        "IoU": {"num_classes": 2, "target_class_ids": (0,)},
        "BinaryIoU": {"target_class_ids": (1,), "threshold": 0.25},
        "MeanIoU": {"num_classes": 2},
        "OneHotIoU": {"num_classes": 2, "target_class_ids": (0, 1)},
        "OneHotMeanIoU": {"num_classes": 2},
        "Precision": {"thresholds": 0.25},
        "AUC": {"num_thresholds": 50, "curve": "PR"},
        "FBetaScore": {"beta": 0.5, "average": "macro"},
    }
    of_losses = ("LogCoshError" if each == "LogCosh" else each for each in _LOSSES_THAT_ARE_METRICS)
    names = [*class_names(), *(each for each in of_losses if each not in class_names())]
    metrics = tuple(jaxgd.metrics.get(each, name=snake_case(each), **options.get(each, {})) for each in names)
    model = jaxgd.mlp([3, 2], output_activation="softmax")
    training = KerasTraining("crossentropy", "sgd", metrics=("accuracy", *metrics))
    save(tmp_path / "m.keras", model, model.init(0), training)
    copy = _open(tmp_path / "m.keras")
    copy.save(tmp_path / "k.keras")
    read = load(tmp_path / "k.keras")[2]
    assert read.loss == "crossentropy"
    assert read.metrics[0] == "accuracy"
    for each, found, expected in zip(names, read.metrics[1:], metrics, strict=True):
        assert found == expected, each


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_keras_opens_mixed_precision(tmp_path, dtype):
    model = jaxgd.mlp([3, 4, 2], dtype=dtype)
    params = model.init(0)
    save(tmp_path / "m.keras", model, params, KerasTraining("mse", "adam"))
    copy = _open(tmp_path / "m.keras")
    assert copy.layers[0].dtype_policy.name == dtype
    assert np.array_equal(copy.get_weights()[0], params["dense"]["kernel"])
    assert type(copy.optimizer).__name__ == "Adam"


def test_what_compile_puts_around_an_optimizer_is_read(tmp_path):
    """Keras's `compile` scales the loss of a mixed_float16 model, and its file does not say so."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        original = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        original.compile("adam", "mse", run_eagerly=True)
    finally:
        keras.config.set_dtype_policy("float32")
    x = make_data()[0][:, :3]
    original.train_on_batch(x, np.zeros((len(x), 2), "float32"))
    original.save(tmp_path / "k.keras")
    model, params, training = load(tmp_path / "k.keras")
    assert training.optimizer.rule.class_name == "LossScaleOptimizer"
    save(tmp_path / "m.keras", model, params, training)
    copy = _open(tmp_path / "m.keras")
    assert _same_variables(copy.optimizer.variables, original.optimizer.variables)


def test_float64(tmp_path):
    """A float64 model is one in Keras too, also while Keras's own default is float32."""
    with jax.enable_x64(True):
        leaky = activations.get("leaky_relu", negative_slope=0.125)
        model = jaxgd.mlp([3, 4, 2], leaky, dtype="float64")
        params = model.init(0)
        save(tmp_path / "m.keras", model, params, KerasTraining("mse", optimizers.adam(0.01)))
        opened = _open(tmp_path / "m.keras")
        first = opened.layers[0]
        assert first.dtype_policy.name == first.activation.dtype_policy.name == "float64"
        x = make_data()[0].astype("float64")
        found, expected = np.asarray(model.apply(params, x)), opened.predict_on_batch(x)
        assert found.dtype == expected.dtype == np.float64
        assert np.abs(found - expected).max() <= 1e-12 * np.abs(expected).max()
        opened.save(tmp_path / "k.keras")
        assert load(tmp_path / "k.keras")[0] == model


def test_compiled_but_not_trained(tmp_path):
    """Before the first update Keras's file may hold an optimizer without slots."""
    model = keras_model(keras.optimizers.Adam(0.25), keras.losses.mean_squared_error)
    model.save(tmp_path / "k.keras")
    ours, params, training = load(tmp_path / "k.keras")
    assert training.iterations == 0
    assert float(training.opt_state.hyperparameters["learning_rate"]) == 0.25
    assert training.loss == losses.get("mse")
    save(tmp_path / "m.keras", ours, params, training)
    assert int(_open(tmp_path / "m.keras").optimizer.iterations.numpy()) == 0


def test_classes_of_the_user_are_refused(tmp_path):
    class Dense(keras.layers.Dense):
        pass

    model = keras.Sequential([keras.layers.Input((3,)), Dense(2)])
    model.save(tmp_path / "k.keras")
    with pytest.raises(KerasFileError, match="not one of Keras's own"):
        load(tmp_path / "k.keras")


@pytest.mark.parametrize("name", ["adam", "several"])
def test_training_goes_on_in_the_other_and_back(tmp_path, name):
    """In float64: jaxgd, then Keras, then jaxgd again, beside jaxgd's uninterrupted run."""
    with precision("float64"):
        found = round_trip(name, tmp_path)
    assert found.through == 0.0
    assert max(found) <= 1e-12
