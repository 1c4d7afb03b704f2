"""`fit`, `evaluate` and `predict` against the installed Keras: history, parameters, stopping."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from keras_twins import keras_model, largest_difference, our_model, params_of, precision, relative_error

import jaxgd
from jaxgd.training import EarlyStopping

ROWS, FEATURES, CLASSES, EPOCHS, SEED = 23, 4, 3, 3, 5
"""23 rows in batches of 8: the last batch is short."""
TOLERANCE = {"float64": 1e-12, "float32": 2e-6}

HIDDEN = ("dense", {"units": 7, "activation": "tanh"})
SOFTMAX = ("dense", {"units": CLASSES, "activation": "softmax"})
LINEAR = ("dense", {"units": CLASSES})
REGULARIZED = (
    "dense",
    {
        "units": 7,
        "activation": "tanh",
        "kernel_regularizer": ("L2", {"l2": 0.02}),
        "bias_regularizer": ("L1", {"l1": 0.01}),
        "activity_regularizer": ("L2", {"l2": 0.03}),
    },
)
CONSTRAINED = (
    "dense",
    {
        "units": 7,
        "activation": "tanh",
        "kernel_constraint": ("MaxNorm", {"max_value": 0.7}),
        "bias_constraint": ("NonNeg", {}),
    },
)
ADAM = ("adam", {"learning_rate": 0.01})
WEIGHTED = {
    "sample_weight": "mixed",
    "weighted_metrics": ["accuracy"],
    "metrics": ["sparse_categorical_crossentropy"],
}

# name: (stack, optimizer, further arguments of fit)
CASES = {
    "plain": ([HIDDEN, SOFTMAX], ("sgd", {"learning_rate": 0.1}), {"metrics": ["accuracy"]}),
    "one_batch": ([HIDDEN, SOFTMAX], ADAM, {"batch_size": 64}),
    "weights_zero_and_fractional": ([HIDDEN, SOFTMAX], ADAM, WEIGHTED),
    "class_weight": (
        [HIDDEN, SOFTMAX],
        ADAM,
        {
            "class_weight": {0: 0.25, 2: 3.0},
            "metrics": ["accuracy"],
            "weighted_metrics": ["sparse_categorical_accuracy"],
        },
    ),
    "validation_split": ([HIDDEN, SOFTMAX], ADAM, {"validation_split": 0.3, "sample_weight": "mixed"}),
    "validation_split_and_class_weight": (
        [HIDDEN, SOFTMAX],
        ADAM,
        {"validation_split": 0.3, "class_weight": {0: 0.25, 2: 3.0}},
    ),
    "validation_data": ([REGULARIZED, SOFTMAX], ADAM, {"validation": "plain", "metrics": ["accuracy"]}),
    "validation_data_with_weights": (
        [HIDDEN, SOFTMAX],
        ADAM,
        {
            "validation": "weighted",
            "metrics": ["accuracy"],
            "weighted_metrics": ["sparse_categorical_accuracy"],
        },
    ),
    "regularizers": ([REGULARIZED, SOFTMAX], ADAM, {"metrics": ["accuracy"]}),
    "constraints": ([CONSTRAINED, SOFTMAX], ADAM, {}),
    "frozen_layer": ([("dense", {**REGULARIZED[1], "trainable": False}), SOFTMAX], ADAM, {}),
    "batch_normalization": (
        [HIDDEN, ("batch_normalization", {"momentum": 0.9}), ("activation", {"activation": "relu"}), SOFTMAX],
        ADAM,
        {"validation": "plain"},
    ),
    "frozen_batch_normalization": (
        [HIDDEN, ("batch_normalization", {"trainable": False}), SOFTMAX],
        ADAM,
        {},
    ),
    "dropout": ([HIDDEN, ("dropout", {"rate": 0.3}), SOFTMAX], ADAM, {"validation": "plain"}),
    "two_dropouts_and_noise": (
        [
            ("gaussian_noise", {"stddev": 0.2}),
            ("dropout", {"rate": 0.1}),
            HIDDEN,
            ("dropout", {"rate": 0.5, "seed": 77}),
            SOFTMAX,
        ],
        ADAM,
        {"metrics": ["accuracy"]},
    ),
    "dropout_behind_softmax": ([HIDDEN, SOFTMAX, ("dropout", {"rate": 0.2})], ADAM, {"validation": "plain"}),
    "layer_normalization": ([("layer_normalization", {}), HIDDEN, SOFTMAX], ADAM, {}),
    "rescaling": ([("rescaling", {"scale": 1 / 255, "offset": 0.1}), HIDDEN, SOFTMAX], ADAM, {}),
    "average_at_the_end": (
        [HIDDEN, SOFTMAX],
        ("adam", {"learning_rate": 0.01, "use_ema": True, "ema_momentum": 0.8}),
        {"validation": "plain"},
    ),
    "average_that_overwrites": (
        [HIDDEN, SOFTMAX],
        ("sgd", {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 2}),
        {},
    ),
    "accumulation": (
        [HIDDEN, SOFTMAX],
        ("adam", {"learning_rate": 0.01, "gradient_accumulation_steps": 2}),
        {},
    ),
    "clipping_and_decay": (
        [HIDDEN, SOFTMAX],
        ("adamw", {"learning_rate": 0.01, "weight_decay": 0.05, "global_clipnorm": 0.1}),
        {},
    ),
    "loss_scale": ([HIDDEN, SOFTMAX], ("adam", {"learning_rate": 0.01, "loss_scale_factor": 64.0}), {}),
    "regression": (
        [HIDDEN, LINEAR],
        ("sgd", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
        {
            "loss": "huber",
            "metrics": ["mae", "root_mean_squared_error", "r2_score"],
            "sample_weight": "mixed",
        },
    ),
    "one_output_of_rank_1": (
        [HIDDEN, ("dense", {"units": 1, "activation": "sigmoid"})],
        ("rmsprop", {"learning_rate": 0.01}),
        {"loss": "binary_crossentropy", "metrics": ["accuracy", "auc"]},
    ),
    "one_hot": (
        [HIDDEN, SOFTMAX],
        ADAM,
        {"loss": "categorical_crossentropy", "metrics": ["accuracy"], "class_weight": {1: 2.0}},
    ),
}
IN_FLOAT32 = (
    "plain",
    "weights_zero_and_fractional",
    "batch_normalization",
    "dropout",
    "two_dropouts_and_noise",
)
AS_GRAPHS = ("plain", "validation_data", "batch_normalization", "two_dropouts_and_noise", "accumulation")
"""What Keras runs as graphs, its default; tracing one takes longer than all its steps run eagerly."""


def make_targets(loss, rng):
    labels = rng.integers(0, CLASSES, ROWS)
    return {
        "sparse_categorical_crossentropy": labels,
        "categorical_crossentropy": np.eye(CLASSES)[labels],
        "binary_crossentropy": (labels > 0).astype(float),
        "huber": 3 * rng.standard_normal((ROWS, CLASSES)),
    }[loss]


def arguments_of_fit(extra, x, y, rng):
    """What both `fit`s are called with; metrics belong to `compile` in Keras."""
    given = {"epochs": EPOCHS, "batch_size": 8, "shuffle": False, **extra}
    weight = np.where(rng.uniform(size=ROWS) < 0.3, 0.0, rng.uniform(0.1, 3.0, ROWS))
    if given.get("sample_weight") == "mixed":
        given["sample_weight"] = weight
    kind = given.pop("validation", None)
    if kind is not None:
        held = slice(2, 15)
        given["validation_data"] = (x[held], y[held]) if kind == "plain" else (x[held], y[held], weight[held])
    compiled = {name: given.pop(name) for name in ("metrics", "weighted_metrics") if name in given}
    return given, compiled, given.pop("loss", "sparse_categorical_crossentropy")


def run_both(name, rng):
    """The twins after the same `fit`: (Keras model, its history, jaxgd model, its result)."""
    stack, (optimizer, numbers), extra = CASES[name]
    floatx = keras.config.floatx()
    loss = extra.get("loss", "sparse_categorical_crossentropy")
    x = rng.standard_normal((ROWS, FEATURES)).astype(floatx)
    y = make_targets(loss, rng)
    given, compiled, loss = arguments_of_fit(extra, x, y, rng)
    network, model = keras_model(stack, FEATURES, seed=SEED), our_model(stack, FEATURES)
    their_optimizer = keras.optimizers.get({"class_name": optimizer, "config": numbers})
    network.compile(optimizer=their_optimizer, loss=loss, run_eagerly=name not in AS_GRAPHS, **compiled)
    history = network.fit(x, y, verbose=0, **given).history
    ours = getattr(jaxgd.optimizers, optimizer)(**numbers)
    result = jaxgd.fit(model, x, y, optimizer=ours, loss=loss, seed=SEED, **given, **compiled)
    return network, history, model, result


def check(name, floatx, rng):
    network, history, model, result = run_both(name, rng)
    assert set(history) == set(result.history)
    for column, values in history.items():
        assert relative_error(result.history[column], values) <= TOLERANCE[floatx], column
    initial = keras_model(CASES[name][0], FEATURES, seed=SEED)
    assert largest_difference(result.params, initial, model) > 1e-3, "nothing was trained"
    assert largest_difference(result.params, network, model) <= TOLERANCE[floatx]
    assert np.ptp(history["loss"]) > 0


@pytest.mark.parametrize("name", CASES)
def test_fit_in_float64(name, rng):
    with precision("float64"):
        check(name, "float64", rng)


@pytest.mark.parametrize("name", IN_FLOAT32)
def test_fit_in_float32(name, rng):
    with precision("float32"):
        check(name, "float32", rng)


# name: (settings of both early stoppings, settings of ours alone)
STOPPINGS = {
    "patience_0": {},
    "patience_2": {"patience": 2},
    "min_delta": {"patience": 1, "min_delta": 0.01},
    "baseline": {"patience": 2, "baseline": 0.47},
    "baseline_and_min_delta": {"patience": 2, "baseline": 0.53, "min_delta": 0.02},
    "late_start": {"patience": 1, "start_from_epoch": 4},
    "never_started": {"patience": 0, "start_from_epoch": 99, "restore_best_weights": True},
    "restores": {"patience": 2, "restore_best_weights": True},
    "restores_late": {"patience": 3, "restore_best_weights": True, "start_from_epoch": 2, "min_delta": 0.03},
}


class Recorded:
    """A Keras model as far as EarlyStopping looks: its weights are the number of the epoch."""

    def __init__(self):
        self.weights, self.stop_training = [np.int32(-1)], False

    def get_weights(self):
        return list(self.weights)

    def set_weights(self, weights):
        self.weights = weights


def stop_in_keras(settings, mode, curve):
    """(epoch it stopped after or None, best epoch, weights at the end)."""
    model, callback = Recorded(), keras.callbacks.EarlyStopping("loss", mode=mode, **settings)
    callback.set_model(model)
    callback.on_train_begin()
    stopped = None
    for epoch, value in enumerate(curve):
        model.weights = [np.int32(epoch)]
        callback.on_epoch_end(epoch, {"loss": float(value)})
        if model.stop_training:
            stopped = epoch
            break
    callback.on_train_end()
    return stopped, callback.best_epoch, int(model.weights[0])


def stop_in_jaxgd(settings, mode, curve):
    stopping = EarlyStopping("loss", mode=mode, **settings)
    rule, numbers = stopping.rule("min"), stopping.numbers(curve.dtype)

    def after_epoch(progress, epoch_and_value):
        epoch, value = epoch_and_value
        new = rule.update(progress, value, epoch, epoch, numbers)
        new = jax.tree.map(lambda one, other: jnp.where(progress.stopped, one, other), progress, new)
        return new, new.stopped

    epochs = jnp.arange(len(curve), dtype=jnp.int32)
    start = rule.start(jnp.int32(-1), curve.dtype)
    progress, stopped = jax.jit(jax.lax.scan, static_argnums=0)(
        after_epoch, start, (epochs, jnp.asarray(curve))
    )
    end = int(np.argmax(stopped)) if stopped.any() else None
    last = len(curve) - 1 if end is None else end
    restored = progress.best_params is not None and bool(progress.seen)
    return end, int(progress.best_epoch), int(progress.best_params) if restored else last


def curves(dtype, rng):
    """Random walks, coarse ones (steps of 0.01, where min_delta ties), a plateau, and one with NaN."""
    yield rng.uniform(0.4, 0.6, 12).astype(dtype)
    yield (0.5 + 0.05 * np.cumsum(rng.standard_normal(12))).astype(dtype)
    for _ in range(2):
        yield (rng.integers(40, 60, 12) / 100).astype(dtype)
        yield ((50 + np.cumsum(rng.integers(-1, 2, 12))) / 100).astype(dtype)
    yield np.full(5, 0.5, dtype)
    yield np.array([0.5, 0.4, np.nan, 0.3, np.inf, 0.2, np.nan, np.nan, np.nan, np.nan], dtype)
    yield np.array([np.nan, 0.4, 0.3, 0.2, 0.1], dtype)


@pytest.mark.parametrize(("dtype", "mode"), [("float32", "min"), ("float32", "max"), ("float64", "auto")])
@pytest.mark.parametrize("name", STOPPINGS)
def test_early_stopping_rule(name, mode, dtype, rng):
    settings, ends = STOPPINGS[name], set()
    with jax.enable_x64(dtype == "float64"):
        for curve in curves(dtype, rng):
            expected = stop_in_keras(settings, mode, curve)
            assert stop_in_jaxgd(settings, mode, curve) == expected, curve
            ends.add(expected)
    assert len(ends) > 1, "every curve ended alike"


@pytest.mark.parametrize("restores", [False, True])
@pytest.mark.parametrize(
    ("monitor", "mode"), [("val_loss", "auto"), ("val_accuracy", "max"), ("loss", "max")]
)
def test_early_stopping_of_a_fit(monitor, mode, restores, rng):
    settings = {"monitor": monitor, "mode": mode, "patience": 2, "restore_best_weights": restores}
    with precision("float64"):
        x, y = rng.standard_normal((ROWS, FEATURES)), rng.integers(0, CLASSES, ROWS)
        held = rng.standard_normal((ROWS, FEATURES)), rng.integers(0, CLASSES, ROWS)
        stack = [HIDDEN, ("batch_normalization", {}), SOFTMAX]
        network, model = keras_model(stack, FEATURES, seed=SEED), our_model(stack, FEATURES)
        optimizer = {"class_name": "adam", "config": {"learning_rate": 0.1, "use_ema": True}}
        loss = "sparse_categorical_crossentropy"
        network.compile(optimizer=keras.optimizers.get(optimizer), loss=loss, metrics=["accuracy"])
        common = {"batch_size": 8, "epochs": 25, "shuffle": False, "validation_data": held}
        callback = keras.callbacks.EarlyStopping(**settings)
        history = network.fit(x, y, verbose=0, callbacks=[callback], **common).history
        result = jaxgd.fit(
            model,
            x,
            y,
            loss=loss,
            metrics=["accuracy"],
            optimizer=jaxgd.optimizers.adam(0.1, use_ema=True),
            seed=SEED,
            early_stopping=EarlyStopping(**settings),
            **common,
        )
        assert result.stopped_early
        assert result.history.epochs == len(history["loss"]) == callback.stopped_epoch + 1 < 25
        assert result.best_epoch == callback.best_epoch
        assert relative_error(result.history[monitor], history[monitor]) <= 1e-12
        assert largest_difference(result.params, network, model) <= 1e-12


LAST_LAYERS = {
    "sigmoid": ([("dense", {"units": 1, "activation": "sigmoid"})], "binary_crossentropy"),
    "sigmoid_apart": (
        [("dense", {"units": 1}), ("activation", {"activation": "sigmoid"})],
        "binary_crossentropy",
    ),
    "sigmoid_then_linear": (
        [("dense", {"units": 1, "activation": "sigmoid"}), ("activation", {"activation": "linear"})],
        "binary_crossentropy",
    ),
    "sigmoid_then_dropout": (
        [("dense", {"units": 1, "activation": "sigmoid"}), ("dropout", {"rate": 0.5})],
        "binary_crossentropy",
    ),
    "sigmoid_then_dropout_0": (
        [("dense", {"units": 1, "activation": "sigmoid"}), ("dropout", {"rate": 0.0})],
        "binary_crossentropy",
    ),
    "sigmoid_then_flatten": (
        [("dense", {"units": 1, "activation": "sigmoid"}), ("flatten", {})],
        "binary_crossentropy",
    ),
    "sigmoid_then_rescaling": (
        [("dense", {"units": 1, "activation": "sigmoid"}), ("rescaling", {"scale": 1.0})],
        "binary_crossentropy",
    ),
    "sigmoid_with_activity": (
        [("dense", {"units": 1, "activation": "sigmoid", "activity_regularizer": ("L2", {"l2": 0.1})})],
        "binary_crossentropy",
    ),
    "sigmoid_twice": (
        [("dense", {"units": 1, "activation": "sigmoid"}), ("activation", {"activation": "sigmoid"})],
        "binary_crossentropy",
    ),
    "sigmoid_focal": ([("dense", {"units": 1, "activation": "sigmoid"})], "binary_focal_crossentropy"),
    "softmax": ([("dense", {"units": 3, "activation": "softmax"})], "sparse_categorical_crossentropy"),
    "softmax_then_flatten": (
        [("dense", {"units": 3, "activation": "softmax"}), ("flatten", {})],
        "sparse_categorical_crossentropy",
    ),
    "relu": ([("dense", {"units": 1, "activation": "relu"})], "binary_crossentropy"),
}


@pytest.mark.parametrize("name", LAST_LAYERS)
def test_saturated_outputs(name):
    """Logits of +-60 and targets on both sides: gradients survive only where Keras sees the logits."""
    stack, loss = LAST_LAYERS[name]
    units = stack[0][1]["units"]
    x = 60.0 * np.concatenate([np.eye(4), -np.eye(4)])
    y = np.arange(8) % (2 if units == 1 else 3)
    with precision("float64"):
        network, model = keras_model(stack, 4, seed=SEED), our_model(stack, 4)
        kernel = np.array([[1.0, -1, 0.5], [-1, 1, 0], [0, 0.25, -1], [2, 0, -2]])[:, :units]
        network.layers[0].kernel.assign(kernel)
        params = params_of(network, model)
        network.compile(optimizer=keras.optimizers.SGD(0.125), loss=loss)
        before = network.evaluate(x, y, verbose=0, batch_size=8)
        ours = jaxgd.evaluate(model, params, x, y, loss=loss, batch_size=8)["loss"]
        assert relative_error(ours, before) <= 1e-12
        history = network.fit(x, y, epochs=2, batch_size=8, shuffle=False, verbose=0).history
        sgd = jaxgd.optimizers.sgd(0.125)
        result = jaxgd.fit(
            model,
            x,
            y,
            loss=loss,
            optimizer=sgd,
            epochs=2,
            batch_size=8,
            shuffle=False,
            seed=SEED,
            params=params,
        )
        assert relative_error(result.history["loss"], history["loss"]) <= 1e-12
        # Some biases stay at rounding errors around 0: differences count against all parameters together.
        ours, theirs = (ravel_pytree(tree)[0] for tree in (result.params, params_of(network, model)))
        assert relative_error(ours, theirs) <= 1e-12


def test_evaluate_and_predict(rng):
    """Batches that do not divide the rows; a regularizer of activities; weighted and plain metrics."""
    stack = [REGULARIZED, ("batch_normalization", {}), ("dropout", {"rate": 0.5}), SOFTMAX]
    with precision("float64"):
        x, y = rng.standard_normal((ROWS, FEATURES)), rng.integers(0, CLASSES, ROWS)
        weight = rng.uniform(0, 2, ROWS)
        network, model = keras_model(stack, FEATURES, seed=SEED), our_model(stack, FEATURES)
        loss = "sparse_categorical_crossentropy"
        both = {"metrics": ["accuracy"], "weighted_metrics": ["sparse_categorical_crossentropy"]}
        network.compile(loss=loss, **both)
        params = params_of(network, model)
        expected = network.evaluate(x, y, sample_weight=weight, batch_size=8, verbose=0, return_dict=True)
        values = jaxgd.evaluate(model, params, x, y, loss=loss, sample_weight=weight, batch_size=8, **both)
        assert set(values) == set(expected)
        for column, value in expected.items():
            assert relative_error(values[column], value) <= 1e-12, column
        outputs = jaxgd.predict(model, params, x, batch_size=7)
        assert relative_error(outputs, network.predict(x, batch_size=7, verbose=0)) <= 1e-12


class OfAUser:
    """One formula in both libraries; a metric sees targets as they were given, there as here."""

    def __init__(self, ops):
        self.ops, self.shapes = ops, set()

    def own_loss(self, y_true, y_pred):
        y_true = self.ops.cast(y_true, y_pred.dtype) if self.ops is keras.ops else y_true
        return self.ops.mean(self.ops.abs(y_true - y_pred) ** 1.5, axis=-1)

    def own_metric(self, y_true, y_pred):
        self.shapes.add((y_true.ndim, y_pred.ndim))
        y_true = self.ops.cast(y_true, y_pred.dtype) if self.ops is keras.ops else y_true
        return self.ops.abs(self.ops.reshape(y_true, (-1,)) - self.ops.reshape(y_pred, (-1,)))


@pytest.mark.parametrize("labels", ["floats", "ints"])
@pytest.mark.parametrize("targets", ["[rows]", "[rows, 1]"])
def test_own_loss_and_metric(labels, targets, rng):
    """Targets of rank 1 for an output [rows, 1]: the loss gets them as [rows, 1], the metric as they are."""
    stack = [HIDDEN, ("dense", {"units": 1})]
    with precision("float64"):
        x = rng.standard_normal((ROWS, FEATURES))
        y = rng.integers(0, 2, ROWS) if labels == "ints" else rng.standard_normal(ROWS)
        y = y if targets == "[rows]" else y[:, None]
        network, model = keras_model(stack, FEATURES, seed=SEED), our_model(stack, FEATURES)
        theirs, ours = OfAUser(keras.ops), OfAUser(jnp)
        params, common = params_of(network, model), {"batch_size": 8}
        network.compile(loss=theirs.own_loss, metrics=[theirs.own_metric], run_eagerly=True)
        expected = network.evaluate(x, y, verbose=0, return_dict=True, **common)
        own = {"loss": ours.own_loss, "metrics": [ours.own_metric]}
        found = jaxgd.evaluate(model, params, x, y, **own, **common)
        assert relative_error(found["loss"], expected["loss"]) <= 1e-12
        assert relative_error(found["own_metric"], expected["own_metric"]) <= 1e-12
        assert ours.shapes == theirs.shapes
        network.compile(optimizer=keras.optimizers.SGD(0.1), loss=theirs.own_loss, run_eagerly=True)
        history = network.fit(x, y, epochs=EPOCHS, shuffle=False, verbose=0, **common).history
        common |= {"epochs": EPOCHS, "shuffle": False, "seed": SEED, "optimizer": jaxgd.optimizers.sgd(0.1)}
        result = jaxgd.fit(model, x, y, loss=ours.own_loss, **common)
        assert relative_error(result.history["loss"], history["loss"]) <= 1e-12
        assert largest_difference(result.params, network, model) <= 1e-12
        objective = jaxgd.make_objective(model, ours.own_loss)
        value, _ = objective(params, {"x": jnp.asarray(x), "y": jnp.asarray(y)})
        assert relative_error(value, expected["loss"]) <= 1e-12


def test_a_run_goes_on_where_it_ended(rng):
    """`fit` twice is Keras's `fit` twice: step count, slots, dropout masks and epoch numbers go on."""
    stack = [HIDDEN, ("dropout", {"rate": 0.3}), SOFTMAX]
    with precision("float64"):
        x, y = rng.standard_normal((ROWS, FEATURES)), rng.integers(0, CLASSES, ROWS)
        network, model = keras_model(stack, FEATURES, seed=SEED), our_model(stack, FEATURES)
        loss, common = "sparse_categorical_crossentropy", {"batch_size": 8, "shuffle": False}
        network.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss)
        network.fit(x, y, epochs=2, verbose=0, **common)
        history = network.fit(x, y, epochs=5, initial_epoch=2, verbose=0, **common).history
        common |= {"loss": loss, "optimizer": jaxgd.optimizers.adam(0.01), "seed": SEED}
        first = jaxgd.fit(model, x, y, epochs=2, **common)
        second = jaxgd.fit(model, x, y, epochs=5, initial_epoch=2, state=first.state, **common)
        assert relative_error(second.history["loss"], history["loss"]) <= 1e-12
        assert largest_difference(second.params, network, model) <= 1e-12
