"""Bad input to library functions: refused before anything runs, with what was got and what was expected."""

import jax
import numpy as np
import optax
import pytest

import jaxgd
from jaxgd.training import EarlyStopping

MODEL = jaxgd.mlp([4, 3, 2])
CLASSIFIER = jaxgd.mlp([4, 3, 5], output_activation="softmax")
X = np.linspace(-1, 1, 24).reshape(6, 4)
Y = np.linspace(0, 1, 12).reshape(6, 2)
LABELS = np.arange(6) % 5
SPARSE = {"model": CLASSIFIER, "y": LABELS, "loss": "sparse_categorical_crossentropy"}


def fit(**changes):
    arguments = {
        "model": MODEL,
        "x": X,
        "y": Y,
        "loss": "mean_squared_error",
        "epochs": 1,
        "batch_size": 4,
        **changes,
    }
    model, x, y = (arguments.pop(name) for name in ("model", "x", "y"))
    return jaxgd.fit(model, x, y, **arguments)


def changed(labels, value):
    return np.where(np.arange(6) == 3, value, labels)


# (arguments, what the message must hold)
FIT_CASES = {
    "batch_size_0": ({"batch_size": 0}, ["batch_size", "at least 1", "0"]),
    "batch_size_negative": ({"batch_size": -3}, ["batch_size", "at least 1", "-3"]),
    "batch_size_fraction": ({"batch_size": 2.5}, ["batch_size", "integer", "2.5"]),
    "epochs_negative": ({"epochs": -1}, ["epochs", "at least 0", "-1"]),
    "epochs_fraction": ({"epochs": 1.5}, ["epochs", "integer", "1.5"]),
    "unknown_loss": ({"loss": "mean_square_error"}, ["loss", "'mean_square_error'", "mean_squared_error"]),
    "unknown_optimizer": ({"optimizer": "adma"}, ["optimizer", "'adma'", "adam"]),
    "unknown_metric": ({"metrics": ["acuracy"]}, ["metric", "'acuracy'", "ccuracy"]),
    "loss_of_no_kind": ({"loss": 3}, ["loss", "3"]),
    "x_of_rank_1": ({"x": X[:, 0]}, ["x", "[rows, 4]", "[6]"]),
    "x_of_rank_3": ({"x": X[:, None]}, ["x", "[rows, 4]", "[6, 1, 4]"]),
    "wrong_features": ({"x": X[:, :3]}, ["x", "[rows, 4]", "[6, 3]"]),
    "x_of_words": ({"x": np.full((6, 4), "a")}, ["x", "numbers", "<U1"]),
    "x_of_objects": ({"x": np.full((6, 4), None)}, ["x", "numbers", "object"]),
    "x_complex": ({"x": X * 1j}, ["x", "numbers", "complex"]),
    "lengths": ({"y": Y[:5]}, ["rows", "x: 6", "y: 5"]),
    "no_rows": ({"x": X[:0], "y": Y[:0]}, ["rows", "at least one", "none"]),
    "y_a_number": ({"y": 3.0}, ["x: 6", "y: 0"]),
    "y_of_words": ({"y": np.full(6, "a")}, ["y", "numbers"]),
    "y_of_other_width": ({"y": np.zeros((6, 3))}, ["(1, 3)", "(1, 2)", "y as it was given"]),
    "metrics_one_name": ({"metrics": "mae"}, ["metrics", "list", "'mae'"]),
    "seed_none": ({"seed": None}, ["seed", "int", "None"]),
    "seed_bool": ({"seed": True}, ["seed", "int", "True"]),
    "stopping_number": ({"early_stopping": 5}, ["early_stopping", "EarlyStopping", "5"]),
    "label_of_text": ({**SPARSE, "class_weight": {"1": 9.0}}, ["class_weight", "integer", "'1'"]),
    "params_of_another_width": (
        {"params": jaxgd.mlp([4, 7, 2]).init(0)},
        ["params['dense']['", "7", "3"],
    ),
    "params_of_more_layers": (
        {"params": jaxgd.mlp([4, 3, 2, 2]).init(0)},
        ["params['dense_2']", "expected nothing"],
    ),
    "label_too_large": ({**SPARSE, "y": changed(LABELS, 5)}, ["5", "row"]),
    "label_negative": ({**SPARSE, "y": changed(LABELS, -1)}, ["-1", "row"]),
    "label_fraction": ({**SPARSE, "y": changed(LABELS, 1.5)}, ["1.5"]),
    "label_nan": ({**SPARSE, "y": changed(LABELS, np.nan)}, ["nan"]),
    "label_overflow": ({**SPARSE, "y": changed(LABELS, 2**40)}, ["y", "int32", str(2**40)]),
    "label_overflow_below": ({"y": np.full((6, 2), -(2**63))}, ["y", "int32", str(-(2**63))]),
    "weight_of_other_length": ({"sample_weight": np.ones(5)}, ["sample_weight: 5", "x: 6"]),
    "weight_nan": ({"sample_weight": [1, 1, np.nan, 1, 1, 1]}, ["sample_weight", "finite", "NaN"]),
    "weight_infinite": ({"sample_weight": [1, 1, np.inf, 1, 1, 1]}, ["sample_weight", "finite"]),
    "weight_rank_3": ({"sample_weight": np.ones((6, 1, 1))}, ["sample_weight", "[rows]", "[6, 1, 1]"]),
    "weight_a_number": ({"sample_weight": 2.0}, ["sample_weight", "single number"]),
    "both_weights": (
        {**SPARSE, "class_weight": {0: 1.0}, "sample_weight": np.ones(6)},
        ["class_weight", "sample_weight", "together"],
    ),
    "class_weight_negative": ({**SPARSE, "class_weight": {0: -1.0}}, ["class_weight[0]", "-1"]),
    "class_weight_nan": ({**SPARSE, "class_weight": {0: float("nan")}}, ["class_weight[0]", "finite"]),
    "split_leaves_nothing": (
        {"validation_split": 0.999},
        ["validation_split", "both sides", "0.999", "6 rows"],
    ),
    "split_takes_nothing": ({"validation_split": 1e-18}, ["validation_split", "both sides"]),
    "split_above_1": ({"validation_split": 1.5}, ["validation_split", "[0, 1]", "1.5"]),
    "split_nan": ({"validation_split": float("nan")}, ["validation_split", "finite"]),
    "validation_of_one": ({"validation_data": (X,)}, ["validation_data", "(x, y)", "1 items"]),
    "validation_features": ({"validation_data": (X[:, :2], Y)}, ["x", "[rows, 4]", "[6, 2]"]),
    "validation_lengths": ({"validation_data": (X, Y[:2])}, ["rows", "x: 6", "y: 2"]),
    "validation_width": ({"validation_data": (X, np.zeros((6, 3)))}, ["3", "2"]),
    "validation_labels": (
        {**SPARSE, "validation_data": (X, changed(LABELS, 7))},
        ["7"],
    ),
    "monitor_not_recorded": (
        {"early_stopping": EarlyStopping("val_loss")},
        ["monitor", "'val_loss'", "not recorded", "loss"],
    ),
    "monitor_of_vectors": (
        {"metrics": ["f1_score"], "early_stopping": EarlyStopping("f1_score", mode="max")},
        ["early_stopping", "f1_score", "one number"],
    ),
    "initial_epoch_negative": ({"initial_epoch": -1}, ["initial_epoch", "at least 0", "-1"]),
}


@pytest.mark.parametrize("name", FIT_CASES)
def test_fit_refuses(name):
    changes, fragments = FIT_CASES[name]
    with pytest.raises((ValueError, TypeError)) as refusal:
        fit(**changes)
    message = str(refusal.value)
    for fragment in fragments:
        assert fragment.lower() in message.lower(), message


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf"), "fast", True, None])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_learning_rate(optimizer, rate):
    with pytest.raises((ValueError, TypeError), match=r"learning_rate: expected .*got"):
        getattr(jaxgd.optimizers, optimizer)(learning_rate=rate)


MODEL_CASES = {
    "unknown_activation": (lambda: jaxgd.layers.dense(3, "rely"), ["activation", "'rely'", "relu"]),
    "unknown_output_activation": (
        lambda: jaxgd.mlp([2, 3], output_activation="sofmax"),
        ["'sofmax'", "softmax"],
    ),
    "unknown_initializer": (
        lambda: jaxgd.layers.dense(3, kernel_initializer="glorot"),
        ["initializer", "'glorot'", "glorot_"],
    ),
    "unknown_regularizer": (
        lambda: jaxgd.layers.dense(3, kernel_regularizer="l3"),
        ["regularizer", "'l3'", "l1"],
    ),
    "unknown_constraint": (
        lambda: jaxgd.layers.dense(3, kernel_constraint="max_nrom"),
        ["constraint", "'max_nrom'", "max_norm"],
    ),
    "units_0": (lambda: jaxgd.layers.dense(0), ["units", "at least 1", "0"]),
    "units_fraction": (lambda: jaxgd.layers.dense(2.5), ["units", "integer", "2.5"]),
    "units_bool": (lambda: jaxgd.layers.dense(True), ["units", "integer", "True"]),
    "one_size": (lambda: jaxgd.mlp([5]), ["sizes", "at least one layer", "[5]"]),
    "size_0": (lambda: jaxgd.mlp([5, 0, 1]), ["units", "at least 1"]),
    "input_size_0": (lambda: jaxgd.mlp([0, 1]), ["input_size", "at least 1", "0"]),
    "no_layers": (lambda: jaxgd.sequential([], 3), ["layers", "at least one"]),
    "not_a_layer": (
        lambda: jaxgd.sequential([jaxgd.layers.dense(1), "relu"], 3),
        ["layers[1]", "'relu'", "str"],
    ),
    "a_class": (lambda: jaxgd.sequential([jaxgd.layers.dense], 3), ["layers[0]", "expected a layer"]),
    "same_name": (
        lambda: jaxgd.sequential([jaxgd.layers.dense(1, name="a"), jaxgd.layers.dense(1, name="a")], 3),
        ["layers", "distinct", "'a'"],
    ),
    "given_name_is_taken": (
        lambda: jaxgd.sequential([jaxgd.layers.dense(1, name="dense"), jaxgd.layers.dense(1)], 3),
        ["layers", "distinct", "'dense'"],
    ),
    "unknown_dtype": (lambda: jaxgd.mlp([2, 1], dtype="float23"), ["dtype", "'float23'", "float32"]),
    "half_parameters": (lambda: jaxgd.mlp([2, 1], dtype="bfloat16"), ["bfloat16", "mixed_bfloat16"]),
    "float64_without_x64": (lambda: jaxgd.mlp([2, 1], dtype="float64"), ["float64", "jax_enable_x64"]),
    "unknown_precision": (
        lambda: jaxgd.mlp([2, 1], precision="hihgest"),
        ["precision", "'hihgest'", "highest"],
    ),
    "dropout_above_1": (lambda: jaxgd.layers.dropout(1.5), ["rate", "[0, 1]", "1.5"]),
    "dropout_nan": (lambda: jaxgd.layers.dropout(float("nan")), ["rate", "finite", "nan"]),
    "dropout_of_mlp": (lambda: jaxgd.mlp([2, 3, 1], dropout=-0.5), ["rate", "[0, 1]", "-0.5"]),
    "noise_negative": (lambda: jaxgd.layers.gaussian_noise(-1.0), ["stddev", "-1"]),
    "momentum": (lambda: jaxgd.layers.batch_normalization(momentum=1.5), ["momentum", "[0, 1]", "1.5"]),
    "epsilon": (lambda: jaxgd.layers.layer_normalization(epsilon=-1e-3), ["epsilon", "-0.001"]),
    "mean_without_variance": (lambda: jaxgd.layers.normalization(mean=1.0), ["mean", "variance"]),
    "mean_of_other_length": (
        lambda: jaxgd.sequential([jaxgd.layers.normalization((1.0, 2.0), (1.0, 1.0))], 3).init(0),
        ["mean", "2 values", "3 values"],
    ),
    "scale_infinite": (lambda: jaxgd.layers.rescaling(float("inf")), ["scale", "finite"]),
    "patience": (lambda: EarlyStopping(patience=-1), ["patience", "at least 0", "-1"]),
    "mode": (lambda: EarlyStopping(mode="maximum"), ["mode", "'maximum'", "max"]),
    "min_delta": (lambda: EarlyStopping(min_delta=-0.1), ["min_delta", "-0.1"]),
    "training_without_key": (
        lambda: (m := jaxgd.mlp([2, 3, 1], dropout=0.5)).forward(m.init(0), X[:, :2], training=True),
        ["dropout", "key"],
    ),
    "apply_wrong_features": (lambda: MODEL.apply(MODEL.init(0), X[:, :3]), ["x", "[batch, 4]", "[6, 3]"]),
    "apply_one_row": (lambda: MODEL.apply(MODEL.init(0), X[0]), ["x", "[batch, 4]", "[4]"]),
    "predict_no_rows": (lambda: jaxgd.predict(MODEL, MODEL.init(0), X[:0]), ["rows", "at least one"]),
    "predict_batch_size": (lambda: jaxgd.predict(MODEL, MODEL.init(0), X, batch_size=0), ["batch_size", "0"]),
    "evaluate_lengths": (
        lambda: jaxgd.evaluate(MODEL, MODEL.init(0), X, Y[:2], loss="mse"),
        ["rows", "x: 6", "y: 2"],
    ),
    "evaluate_labels": (
        lambda: jaxgd.evaluate(
            CLASSIFIER, CLASSIFIER.init(0), X, changed(LABELS, 9), loss="sparse_categorical_crossentropy"
        ),
        ["9"],
    ),
    "evaluate_width": (
        lambda: jaxgd.evaluate(MODEL, MODEL.init(0), X, np.zeros((6, 3)), loss="mse"),
        ["3", "2"],
    ),
    "schedule_rows_0": (lambda: jaxgd.make_schedule(0, 4), ["num_rows", "at least 1"]),
    "schedule_batch_0": (lambda: jaxgd.make_schedule(4, 0), ["batch_size", "at least 1"]),
}


@pytest.mark.parametrize("name", MODEL_CASES)
def test_model_refuses(name):
    make, fragments = MODEL_CASES[name]
    with pytest.raises((ValueError, TypeError)) as refusal:
        make()
    message = str(refusal.value)
    for fragment in fragments:
        assert fragment.lower() in message.lower(), message


def train(data=None, schedule=((0, 1), (2, 3))):
    data = {"x": X[:, :2], "y": Y[:, :1]} if data is None else data
    model = jaxgd.mlp([2, 1])
    step = jaxgd.make_step(jaxgd.make_objective(model, "mse"), "sgd")
    state = jaxgd.TrainState.create(params=model.init(0), optimizer="sgd")
    return jaxgd.train(step, state, data, np.asarray(schedule))


TRAIN_CASES = {
    "lengths": ({"data": {"x": X, "y": Y[:2]}}, ["data", "first axis", "[2, 2]"]),
    "scalar": ({"data": {"x": X, "y": 3.0}}, ["data", "first axis"]),
    "rank": ({"schedule": (0, 1)}, ["schedule", "[steps, batch]", "[2]"]),
    "too_large": ({"schedule": ((0, 6),)}, ["schedule", "[-1, 5]", "6"]),
    "too_small": ({"schedule": ((0, -2),)}, ["schedule", "[-1, 5]", "-2"]),
    "fractions": ({"schedule": ((0.0, 1.0),)}, ["schedule", "integers", "float64"]),
    "padding_without_mapping": (
        {"data": (X, Y), "schedule": ((0, -1),)},
        ["schedule", "mapping", "row_mask"],
    ),
}


@pytest.mark.parametrize("name", TRAIN_CASES)
def test_train_refuses(name):
    arguments, fragments = TRAIN_CASES[name]
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        train(**arguments)
    for fragment in fragments:
        assert fragment.lower() in str(refusal.value).lower(), str(refusal.value)


def test_epochs_0_trains_nothing():
    params = MODEL.init(3)
    result = fit(epochs=0, params=params, optimizer=jaxgd.optimizers.adam(use_ema=True))
    assert dict(result.history) == {}
    assert result.history.epochs == 0
    assert result.history.last() == {}
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), result.params, params))


def test_batch_size_above_the_rows_is_one_batch():
    one, other = fit(batch_size=6), fit(batch_size=10**6)
    assert one.history["loss"] == other.history["loss"]
    assert int(other.state.step) == 1


def test_a_state_of_another_optimizer_is_refused():
    state = fit(optimizer="adam").state
    with pytest.raises(ValueError, match="state: expected the slots of 'sgd'"):
        fit(optimizer="sgd", state=state)


@pytest.mark.parametrize("use", ["apply", "predict", "evaluate", "trace"])
def test_parameters_of_another_network_are_refused(use):
    params = jaxgd.mlp([4, 7, 2]).init(0)
    uses = {
        "apply": lambda: MODEL.apply(params, X),
        "predict": lambda: jaxgd.predict(MODEL, params, X),
        "evaluate": lambda: jaxgd.evaluate(MODEL, params, X, Y, loss="mse"),
        "trace": lambda: jaxgd.backprop.trace(MODEL, params, X, Y),
    }
    with pytest.raises(
        ValueError, match=r"params\['dense'\]\['(kernel|bias)'\]: expected \[.*3\], got \[.*7\]"
    ):
        uses[use]()


def test_train_leaves_the_arrays_of_the_caller_alone():
    params, key = MODEL.init(0), jax.random.key(0)
    objective = jaxgd.make_objective(MODEL, "mse")
    state = jaxgd.TrainState.create(params=params, optimizer="sgd", key=key)
    jaxgd.train(jaxgd.make_step(objective, "sgd"), state, {"x": X, "y": Y}, jaxgd.make_schedule(6, 4))
    assert not params["dense"]["kernel"].is_deleted()
    assert not key.is_deleted()


def test_equal_objectives_make_equal_steps():
    def step():
        return jaxgd.make_step(jaxgd.make_objective(jaxgd.mlp([4, 3, 2]), "mse"), "sgd")

    assert step() == step()
    assert hash(step()) == hash(step())


def test_a_state_of_another_optimizer_than_the_steps():
    params = MODEL.init(0)
    objective = jaxgd.make_objective(MODEL, "mse")
    state = jaxgd.TrainState.create(params=params, optimizer="adam")
    batch = {"x": X.astype(np.float32), "y": Y.astype(np.float32)}
    with pytest.raises(ValueError, match="Make state and step with the same optimizer"):
        jaxgd.make_step(objective, optax.sgd(0.1))(state, batch)


def test_numbers_of_an_optax_transformation_are_no_axis():
    with pytest.raises(ValueError, match="hides its numbers, 'learning_rate' too"):
        jaxgd.sweep(
            MODEL, X, Y, grid={"learning_rate": [0.1]}, optimizer=optax.sgd(0.1), loss="mse", epochs=1
        )


def test_ints_are_no_keys_under_vmap():
    with pytest.raises(TypeError, match=r"seed: expected an int or a JAX key, got an array of ints.*split"):
        jax.vmap(MODEL.init)(np.arange(3))
    keys = jax.random.split(jax.random.key(0), 3)
    assert jax.vmap(MODEL.init)(keys)["dense"]["kernel"].shape == (3, 4, 3)


def test_an_unknown_argument_of_an_optimizer_names_the_known():
    with pytest.raises(TypeError, match=r"Adam: unknown argument 'lr'. Known: learning_rate, beta_1"):
        jaxgd.optimizers.adam(lr=0.1)
