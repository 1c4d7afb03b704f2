"""The forecast of memory beside what compiled programs ask for."""

import re
from pathlib import Path

import jax
import pytest

import jaxgd
from jaxgd.training import memory_of
from jaxgd.training.lowering import program_of

layers = jaxgd.layers
ROOT = Path(__file__).parents[2]
SIZES = (64, 96, 96, 4)
PARAMS = 64 * 96 + 96 + 96 * 96 + 96 + 96 * 4 + 4
MODEL = jaxgd.mlp(SIZES, activation="relu")
MOST = 1.6
"""How many times too much the forecast may say: XLA shares memory between what is not alive together."""


def compiled(model, batch, optimizer):
    """(bytes of the state, bytes besides arguments and results) of the program of `fit`."""
    program = program_of(model, 4 * batch, batch, optimizer=optimizer)
    state = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(program.arguments[1].train))
    return state, program.lower().compile().memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lamb", "ftrl", "adafactor", "muon"])
def test_bytes_a_parameter(optimizer):
    """One of each number of copies, with few rows."""
    state, besides = compiled(MODEL, 8, optimizer)
    need = memory_of(MODEL, 8, optimizer=optimizer)
    assert need.state == state
    assert besides <= need.step + need.batch <= MOST * besides


@pytest.mark.parametrize("batch", [100, 512])
def test_bytes_a_row(batch):
    _, besides = compiled(MODEL, batch, "adam")
    need = memory_of(MODEL, batch)
    assert need.batch > 2 * need.step, "rows weigh most"
    assert besides <= need.step + need.batch <= MOST * besides


def test_what_devices_divide_and_what_they_do_not():
    one, four = memory_of(MODEL, 1001, num_rows=500), memory_of(MODEL, 1001, num_rows=500, devices=4)
    assert four == one._replace(batch=memory_of(MODEL, 251).batch)
    assert one.data == 500 * (64 + 4) * 4
    assert one.total == one.state + one.step + one.batch + one.data


def test_models_of_several_outputs_and_models_inside_of_models():
    inner = jaxgd.sequential([layers.dense(7), layers.dense(3)], 5)
    one = memory_of(jaxgd.sequential([inner, layers.dense(2)], 5), 1)
    widths = [5, 3, 2, 5, 7, 3]  # the inner model's input and outputs once more
    assert one.batch == 4 * (2 * sum(widths) + 7)
    graph = jaxgd.graph({"a": 5, "b": 2}, {"sum": (layers.concatenate(), ["a", "b"])}, "sum")
    assert memory_of(graph, 3).batch == 4 * 3 * (2 * (5 + 2 + 7) + 7)


@pytest.mark.parametrize(("name", "value"), [("batch_size", 0), ("devices", 0), ("num_rows", -1)])
def test_numbers_that_do_not_fit(name, value):
    with pytest.raises(ValueError, match=name):
        memory_of(MODEL, **{"batch_size": 1, name: value})


KINDS = {
    "SGD with momentum": jaxgd.optimizers.sgd(0.1, momentum=0.9),
    "schedule-free AdamW": "schedule_free_adamw",
}


def test_the_table_of_the_page_is_the_formula():
    """Slots, copies and bytes a parameter of every optimizer that it names."""
    text = (ROOT / "docs" / "scaling.md").read_text()
    rows = re.findall(r"^\| ([\w, -]+) \| (\d) \| (\d) \| (\d+) \|$", text, re.MULTILINE)
    named = [(name, *map(int, rest)) for names, *rest in rows for name in names.split(", ")]
    assert len(named) == 15
    for name, slots, copies, each in named:
        optimizer = jaxgd.optimizers.get(KINDS.get(name, name.lower()))
        need = memory_of(MODEL, 1, optimizer=optimizer)
        assert round(need.state / PARAMS / 4, 1) == 1 + slots, name
        assert need.step == 4 * PARAMS * copies, name
        assert each == 4 * (1 + slots + copies), name
