"""A source of rows in the place of `x`: the same numbers as arrays give, in bounded memory."""

from pathlib import Path

import jax
import numpy as np
import pytest

import jaxgd
from jaxgd._aligned import used_again
from jaxgd.training import Checkpoint, EarlyStopping
from jaxgd.training.streaming import RowSource, StreamError
from jaxgd.training.streaming.order import StreamOrder
from jaxgd.training.streaming.windows import WindowReader, ready_rows

ROWS, FEATURES = 203, 5


class Arrays(RowSource):
    """Arrays cut into blocks; `broken` is a block that cannot be read from the given pass on."""

    def __init__(self, arrays, sizes, window=None, broken=None, sound_reads=0):
        self.arrays, self.sizes, self.window_rows = arrays, tuple(sizes), window
        self.broken, self.sound_reads = broken, sound_reads
        self.starts = np.cumsum([0, *sizes])
        self.reads = []

    @property
    def block_rows(self):
        return self.sizes

    def read(self, block):
        self.reads.append(block)
        if block == self.broken and self.reads.count(block) > self.sound_reads:
            raise StreamError(f"part-{block}.npy: the file has changed since the run began.")
        return {k: v[self.starts[block] : self.starts[block + 1]] for k, v in self.arrays.items()}

    def describe(self):
        return {"rows": [float(np.sum(each)) for each in self.arrays.values()], "sizes": list(self.sizes)}


SIZES = (50, 1, 77, 40, 35)


def arrays(rows=ROWS, weights=False):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(rows, FEATURES))
    data = {"x": x, "y": (x.sum(axis=1, keepdims=True) > 0).astype(np.float64)}
    return {**data, "sample_weight": rng.uniform(0.5, 2.0, rows)} if weights else data


def network(dtype="float64"):
    return jaxgd.mlp([FEATURES, 4, 1], activation="relu", output_activation="sigmoid", dtype=dtype)


def random_network(dtype="float64", rate=0.2):
    layers = [jaxgd.layers.dense(8, "relu"), jaxgd.layers.dropout(rate), jaxgd.layers.batch_normalization()]
    return jaxgd.sequential([*layers, jaxgd.layers.dense(1, "sigmoid")], input_size=FEATURES, dtype=dtype)


SETTINGS = {"loss": "binary_crossentropy", "optimizer": "adam", "batch_size": 16, "metrics": ["accuracy"]}


def assert_same(streamed, whole, exact=True):
    assert list(streamed.history) == list(whole.history)
    for name in whole.history:
        np.testing.assert_allclose(streamed.history[name], whole.history[name], rtol=0 if exact else 1e-12)
    for one, other in zip(jax.tree.leaves(streamed.params), jax.tree.leaves(whole.params), strict=True):
        np.testing.assert_allclose(one, other, rtol=0 if exact else 1e-12, atol=0 if exact else 1e-14)


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize(("window", "weights", "make"), [(1000, True, network), (48, False, random_network)])
def test_unshuffled_stream_is_the_run_on_arrays_to_rounding(x64, window, weights, make):
    data = arrays(weights=weights)
    held = arrays(rows=61)
    settings = {**SETTINGS, "epochs": 3, "shuffle": False, "validation_data": (held["x"], held["y"])}
    whole = jaxgd.fit(make(), data["x"], data["y"], sample_weight=data.get("sample_weight"), **settings)
    streamed = jaxgd.fit(make(), Arrays(data, SIZES, window), **settings)
    assert_same(streamed, whole, exact=False)
    assert int(streamed.state.step) == 3 * 13
    assert streamed.history["loss"][-1] < streamed.history["loss"][0]


def test_streamed_validation_split_is_that_of_arrays_with_early_stopping(x64):
    data = arrays()
    stopping = EarlyStopping("val_loss", patience=1, min_delta=0.02, restore_best_weights=True)
    settings = {
        **SETTINGS,
        "epochs": 30,
        "shuffle": False,
        "validation_split": 0.3,
        "early_stopping": stopping,
    }
    whole = jaxgd.fit(network(), data["x"], data["y"], **settings)
    streamed = jaxgd.fit(network(), Arrays(data, SIZES, 32), **settings)
    assert whole.stopped_early
    assert streamed.stopped_early
    assert streamed.best_epoch == whole.best_epoch
    assert_same(streamed, whole, exact=False)


@pytest.mark.parametrize("words", [None, (3, 4)])
@pytest.mark.parametrize("window", [16, 64, 208])
def test_every_row_is_used_exactly_once_an_epoch(words, window):
    order = StreamOrder(SIZES, 16, window, words)
    starts = np.cumsum([0, *SIZES])
    passes = []
    for epoch in range(3):
        used = []
        for number in range(order.num_windows):
            segments = order.segments(epoch, number)
            rows = np.concatenate(
                [np.arange(starts[s.block] + s.start, starts[s.block] + s.stop) for s in segments]
            )
            assert [s.place for s in segments] == np.cumsum([0, *(s.stop - s.start for s in segments)])[
                :-1
            ].tolist()
            taken = order.schedule(epoch, number).ravel()
            assert (taken[len(rows) :] == -1).all()
            used.extend(rows[taken[taken >= 0]].tolist())
        assert sorted(used) == list(range(ROWS))
        passes.append(used)
    assert (passes[0] == passes[1] == passes[2]) is (words is None)
    again = StreamOrder(SIZES, 16, window, words)
    assert np.array_equal(again.schedule(2, 0), order.schedule(2, 0))
    assert again.segments(2, 0) == order.segments(2, 0)


def test_a_window_has_nothing_beyond_its_rows_and_memory_is_used_again():
    """What a window before it left in memory never reaches the program."""
    source = Arrays(arrays(weights=True), SIZES)
    order = StreamOrder(SIZES, 16, 48)
    reader = WindowReader(source, order, ready_rows(network("float32"), None))
    with used_again():
        for number in range(order.num_windows):
            window = reader.read(0, number)
            count, first = order.rows_in(number), number * 48
            for name, rows in window.data.items():
                rows = np.asarray(rows)
                assert not rows[count:].any(), name
                expected = np.asarray(source.arrays[name][first : first + count], rows.dtype)
                np.testing.assert_array_equal(rows[:count], expected)
            del window, rows


def test_order_depends_on_seed_and_epoch_alone(x64):
    data = arrays()
    first, second = (jaxgd.fit(network(), Arrays(data, SIZES, 32), epochs=2, **SETTINGS) for _ in range(2))
    other = jaxgd.fit(network(), Arrays(data, SIZES, 32), epochs=2, seed=1, **SETTINGS)
    assert_same(first, second)
    assert other.history["loss"][-1] != first.history["loss"][-1]


def test_one_program_serves_all_windows_epochs_and_seeds():
    data = arrays()
    model = network("float32")
    settings = {**SETTINGS, "validation_data": Arrays(arrays(60), (30, 30), 32)}
    first = jaxgd.fit(model, Arrays(data, SIZES, 48), epochs=2, **settings)
    second = jaxgd.fit(model, Arrays(data, SIZES[::-1], 48), epochs=3, seed=9, **settings)
    assert (first.compilations, second.compilations) == (1, 0)


@pytest.mark.parametrize(
    ("streams_validation", "make"), [(False, network), (True, random_network)], ids=["arrays", "stream"]
)
def test_interrupted_run_goes_on_bit_for_bit_from_the_middle_of_an_epoch(tmp_path, streams_validation, make):
    data, held = arrays(), arrays(60)
    validation = Arrays(held, (30, 30), 32) if streams_validation else (held["x"], held["y"])
    model = make("float32")
    stopping = EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    settings = {**SETTINGS, "epochs": 4, "validation_data": validation, "early_stopping": stopping}
    whole = jaxgd.fit(model, Arrays(data, SIZES, 32), **settings)
    for steps in (3, 26):
        checkpoint = Checkpoint(tmp_path / f"at-{steps}", every=1e9, every_steps=steps)
        cut = jaxgd.fit(
            model,
            Arrays(data, SIZES, 32),
            checkpoint=checkpoint,
            progress=lambda p, s=steps: p.step < s,
            **settings,
        )
        assert cut.interrupted
        assert int(cut.state.step) >= steps
        resumed = jaxgd.fit(model, Arrays(data, SIZES, 32), checkpoint=checkpoint, **settings)
        assert_same(resumed, whole)
        assert resumed.best_epoch == whole.best_epoch


def test_checkpoint_of_other_rows_or_another_window_is_refused(tmp_path):
    data = arrays()
    settings = {**SETTINGS, "epochs": 1, "checkpoint": tmp_path / "saved"}
    jaxgd.fit(network("float32"), Arrays(data, SIZES, 32), **settings)
    changed = {**data, "x": data["x"] + 1.0}
    with pytest.raises(jaxgd.training.checkpointing.CheckpointError, match=r"data\.training\.rows\[0\]"):
        jaxgd.fit(network("float32"), Arrays(changed, SIZES, 32), **settings)
    with pytest.raises(jaxgd.training.checkpointing.CheckpointError, match="window: saved 32, now 64"):
        jaxgd.fit(network("float32"), Arrays(data, SIZES, 64), **settings)


def test_rows_that_cannot_be_read_any_more_end_the_run_and_what_was_reached_is_saved(tmp_path):
    data, folder = arrays(), tmp_path / "saved"
    model, settings = network("float32"), {**SETTINGS, "epochs": 3, "shuffle": False}
    broken = Arrays(data, SIZES, 32, broken=3, sound_reads=1)
    with pytest.raises(StreamError, match=r"part-3\.npy: the file has changed"):
        jaxgd.fit(model, broken, checkpoint=folder, **settings)
    assert list(Path(folder).glob("*.npz"))
    steps = []
    resumed = jaxgd.fit(
        model, Arrays(data, SIZES, 32), checkpoint=folder, progress=lambda p: steps.append(p.step), **settings
    )
    assert steps[0] > 13  # the first epoch was not done again
    assert_same(resumed, jaxgd.fit(model, Arrays(data, SIZES, 32), **settings))


def test_divergence_names_the_rows_by_their_numbers_in_the_source():
    data = arrays()
    data["x"][160] = np.inf
    result = jaxgd.fit(network("float32"), Arrays(data, SIZES, 32), epochs=2, **SETTINGS)
    assert result.divergence is not None
    assert result.divergence.quantity == "input"
    assert 160 in result.divergence.rows
    assert len(result.divergence.rows) in (16, 203 % 16)


def test_divergence_goes_back_as_on_arrays(x64):
    data = arrays()
    data = {"x": data["x"], "y": data["x"] @ np.full((FEATURES, 1), 2.0)}
    model = jaxgd.mlp([FEATURES, 1], dtype="float64")
    settings = {"optimizer": jaxgd.optimizers.sgd(1.2), "loss": "mean_squared_error", "batch_size": 16}
    settings |= {"epochs": 60, "shuffle": False, "on_divergence": "restore", "max_halvings": 2}
    whole = jaxgd.fit(model, data["x"] * 1e3, data["y"], **settings)
    streamed = jaxgd.fit(model, Arrays({**data, "x": data["x"] * 1e3}, SIZES, 32), **settings)
    assert len(whole.restored) == len(streamed.restored) == 2
    assert [(e.epoch, e.step) for e in streamed.restored] == [(e.epoch, e.step) for e in whole.restored]
    assert [e.rows.tolist() for e in streamed.restored] == [e.rows.tolist() for e in whole.restored]


def test_evaluation_and_prediction_are_those_of_one_pass(x64):
    data, model = arrays(weights=True), network()
    params = model.init(3)
    metrics = {"metrics": ["accuracy", "auc", "mae"], "weighted_metrics": ["accuracy"], "batch_size": 16}
    whole = jaxgd.evaluate(
        model, params, data["x"], data["y"], loss="binary_crossentropy",
        sample_weight=data.get("sample_weight"), **metrics,
    )  # fmt: skip
    streamed = jaxgd.evaluate(model, params, Arrays(data, SIZES, 48), loss="binary_crossentropy", **metrics)
    assert list(streamed) == list(whole)
    for name in whole:
        np.testing.assert_allclose(streamed[name], whole[name], rtol=1e-12)
    pieces = list(jaxgd.predict(model, params, Arrays(data, SIZES, 48), batch_size=16))
    assert [len(piece) for piece in pieces] == [48, 48, 48, 48, 11]
    np.testing.assert_allclose(np.concatenate(pieces), jaxgd.predict(model, params, data["x"]), rtol=1e-12)


def test_class_weights_are_those_of_arrays(x64):
    data = arrays()
    settings = {**SETTINGS, "epochs": 2, "shuffle": False, "class_weight": {0: 3.0}}
    whole = jaxgd.fit(network(), data["x"], data["y"], **settings)
    assert_same(jaxgd.fit(network(), Arrays(data, SIZES, 32), **settings), whole, exact=False)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"y": np.zeros(3)}, "y: expected none beside a source"),
        ({"sample_weight": np.zeros(3)}, "sample_weight: expected none beside a source"),
        ({"shuffle": "keras"}, "shuffle"),
        ({"validation_data": 3}, "validation_data"),
        ({"validation_split": 0.999}, "rows on both sides"),
    ],
)
def test_what_a_source_cannot_have_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        jaxgd.fit(network("float32"), Arrays(arrays(), SIZES), **SETTINGS, **given)


def test_rows_of_another_width_name_what_is_expected():
    with pytest.raises(ValueError, match=r"x: expected shape \[rows, 5\], got \[50, 4\]"):
        jaxgd.fit(network("float32"), Arrays({**arrays(), "x": np.zeros((ROWS, 4))}, SIZES), **SETTINGS)
