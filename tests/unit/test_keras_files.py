"""Keras files without Keras: what is written comes back, bit for bit."""

import datetime
import json
import os
import zipfile
from io import BytesIO

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgd
from jaxgd import activations, constraints, initializers, layers, optimizers, regularizers, schedules
from jaxgd.keras_files import KerasFileError, KerasTraining, describe, load, save
from jaxgd.keras_files.optimizer_cells import cells
from jaxgd.keras_files.optimizer_state import trainable_part

WHEN = datetime.datetime(2026, 1, 2, 3, 4, 5)

OPTIMIZERS = {
    "sgd": optimizers.sgd(0.1),
    "sgd_nesterov": optimizers.sgd(0.1, momentum=0.9, nesterov=True),
    "rmsprop": optimizers.rmsprop(0.01),
    "rmsprop_centered": optimizers.rmsprop(0.01, momentum=0.5, centered=True),
    "adam": optimizers.adam(0.01, clipvalue=0.5),
    "amsgrad": optimizers.adam(0.01, amsgrad=True, global_clipnorm=1.0),
    "adamw": optimizers.adamw(0.01, exclude_from_weight_decay=("bias$",), constants="exact"),
    "averaged": optimizers.adam(0.01, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2),
    "accumulated": optimizers.adam(0.01, use_ema=True, gradient_accumulation_steps=2),
    "scheduled": optimizers.adam(schedules.exponential_decay(0.1, 10, 0.5, staircase=True)),
    "cosine": optimizers.sgd(schedules.cosine_decay(0.1, 10, warmup_target=0.2, warmup_steps=3)),
    "adadelta": optimizers.adadelta(0.5),
    "adafactor": optimizers.adafactor(0.01),
    "adagrad": optimizers.adagrad(0.1),
    "adamax": optimizers.adamax(0.01),
    "ftrl": optimizers.ftrl(0.01),
    "lamb": optimizers.lamb(0.01),
    "lion": optimizers.lion(0.01),
    "muon": optimizers.muon(0.01, exclude_layers=["dense_1"]),
    "nadam": optimizers.nadam(0.01),
    "schedule_free": optimizers.schedule_free_adamw(0.01, documented=True),
    "schedule_free_from_zero": optimizers.schedule_free_adamw(0.01, starts_at_zero=True),
    "loss_scale": optimizers.loss_scale(optimizers.adamax(0.01), dynamic_growth_steps=2),
    "several": optimizers.multi(
        {"dense/kernel": optimizers.sgd(0.1, momentum=0.5), ".*/bias|.*gamma": optimizers.adam(0.02)},
        optimizers.adamw(0.01, exclude_from_weight_decay=("bias$",)),
    ),
}


def _model():
    stack = [layers.normalization(), layers.dense(4, "tanh"), layers.batch_normalization(), layers.dense(2)]
    return jaxgd.sequential(stack, 3)


def _trained(model, optimizer):
    """Parameters, and a state as after 3 updates, whose arrays all differ from those at the start."""
    params = model.init(0)
    state = optimizer.init(trainable_part(model, params))
    source = np.random.default_rng(0)

    def drawn(leaf):
        number = 3 if jnp.issubdtype(leaf.dtype, jnp.integer) else source.uniform(0.5, 1.5, leaf.shape)
        return jnp.asarray(number, leaf.dtype)

    return params, _with_numbers_of(state, jax.tree.map(drawn, state))


def _with_numbers_of(one, other):
    """`other` with the hyperparameters of `one`."""
    shared = dict(other.shared)
    if "optimizers" in shared:
        pairs = zip(one.shared["optimizers"], shared["optimizers"], strict=True)
        shared["optimizers"] = tuple(_with_numbers_of(*pair) for pair in pairs)
    return other._replace(hyperparameters=one.hyperparameters, shared=shared)


def _equal(one, other):
    """Same tree, dtypes and bits."""
    if jax.tree.structure(one) != jax.tree.structure(other):
        return False
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(jnp.asarray(a).dtype == jnp.asarray(b).dtype and bool(jnp.array_equal(a, b)) for a, b in pairs)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_state_comes_back(tmp_path, name):
    model, optimizer = _model(), OPTIMIZERS[name]
    params, state = _trained(model, optimizer)
    assert int(state.count) == 3
    path = tmp_path / "m.keras"
    save(path, model, params, KerasTraining("mse", optimizer, state))
    again, read, training = load(path)
    assert again == model
    assert _equal(read, params)
    assert training.optimizer.rule == optimizer.rule
    assert training.iterations == 3
    # A scalar of the state that follows from the settings is computed anew, from the rate as it was stored.
    assert _equal(training.opt_state._replace(hyperparameters={}), state._replace(hyperparameters={}))
    for key, value in state.hyperparameters.items():
        assert _equal(training.opt_state.hyperparameters[key], value), key


@pytest.mark.parametrize("from_zero", [False, True])
def test_a_note_says_where_keras_starts_schedule_free(tmp_path, from_zero):
    """Before the first update too; what starts at zero starts there again, and needs no note."""
    model = jaxgd.mlp([3, 2])
    params = model.init(0)
    optimizer = optimizers.schedule_free_adamw(0.01, starts_at_zero=from_zero)
    save(tmp_path / "m.keras", model, params, KerasTraining("mse", optimizer))
    read, training = load(tmp_path / "m.keras")[1:]
    assert [("starts_at_zero=True" in note) for note in training.notes] == [True] * (not from_zero)
    z = training.opt_state.slots["momentum"]["dense"]["kernel"]
    assert jnp.array_equal(z, jnp.zeros((3, 2)) if from_zero else read["dense"]["kernel"])


def test_what_keras_forgets_of_nadam_is_computed_anew(tmp_path):
    """Inside a LossScaleOptimizer its product of momenta is not in the file."""
    model, optimizer = jaxgd.mlp([3, 2]), optimizers.loss_scale(optimizers.nadam(0.01))
    x, y = jnp.ones((4, 3)), jnp.ones((4, 2))
    result = jaxgd.fit(model, x, y, optimizer=optimizer, epochs=3, batch_size=4)
    training = KerasTraining("mse", optimizer, result.state.opt_state)
    save(tmp_path / "m.keras", model, result.params, training)
    found = load(tmp_path / "m.keras")[2].opt_state.shared["u_product"]
    assert float(found) == pytest.approx(float(result.state.opt_state.shared["u_product"]), rel=1e-6)
    assert float(found) < 0.5


def test_what_a_fit_gave_is_saved_with_its_optimizer(tmp_path):
    """After more training the result brings its optimizer's state along; parameters alone are told about."""
    model, path = jaxgd.mlp([3, 2]), tmp_path / "m.keras"
    x, y = jnp.ones((4, 3)), jnp.ones((4, 2))
    settings = {"batch_size": 4, "epochs": 2}
    first = jaxgd.fit(model, x, y, optimizer="adam", **settings)
    save(path, model, first, KerasTraining("mse", "adam"))
    _, params, training = load(path)
    assert training.iterations == 2
    save(tmp_path / "same.keras", model, params, training)  # nothing is behind
    state = training.state(params)
    with pytest.raises(ValueError, match=r"training\.optimizer"):
        jaxgd.fit(model, x, y, state=state, **settings)
    result = jaxgd.fit(model, x, y, optimizer=training.optimizer, state=state, **settings)
    with pytest.warns(UserWarning, match=r"save\(path, model, result, training\)"):
        save(path, model, result.params, training)
    save(path, model, result, training)
    _, params, again = load(path)
    assert (again.iterations, training.iterations) == (4, 2)
    assert _equal(params, result.params)
    assert _equal(again.opt_state.slots, result.state.opt_state.slots)
    save(path, model, result)
    assert load(path)[2] is None


def test_training_goes_on_bit_for_bit(tmp_path):
    """20 steps after a reload are the 20 steps of the uninterrupted run."""
    model = jaxgd.mlp([3, 8, 2])
    x = jax.random.normal(jax.random.key(0), (16, 3))
    y = jax.random.normal(jax.random.key(1), (16, 2))
    settings = {"optimizer": "adam", "batch_size": 16, "shuffle": False}
    first = jaxgd.fit(model, x, y, epochs=5, **settings)
    path = tmp_path / "m.keras"
    save(path, model, first.params, KerasTraining("mse", "adam", first.state.opt_state))
    whole = jaxgd.fit(model, x, y, epochs=25, initial_epoch=5, state=first.state, **settings)
    again, params, training = load(path)
    state = training.state(params)
    assert int(state.step) == 5
    settings["optimizer"] = training.optimizer
    resumed = jaxgd.fit(again, x, y, epochs=25, initial_epoch=5, state=state, **settings)
    assert _equal(resumed.params, whole.params)
    assert not _equal(resumed.params, params)
    assert np.array_equal(resumed.history["loss"], whole.history["loss"])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_file_without_slots_starts_anew(tmp_path, name):
    """Before the first update Keras saves no more than counters and rates."""
    model, optimizer = _model(), OPTIMIZERS[name]
    save(tmp_path / "m.keras", model, params := model.init(0), KerasTraining("mse", optimizer))
    kept = cells(model, optimizer, jax.eval_shape(model.init), built=False)
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    content = BytesIO(members["model.weights.h5"])
    with h5py.File(content, "r+") as file:
        numbered = list(cells(model, optimizer, jax.eval_shape(model.init)))
        for path in numbered:
            del file[path]
        for path, cell in kept.items():
            file[path] = np.zeros(cell.shape, cell.file_dtype)
    with zipfile.ZipFile(tmp_path / "n.keras", "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data if member != "model.weights.h5" else content.getvalue())
    _, read, training = load(tmp_path / "n.keras")
    assert training.iterations == 0
    assert _equal(read, params)
    assert _equal(training.opt_state.slots, optimizer.init(trainable_part(model, params)).slots)


def test_learning_rate_is_that_of_the_state(tmp_path):
    model, optimizer = _model(), optimizers.adam(0.01)
    params, state = _trained(model, optimizer)
    state = optimizers.set_learning_rate(state, 0.25)
    save(tmp_path / "m.keras", model, params, KerasTraining("mse", optimizer, state))
    training = load(tmp_path / "m.keras")[2]
    assert training.optimizer.settings["learning_rate"] == 0.25
    assert float(training.opt_state.hyperparameters["learning_rate"]) == 0.25


def test_settings_that_keras_does_not_have_come_back(tmp_path):
    model = jaxgd.mlp([3, 2], precision="default")
    save(tmp_path / "m.keras", model, model.init(0), KerasTraining("mse", OPTIMIZERS["adamw"]))
    again, _, training = load(tmp_path / "m.keras")
    assert again.precision == "default"
    assert training.optimizer.rule.excluded == ("bias$",)
    assert training.optimizer.rule.constants == "exact"


LAYERS = {
    "dense": layers.dense(
        4,
        activations.get("leaky_relu", negative_slope=0.1),
        kernel_initializer=initializers.variance_scaling(2.0, seed=3),
        bias_initializer=initializers.constant(0.5),
        kernel_regularizer=regularizers.L1L2(0.1, 0.2),
        bias_regularizer="l2",
        activity_regularizer=regularizers.L1(0.5),
        kernel_constraint=constraints.MinMaxNorm(0.1, 0.5, 0.25, axis=(0, 1)),
        bias_constraint="non_neg",
        name="first",
        trainable=False,
    ),
    "no_bias": layers.dense(2, use_bias=False),
    "relu": layers.activation(activations.get("relu", max_value=6.0, threshold=0.5)),
    "elu": layers.activation(activations.get("elu", alpha=0.5)),
    "softmax": layers.activation(activations.get("softmax", axis=1)),
    "dropout": layers.dropout(0.25),
    "seeded": layers.dropout(0.25, seed=7),
    "noise": layers.gaussian_noise(0.5, name="noise"),
    "batch": layers.batch_normalization(0.5, 0.25, center=False),
    "layer": layers.layer_normalization(0.25, scale=False),
    "measured": layers.normalization(),
    "given": layers.normalization((1.0, 2.0, 3.0), (1.0, 4.0, 9.0), invert=True),
    "one_mean": layers.normalization(1.0, 4.0),
    "rescaling": layers.rescaling(0.5, offset=-1.0),
    "flatten": layers.flatten(),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_comes_back(tmp_path, name):
    model = jaxgd.sequential([LAYERS[name]], 3)
    params = jax.tree.map(lambda leaf: leaf + 1, model.init(0)) if name == "batch" else model.init(0)
    save(tmp_path / "m.keras", model, params)
    again, read, training = load(tmp_path / "m.keras")
    assert again == model
    assert _equal(read, params)
    assert training is None
    assert _equal(again.apply(read, jnp.ones((2, 3))), model.apply(params, jnp.ones((2, 3))))


# A threshold has no form without options, and Keras's format no place for them.
@pytest.mark.parametrize("name", [name for name in activations.names() if name != "threshold"])
def test_activation_comes_back(tmp_path, name):
    chosen = activations.get(name, form="keras") if name == "sparsemax" else name
    model = jaxgd.sequential([layers.dense(4, chosen), layers.activation(chosen)], 4)
    save(tmp_path / "m.keras", model, model.init(0))
    again = load(tmp_path / "m.keras")[0]
    expected = None if name == "linear" else chosen
    assert (again.layers[0].activation, again.layers[1].activation) == (expected, chosen)


def test_names_that_are_numbered_stay_automatic(tmp_path):
    model = jaxgd.sequential([layers.dense(3), layers.dense(3, name="odd"), layers.dense(3)], (2, 5))
    save(tmp_path / "m.keras", model, model.init(0))
    again, params, _ = load(tmp_path / "m.keras")
    assert again == model
    assert list(params) == ["dense", "odd", "dense_1"]


def test_adapted_normalization_and_mixed_precision(tmp_path):
    model = jaxgd.sequential([layers.normalization(), layers.dense(1)], 2, dtype="mixed_bfloat16")
    params = model.adapt(model.init(0), np.array([[1.0, 2.0], [3.0, 6.0]]))
    save(tmp_path / "m.keras", model, params)
    again, read, _ = load(tmp_path / "m.keras")
    assert again.dtype == "mixed_bfloat16"
    assert read["normalization"]["mean"].tolist() == [2.0, 4.0]
    assert _equal(read, params)


def test_float64(tmp_path):
    with jax.enable_x64(True):
        model = jaxgd.mlp([3, 2], dtype="float64")
        params, state = _trained(model, optimizers.adam())
        save(tmp_path / "m.keras", model, params, KerasTraining("mse", "adam", state))
        _, read, training = load(tmp_path / "m.keras")
        assert read["dense"]["kernel"].dtype == jnp.float64
        assert _equal(read, params)
        assert _equal(training.opt_state.slots, state.slots)
    with pytest.raises(KerasFileError, match="jax_enable_x64"):
        load(tmp_path / "m.keras")


def test_losses_and_metrics_come_back(tmp_path):
    model = jaxgd.mlp([3, 2], output_activation="softmax")
    loss = jaxgd.losses.get("categorical_crossentropy", reduction="sum", label_smoothing=0.25)
    metrics = (
        jaxgd.metrics.get("AUC", num_thresholds=50, name="area"),
        jaxgd.metrics.get("mse"),
        jaxgd.metrics.get("LogCoshError"),
        jaxgd.metrics.get("FBetaScore", beta=0.5),
    )
    training = KerasTraining(loss, "sgd", metrics=("accuracy", *metrics), weighted_metrics=metrics[:1])
    save(tmp_path / "m.keras", model, model.init(0), training)
    read = load(tmp_path / "m.keras")[2]
    assert read.loss == loss
    assert read.metrics == ("accuracy", *metrics)
    assert read.weighted_metrics == metrics[:1]


def test_equal_content_gives_equal_bytes(tmp_path):
    model, optimizer = _model(), optimizers.adam()
    params, state = _trained(model, optimizer)
    for name in ("a.keras", "b.keras"):
        save(tmp_path / name, model, params, KerasTraining("mse", optimizer, state), date_saved=WHEN)
        os.utime(tmp_path / name, (1, 1))
    first, second = (tmp_path / "a.keras").read_bytes(), (tmp_path / "b.keras").read_bytes()
    assert first == second
    assert b"2026-01-02@03:04:05" in first


def test_file_is_laid_out_as_keras_does(tmp_path):
    model = jaxgd.sequential([layers.dense(2, name="odd"), layers.dropout(0.5), layers.dense(1)], 3)
    params = model.init(0)
    save(tmp_path / "m.keras", model, params, KerasTraining("mse", optimizers.adam(0.5)), date_saved=WHEN)
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert [info.filename for info in archive.infolist()] == [
            "metadata.json",
            "config.json",
            "model.weights.h5",
        ]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        config = json.loads(archive.read("config.json"))
        dropout = config["config"]["layers"][2]
        assert (dropout["class_name"], dropout["config"]["seed"]) == ("Dropout", None)
        with h5py.File(BytesIO(archive.read("model.weights.h5"))) as file:
            assert file["layers/dense/vars"].attrs["name"] == "odd"
            assert np.array_equal(file["layers/dense/vars/0"], params["odd"]["kernel"])
            assert np.array_equal(file["layers/dense_1/vars/0"], params["dense"]["kernel"])
            assert file["optimizer/vars/0"].dtype == np.int64
            assert sorted(map(int, file["optimizer/vars"])) == list(range(10))


def test_nothing_is_left_behind_by_a_write_that_fails(tmp_path, monkeypatch):
    model = jaxgd.mlp([3, 2])
    path = tmp_path / "m.keras"
    save(path, model, model.init(0))
    before = path.read_bytes()

    def fail(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        save(path, model, model.init(1))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_paths_of_every_kind(tmp_path):
    model = jaxgd.mlp([3, 2])
    params = model.init(0)
    path = tmp_path / "ein Modell ü 层.keras"
    for given in (path, str(path), os.fsencode(path), np.str_(path)):
        save(given, model, params)
        assert load(given)[0] == model
        path.unlink()
    with pytest.raises(TypeError, match="path: expected the path"):
        save(BytesIO(), model, params)


def test_a_file_written_anew_keeps_its_permissions_and_links(tmp_path):
    model = jaxgd.mlp([3, 2])
    path, link = tmp_path / "m.keras", tmp_path / "latest.keras"
    save(path, model, model.init(0))
    path.chmod(0o600)
    link.symlink_to(path)
    save(link, model, model.init(1))
    assert link.is_symlink()
    assert _equal(load(path)[1], model.init(1))
    assert path.stat().st_mode & 0o777 == 0o600
    os.mkfifo(tmp_path / "pipe.keras")
    with pytest.raises(OSError, match="a pipe or a device"):
        save(tmp_path / "pipe.keras", model, model.init(2))
    assert (tmp_path / "pipe.keras").is_fifo()


def test_describe(tmp_path):
    model, optimizer = _model(), optimizers.adam(0.5)
    params, state = _trained(model, optimizer)
    path = tmp_path / "m.keras"
    save(path, model, params, KerasTraining("mse", optimizer, state, ("accuracy", "mae")))
    text = describe(path)
    assert "batch_normalization" in text
    assert "Adam(learning_rate=0.5" in text
    assert "3 iterations" in text
    assert "accuracy, mae" in text
    save(path, model, params)
    assert "Not compiled" in describe(path)


def test_weights_alone(tmp_path):
    model, optimizer = _model(), optimizers.adam()
    params, state = _trained(model, optimizer)
    save(tmp_path / "m.weights.h5", model, params, KerasTraining("mse", optimizer, state))
    save(tmp_path / "n.weights.h5", model, params)
    save(tmp_path / "m.safetensors", model, params)
    for name in ("m.weights.h5", "n.weights.h5", "m.safetensors"):
        again, read, training = load(tmp_path / name, model=model)
        assert again is model
        assert _equal(read, params)
        assert training is None
    settings = KerasTraining("mse", "adam")
    assert _equal(
        load(tmp_path / "m.weights.h5", model=model, training=settings)[2].opt_state.slots, state.slots
    )
    with pytest.raises(KerasFileError, match="no state of an optimizer"):
        load(tmp_path / "n.weights.h5", model=model, training=settings)
    with pytest.raises(KerasFileError, match="holds no optimizer"):
        load(tmp_path / "m.safetensors", model=model, training=settings)
    for name in ("m.weights.h5", "m.safetensors"):
        with pytest.raises(KerasFileError, match="weights alone"):
            load(tmp_path / name)
        with pytest.raises(KerasFileError, match="missing"):
            load(tmp_path / name, model=jaxgd.mlp([3, 2, 2, 2]))
    with pytest.raises(TypeError, match="model: expected a model"):
        load(tmp_path / "m.weights.h5", model="m.keras")
    with pytest.raises(TypeError, match="training: expected"):
        load(tmp_path / "m.weights.h5", model=model, training="yes")
    with pytest.raises(KerasFileError, match="no place for it"):
        save(tmp_path / "m.safetensors", model, params, settings)


def test_training_can_be_left_out(tmp_path):
    model = jaxgd.mlp([3, 2])
    save(tmp_path / "m.keras", model, model.init(0), KerasTraining("mse", "adam"))
    again, params, training = load(tmp_path / "m.keras", training=False)
    assert (again, training) == (model, None)
    assert _equal(params, model.init(0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: jaxgd.sequential([layers.dense(2, jnp.tanh)], 3), "layer 'dense': activation.*tanh"),
        (lambda: jaxgd.sequential([layers.dense(2, activations.get("celu", alpha=0.5))], 3), "celu"),
        (lambda: jaxgd.sequential([layers.activation("sparsemax")], 3), "the one with {'form': 'keras'}"),
        (
            lambda: jaxgd.sequential([layers.dense(2, kernel_initializer=lambda *a: jnp.ones(a[1]))], 3),
            "kernel_initializer",
        ),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, make, message):
    model = make()
    with pytest.raises(KerasFileError, match=message):
        save(tmp_path / "m.keras", model, model.init(0))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("training", "message"),
    [
        (KerasTraining(lambda y, p: (y - p) ** 2, "sgd"), "loss"),
        (KerasTraining("mse", optimizers.sgd(lambda step: 0.1)), "learning_rate"),
        (KerasTraining("mse", optimizers.from_optax(optax.sgd(0.1))), "optax"),
        (KerasTraining("mse", "sgd", metrics=("huber",)), "metrics: 'huber'"),
        (KerasTraining("mse", "no such"), "unknown optimizer"),
        (
            KerasTraining("mse", "adam", optimizers.sgd().init({"dense": {"kernel": jnp.ones(1)}})),
            "opt_state",
        ),
        (
            KerasTraining("mse", optimizers.multi({"a": (one := optimizers.sgd()), "b": one}, one)),
            "several keys",
        ),
    ],
)
def test_training_that_cannot_be_written_is_refused(tmp_path, training, message):
    model = jaxgd.mlp([3, 2])
    with pytest.raises(KerasFileError, match=message):
        save(tmp_path / "m.keras", model, model.init(0), training)
    assert not list(tmp_path.iterdir())


def test_wrong_parameters_and_names_are_refused(tmp_path):
    model = jaxgd.mlp([3, 2])
    params = model.init(0)
    with pytest.raises(KerasFileError, match=r"ends in one of \.keras"):
        save(tmp_path / "m.h5", model, params)
    with pytest.raises(KerasFileError, match=r"missing \['dense/bias'\]"):
        save(tmp_path / "m.keras", model, {"dense": {"kernel": params["dense"]["kernel"]}})
    stacked = jax.vmap(lambda seed: jax.tree.map(lambda leaf: leaf + seed, params))(jnp.arange(2.0))
    with pytest.raises(KerasFileError, match=r"expected shape \[2\], got \[2, 2\]"):
        save(tmp_path / "m.keras", model, {"dense": {**params["dense"], "bias": stacked["dense"]["bias"]}})
    with pytest.raises(ValueError, match="optimizer with its state"):
        KerasTraining("mse", "adam").state(params)
