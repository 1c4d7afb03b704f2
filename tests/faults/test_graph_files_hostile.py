"""Configurations of graphs that are wrong or hostile: each is refused, by an error that says where."""

import copy
import json
import zipfile

import numpy as np
import pytest

import jaxgd
from jaxgd import layers
from jaxgd.keras_files import KerasFileError

_MODEL = jaxgd.graph(
    {"a": 2, "b": 2},
    {
        "d": (layers.dense(2), "a"),
        "e": ("d", "b"),
        "inner": (
            jaxgd.graph({"z": 2}, {"p": (layers.dense(1), "z"), "q": (layers.dense(1), "z")}, ["p", "q"]),
            "d",
        ),
        "sum": (layers.add(), ["d", "e"]),
        "cat": (layers.concatenate(), ["sum", "inner/p", "inner/q"]),
        "out": (layers.dense(1), "cat"),
    },
    "out",
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("graph") / "m.keras"
    jaxgd.save(path, _MODEL, _MODEL.init(0))
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _layer(config, name):
    return next(each for each in config["config"]["layers"] if each["name"] == name)


def _history(config, name, call=0, place=0):
    arguments = _layer(config, name)["inbound_nodes"][call]["args"]
    tensors = arguments[0] if isinstance(arguments[0], list) else arguments
    return tensors[place]["config"]["keras_history"]


def _set_history(name, value, call=0):
    def change(config):
        _history(config, name, call)[:] = value

    return change


def _set(name, key, value):
    def change(config):
        _layer(config, name)[key] = value

    return change


def _model(key, value):
    def change(config):
        config["config"][key] = value

    return change


def _doubled(config):
    """Each merge concatenates the last with itself: the width doubles 40 times."""
    out = _layer(config, "out")
    last, extra = "cat", []
    for step in range(40):
        each = copy.deepcopy(_layer(config, "cat"))
        each["name"] = each["config"]["name"] = f"wide{step}"
        tensor = copy.deepcopy(out["inbound_nodes"][0]["args"][0])
        tensor["config"]["keras_history"] = [last, 0, 0]
        each["inbound_nodes"] = [{"args": [[tensor, tensor]], "kwargs": {}}]
        last = each["name"]
        extra.append(each)
    config["config"]["layers"] += extra
    out["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = [last, 0, 0]


def _twice(config):
    config["config"]["layers"].append(copy.deepcopy(_layer(config, "sum")))


def _many_calls(config):
    node = _layer(config, "d")["inbound_nodes"][0]
    _layer(config, "d")["inbound_nodes"] = [node] * 10_001


def _idle(config):
    each = copy.deepcopy(_layer(config, "out"))
    each["name"] = each["config"]["name"] = "idle"
    config["config"]["layers"].append(each)


def _self_nested(config):
    """A model inside a model inside a model ..., deeper than JSON may be."""
    inner = copy.deepcopy(_layer(config, "inner"))
    for _ in range(30):
        outer = copy.deepcopy(inner)
        outer["config"]["layers"][1] = inner
        inner = outer
    config["config"]["layers"][3] = inner


HOSTILE = {
    "a cycle of two": (_set_history("d", ["sum", 0, 0]), "'d': it is part of a cycle"),
    "a layer that feeds itself": (_set_history("sum", ["sum", 0, 0]), "part of a cycle"),
    "an unknown layer": (_set_history("out", ["ghost", 0, 0]), "call 0 of 'ghost', is not there"),
    "a call that is not there": (_set_history("sum", ["d", 7, 0]), "call 7 of 'd', is not there"),
    "a negative call": (_set_history("sum", ["d", -1, 0]), "expected an integer of at least 0"),
    "an output that is not there": (_set_history("out", ["inner", 0, 5]), "no output number 5"),
    "a history of one": (_set_history("out", ["cat"]), r"expected \[layer, call, output\]"),
    "a history of a list": (_set_history("out", [["cat"], 0, 0]), r"expected \[layer, call, output\]"),
    "a true for a number": (_set_history("out", ["cat", True, 0]), "expected an integer"),
    "a name twice": (_twice, "expected a name of its own"),
    "a name with a slash": (_set("sum", "name", "a/b"), "expected a name of its own"),
    "no calls": (_set("out", "inbound_nodes", []), "call 0 of 'out', is not there"),
    "calls that are no list": (_set("out", "inbound_nodes", "cat"), "expected a list"),
    "too many calls": (_many_calls, "more than 10,000 calls"),
    "a call of nothing": (_set("sum", "inbound_nodes", [{"args": [[]], "kwargs": {}}]), "at least one input"),
    "a call with code": (
        _set(
            "sum",
            "inbound_nodes",
            [{"args": [{"class_name": "function", "config": "os.system"}], "kwargs": {}}],
        ),
        "expected a",
    ),
    "a call with a mask": (
        _set("sum", "inbound_nodes", [{"args": [], "kwargs": {"mask": {"class_name": "__keras_tensor__"}}}]),
        "not supported",
    ),
    "a constant among the inputs": (
        _set("sum", "inbound_nodes", [{"args": [[1.0, 2.0]], "kwargs": {}}]),
        "an object",
    ),
    "a layer that leads nowhere": (_idle, "'idle' leads to no output"),
    "an input that is not declared": (_model("input_layers", [["a", 0, 0]]), "input_layers: expected"),
    "an input that is a layer": (
        _model("input_layers", [["a", 0, 0], ["d", 0, 0]]),
        "input_layers: expected",
    ),
    "no outputs": (_model("output_layers", []), "expected at least one"),
    "an output of a ghost": (_model("output_layers", ["ghost", 0, 0]), "is not there"),
    "an output that is an input": (_model("output_layers", ["a", 0, 0]), "an input cannot be an output"),
    "outputs without form": (_model("output_layers", 7), "expected a list"),
    "widths that double": (_doubled, "larger than"),
    "models in models": (_self_nested, "deeper than 32"),
    "a Lambda": (_set("sum", "class_name", "Lambda"), "'Lambda' are not known to jaxgd"),
    "a class of the user's": (_set("sum", "registered_name", "mine>Add"), "not one of Keras's own"),
    "a module of the user's": (_set("inner", "module", "os"), "not one of Keras's own"),
    "a subclassed model": (
        lambda config: config.update(class_name="MyModel"),
        "only Sequential and Functional",
    ),
    "an integer input": (
        lambda config: _layer(config, "a")["config"].update(dtype="int32"),
        "inputs of dtype 'int32'",
    ),
    "a ragged input": (lambda config: _layer(config, "a")["config"].update(ragged=True), "ragged inputs"),
    "shapes that do not merge": (
        lambda config: _layer(config, "b")["config"].update(batch_shape=[None, 3]),
        "set of",
    ),
    "an axis of the batch": (lambda config: _layer(config, "cat")["config"].update(axis=0), "another axis"),
    "an axis far out": (
        lambda config: _layer(config, "cat")["config"].update(axis=10**9),
        "expected an axis",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_graph_is_refused(case, saved, tmp_path):
    change, message = HOSTILE[case]
    config = json.loads(saved["config.json"])
    change(config)
    path = tmp_path / "hostile.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in saved.items():
            archive.writestr(name, json.dumps(config) if name == "config.json" else content)
    with pytest.raises(KerasFileError, match=message):
        jaxgd.load(path)


def test_what_was_written_is_read(saved, tmp_path):
    path = tmp_path / "plain.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in saved.items():
            archive.writestr(name, content)
    model, params, _ = jaxgd.load(path)
    x = {"a": np.ones((3, 2)), "b": np.arange(6.0).reshape(3, 2)}
    assert np.array_equal(model.apply(params, x), _MODEL.apply(_MODEL.init(0), x))
    jaxgd.save(tmp_path / "again.keras", model, params)
    assert jaxgd.load(tmp_path / "again.keras")[0] == model
