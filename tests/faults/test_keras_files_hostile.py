"""Damaged and hostile Keras files: one clear error, a KerasFileError, before anything large is read."""

import copy
import json
import os
import random
import stat
import zipfile
from io import BytesIO

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import jaxgd
from jaxgd import layers, optimizers
from jaxgd.keras_files import KerasFileError, KerasTraining, load, save

MEMBERS = ("metadata.json", "config.json", "model.weights.h5")


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    """The members of a file that is in order."""
    stack = [layers.dense(4, "relu"), layers.batch_normalization(), layers.dropout(0.5), layers.dense(2)]
    model = jaxgd.sequential(stack, 3)
    path = tmp_path_factory.mktemp("valid") / "m.keras"
    training = KerasTraining("mse", optimizers.adam(), metrics=("accuracy", "mae"))
    save(path, model, model.init(0), training)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in MEMBERS}


def _write(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _config(valid):
    return json.loads(valid["config.json"])


def _with_config(path, valid, config):
    return _write(path, {**valid, "config.json": json.dumps(config)})


def _with_weights(path, valid, change):
    """The valid file after `change(h5py.File)`."""
    buffer = BytesIO(valid["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        change(file)
    return _write(path, {**valid, "model.weights.h5": buffer.getvalue()})


def test_the_valid_file_loads(tmp_path, valid):
    assert load(_write(tmp_path / "m.keras", valid))[2].iterations == 0


# The archive.


def test_not_an_archive(tmp_path):
    path = tmp_path / "m.keras"
    for content, message in (
        (b"", "is empty"),
        (b"PK\x03\x04", r"not a \.keras archive"),
        (b"hello" * 100, r"not a \.keras archive"),
    ):
        path.write_bytes(content)
        with pytest.raises(KerasFileError, match=message):
            load(path)
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(KerasFileError, match="weights alone"):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.keras")


def test_what_is_no_file_is_refused_at_once(tmp_path):
    """A pipe that nobody writes to would be waited for, and a device read for ever."""
    os.mkfifo(tmp_path / "pipe.keras")
    for path in (tmp_path / "pipe.keras", "/dev/zero"):
        with pytest.raises(KerasFileError, match="a pipe or a device"):
            load(path)
    with pytest.raises(IsADirectoryError):
        load(tmp_path)
    for nothing in (BytesIO(), 0, None):  # 0 would be an open file of the process
        with pytest.raises(TypeError, match="path: expected the path"):
            load(nothing)


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "a/../../evil", "C:\\evil", "\\\\host\\evil", "assets/vocabulary.txt"]
)
def test_unsafe_or_unknown_members(tmp_path, valid, name):
    with pytest.raises(KerasFileError, match="member"):
        load(_write(tmp_path / "m.keras", {**valid, name: b"x"}))


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_missing_member(tmp_path, valid, name):
    members = {key: value for key, value in valid.items() if key != name}
    with pytest.raises(KerasFileError, match=f"missing .*{name}"):
        load(_write(tmp_path / "m.keras", members))


def test_metadata_may_be_missing(tmp_path, valid):
    members = {key: value for key, value in valid.items() if key != "metadata.json"}
    assert load(_write(tmp_path / "m.keras", members))[0].precision == "highest"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_member_twice(tmp_path, valid):
    path = _write(tmp_path / "m.keras", valid)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", valid["config.json"])
    with pytest.raises(KerasFileError, match="twice"):
        load(path)


def test_symbolic_link(tmp_path, valid):
    path = _write(tmp_path / "m.keras", {key: valid[key] for key in MEMBERS[:2]})
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("model.weights.h5")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(KerasFileError, match="symbolic link"):
        load(path)


def test_compression_bomb(tmp_path, valid):
    path = _write(tmp_path / "m.keras", {key: valid[key] for key in MEMBERS[:2]})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(2**26))
    with pytest.raises(KerasFileError, match="compressed more than"):
        load(path)


def test_declared_sizes_are_capped(tmp_path, valid):
    path = _write(tmp_path / "m.keras", valid)
    with pytest.raises(KerasFileError, match="more than max_bytes=1,000"):
        load(path, max_bytes=1000)


# JSON.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[1, 2]", "expected an object"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": 1, "a": 2}', "comes twice"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "nested deeper"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'{"a": "' + b"x" * 2**24 + b'"}', "more than"),
        (b"{}", "only Sequential and Functional models"),
    ],
    ids=range(11),
)
def test_bad_json(tmp_path, valid, content, message):
    with pytest.raises(KerasFileError, match=message):
        load(_write(tmp_path / "m.keras", {**valid, "config.json": content}))


def _layer(config, index):
    return config["config"]["layers"][index]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: _layer(c, 1).update(class_name="Lambda"), "'Lambda' are not known to jaxgd"),
        (lambda c: _layer(c, 1).update(module="os", class_name="system"), "not one of Keras's own"),
        (lambda c: _layer(c, 1).update(registered_name="mine>Dense"), "mine>Dense.*not one of Keras's own"),
        (lambda c: _layer(c, 1).update(class_name="Sequential"), "not one of Keras's own"),
        (lambda c: _layer(c, 1)["config"].update(activation="evil"), "not an activation"),
        (lambda c: _layer(c, 1)["config"].update(units=float(4)), "expected an integer"),
        (lambda c: _layer(c, 1)["config"].update(units=-4), "at least 1"),
        (lambda c: _layer(c, 1)["config"].update(units=10**30), "at least 1"),
        (lambda c: _layer(c, 1)["config"].update(units=2**30), "the model declares"),
        (lambda c: _layer(c, 1)["config"].update(units=5), "expected shape"),
        (lambda c: _layer(c, 1)["config"].update(lora_rank=4), "lora_rank = 4 is not supported"),
        (lambda c: _layer(c, 1)["config"].update(secret=1), "unknown setting 'secret'"),
        (
            lambda c: _layer(c, 1)["config"].update(kernel_initializer={"class_name": "os.system"}),
            "initializer",
        ),
        (lambda c: _layer(c, 1)["config"].update(name=None), "name: expected a string"),
        (lambda c: _layer(c, 2)["config"].update(axis=0), "axis = 0 is not supported"),
        (lambda c: _layer(c, 2)["config"].update(renorm=True), "renorm = True is not supported"),
        (lambda c: _layer(c, 2)["config"].update(epsilon="small"), "expected a number"),
        (lambda c: _layer(c, 3)["config"].update(rate=2), "rate"),
        (lambda c: _layer(c, 3)["config"].update(name="dense"), "distinct names"),
        (lambda c: _layer(c, 0)["config"].update(batch_shape=[None, -3]), "at least 1"),
        (lambda c: _layer(c, 0)["config"].update(batch_shape=[None, None]), "expected an integer"),
        (lambda c: _layer(c, 0)["config"].update(batch_shape=[None]), "at least one size"),
        (lambda c: _layer(c, 0)["config"].update(sparse=True), "sparse"),
        (lambda c: c["config"].update(layers=[]), "1 to 1000 layers"),
        (lambda c: c["config"].update(layers=[_layer(c, 0)]), "besides the input"),
        (lambda c: c["config"].update(layers=[_layer(c, 1)] * 2000), "1 to 1000 layers"),
        (lambda c: _layer(c, 1)["config"].update(dtype="float64"), "dtypes differ"),
        (lambda c: _layer(c, 1)["config"].update(trainable=False), "frozen, or set free, after compile"),
        (lambda c: c.update(class_name="Functional"), "unknown setting 'build_input_shape'"),
        (lambda c: c["compile_config"].update(optimizer="Evil"), "'Evil' is not an optimizer"),
        (lambda c: c["compile_config"].update(loss="evil"), "unknown loss.*training=False"),
        (lambda c: c["compile_config"].update(loss={"class_name": "Evil"}), "unknown loss"),
        (lambda c: c["compile_config"].update(metrics=["evil"]), "unknown metric"),
        (lambda c: c["compile_config"].update(loss_weights=["x"]), "loss_weights"),
        (lambda c: c.update(compile_config=[1]), "expected an object"),
    ],
)
def test_bad_config(tmp_path, valid, change, message):
    config = _config(valid)
    change(config)
    with pytest.raises(KerasFileError, match=message):
        load(_with_config(tmp_path / "m.keras", valid, config))


def test_declared_parameters_are_capped(tmp_path, valid):
    """A few words of a file must not make gigabytes."""
    config = _config(valid)
    _layer(config, 0)["config"]["batch_shape"] = [None, 2**31 - 1]
    given = {"name": "n", "mean": 0.0, "variance": 1.0}
    config["config"]["layers"][1:] = [{"class_name": "Normalization", "config": given}]
    with pytest.raises(KerasFileError, match="the model declares 17,179,869,180 bytes"):
        load(_with_config(tmp_path / "m.keras", valid, config))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"learning_rate": {"class_name": "Evil", "config": {}}}, "not one of Keras's schedules"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"beta_1": 2.0}, "beta_1"),
        ({"amsgrad": 1}, "expected a value like False"),
        ({"evil": 1}, "unknown setting"),
        ({"constants": "exact"}, "unknown setting"),
        ({"exclude_from_weight_decay": ["(a+)+$"]}, "unknown setting"),
        ({"amsgrad": True}, "missing 'optimizer/vars/14'"),
    ],
)
def test_bad_optimizer(tmp_path, valid, settings, message):
    config = _config(valid)
    config["compile_config"]["optimizer"]["config"].update(settings)
    with pytest.raises(KerasFileError, match=message):
        load(_with_config(tmp_path / "m.keras", valid, config))


@pytest.mark.parametrize(
    ("ours", "message"),
    [
        ([], "expected an object"),
        ({"precision": "evil"}, "precision"),
        ({"precision": []}, "precision"),
        ({"optimizer": {"exclude_from_weight_decay": ["(a+)+$"]}}, "more of a pattern"),
        ({"optimizer": {"evil": 1}}, "unknown setting"),
    ],
)
def test_bad_metadata(tmp_path, valid, ours, message):
    metadata = json.dumps({"jaxgd": ours})
    with pytest.raises(KerasFileError, match=message):
        load(_write(tmp_path / "m.keras", {**valid, "metadata.json": metadata}))


# Weights.

KERNEL = "layers/dense/vars/0"


def _replace(name, **options):
    def change(file):
        del file[name]
        file.create_dataset(name, **options)

    return change


def _delete(name):
    return lambda file: file.__delitem__(name)


def _link(link):
    def change(file):
        del file[KERNEL]
        file[KERNEL] = link

    return change


def _alias(file):
    del file[KERNEL]
    file[KERNEL] = file["layers/dense_1/vars/0"]


def _cycle(file):
    file["layers/dense/loop"] = file["layers"]


def _virtual(file):
    del file[KERNEL]
    layout = h5py.VirtualLayout((3, 4), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3, 4), "f4")
    file.create_virtual_dataset(KERNEL, layout)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_delete(KERNEL), f"missing '{KERNEL}'"),
        (lambda f: f.create_dataset("layers/dense/vars/2", data=1.0), "unexpected 'layers/dense/vars/2'"),
        (_delete("optimizer/vars/3"), "missing 'optimizer/vars/3'"),
        (_replace(KERNEL, data=np.zeros((4, 3), "f4")), r"expected shape \[3, 4\], got \[4, 3\]"),
        (_replace(KERNEL, data=np.zeros((3, 4), "c8")), "expected real numbers"),
        (_replace(KERNEL, data=np.zeros((3, 4), "S3")), "expected real numbers"),
        (_replace(KERNEL, data=np.zeros((3, 4), [("a", "f4")])), "expected real numbers"),
        (_replace(KERNEL, data=h5py.Empty("f4")), "no shape"),
        (_replace(KERNEL, shape=(2**20, 2**20), dtype="f4", chunks=(64, 64)), "more than 200 times"),
        (
            _replace(KERNEL, shape=(3, 4), dtype="f4", compression="lzf", chunks=(3, 4)),
            "filter other than gzip",
        ),
        (_replace(KERNEL, shape=(3, 4), dtype="f4", fletcher32=True), "filter other than gzip"),
        (_replace(KERNEL, shape=(3, 4), dtype="f4", external=[("/etc/passwd", 0, 48)]), "another file"),
        (_virtual, "another file"),
        (_link(h5py.SoftLink("/layers/dense_1/vars/0")), "a link"),
        (_link(h5py.ExternalLink("/etc/passwd", "/")), "a link"),
        (_alias, "stands elsewhere"),
        (_cycle, "stands elsewhere"),
        (lambda f: f.__setitem__("layers/type", np.dtype("f4")), "expected a group or a dataset"),
        (_replace("optimizer/vars/0", data=np.int64(-1)), "expected a count"),
        (_replace("optimizer/vars/0", data=np.int64(2**40)), "expected a count"),
        (_replace("optimizer/vars/0", data=np.float32(1)), "expected an integer"),
        (_replace("optimizer/vars/1", data=np.zeros(3, "f4")), r"expected shape \[\], got \[3\]"),
        (lambda f: f.create_group("/".join("abcdefghijklmnopqrst")), "too deep"),
    ],
)
def test_bad_weights(tmp_path, valid, change, message):
    path = _with_weights(tmp_path / "m.keras", valid, change)
    with pytest.raises(KerasFileError, match=message):
        load(path)


def test_gzip_and_other_precisions_are_read(tmp_path, valid):
    expected = load(_write(tmp_path / "m.keras", valid))[1]["dense"]["kernel"]
    data = np.asarray(expected, "f8")
    change = _replace(KERNEL, data=data, compression="gzip", chunks=(3, 4))
    params = load(_with_weights(tmp_path / "n.keras", valid, change))[1]
    assert np.array_equal(params["dense"]["kernel"], expected)
    assert params["dense"]["kernel"].dtype == np.float32


# Anything at all.


def _loads_or_refuses(path):
    """Only a KerasFileError may come out."""
    try:
        load(path)
    except KerasFileError:
        return False
    return True


def _paths(node, path=()):
    yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from _paths(child, (*path, key))


_VALUES = (
    *(
        None,
        True,
        False,
        0,
        -1,
        7,
        2**31 - 1,
        2**70,
        0.5,
        -1e300,
        "",
        "a",
        "\x00",
        "\u2603",
        [],
        {},
        [None, 3],
    ),
    *("relu", "Dense", "float64", "mixed_float16", "Sequential", {"class_name": "Dense", "config": {}}),
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1))
def test_mutated_config(tmp_path, valid, seed):
    choose = random.Random(seed)
    config = copy.deepcopy(_config(valid))
    for _ in range(choose.randint(1, 2)):
        *front, last = choose.choice([path for path in _paths(config) if path])
        node = config
        for key in front:
            node = node[key]
        if choose.random() < 0.5:
            node[last] = copy.deepcopy(choose.choice(_VALUES))
        else:
            del node[last]
    _loads_or_refuses(_with_config(tmp_path / "m.keras", valid, config))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_mutated_bytes(tmp_path, valid, data):
    """Bytes of a member, or of the whole archive, replaced or cut off."""
    member = data.draw(st.sampled_from([*MEMBERS, None]))
    path = _write(tmp_path / "m.keras", valid)
    content = bytearray(path.read_bytes() if member is None else valid[member])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    if member is None:
        path.write_bytes(content)
    else:
        _write(path, {**valid, member: bytes(content)})
    _loads_or_refuses(path)


def test_fuzzing_can_fail(tmp_path, valid):
    """The two tests above see both outcomes."""
    assert _loads_or_refuses(_write(tmp_path / "m.keras", valid))
    assert not _loads_or_refuses(_write(tmp_path / "m.keras", {**valid, "config.json": b"{}"}))
