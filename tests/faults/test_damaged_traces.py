"""Traces that are damaged, incomplete, hostile or from the future: one clear error, no traceback."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jaxgd.cli.app import app
from jaxgd.parity.trace import Recording, TraceError, read_trace, write_trace
from jaxgd.parity.trace.setup import make_setup

TRACE = Path(__file__).parents[1] / "parity" / "traces" / "nesterov_mse_float32.trace.npz"


def members():
    with zipfile.ZipFile(TRACE) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, contents):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def with_manifest(change):
    contents = members()
    manifest = json.loads(contents["manifest.json"])
    change(manifest)
    return {**contents, "manifest.json": json.dumps(manifest).encode()}


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def changed_value():
    contents = members()
    with np.load(TRACE) as arrays:
        losses = arrays["losses"].copy()
    losses[2] = np.nextafter(losses[2], np.float32(9))
    return {**contents, "losses.npy": npy(losses)}


def without(name):
    return {key: content for key, content in members().items() if key != name}


def set_to(*keys_and_value):
    *keys, last, value = keys_and_value

    def change(manifest):
        node = manifest
        for key in keys:
            node = node[key]
        node[last] = value

    return change


# name: (what the archive holds, what the message says)
DAMAGED = {
    "one changed value": (changed_value, "losses: its checksum is wrong"),
    "a newer version": (lambda: with_manifest(set_to("version", 2)), "written by a newer jaxgd"),
    "no version": (lambda: with_manifest(set_to("version", None)), "version None"),
    "another format": (lambda: with_manifest(set_to("format", "other")), "this is not a trace"),
    "no manifest": (lambda: without("manifest.json"), "no manifest.json"),
    "a manifest that is no JSON": (lambda: {**members(), "manifest.json": b"{"}, "not a trace, or damaged"),
    "an array that is not there": (lambda: without("losses.npy"), "losses.npy"),
    "an array too many": (lambda: {**members(), "extra.npy": npy(np.ones(2))}, "extra.npy"),
    "pickled objects": (
        lambda: {**members(), "losses.npy": npy(np.array([print], object), allow_pickle=True)},
        "losses: expected the .npy",
    ),
    "a pickle": (lambda: {**members(), "losses.npy": pickle.dumps(print)}, "losses: expected the .npy"),
    "another shape than declared": (
        lambda: with_manifest(set_to("arrays", "losses", "shape", [3, 2])),
        "losses: expected",
    ),
    "more bytes than are allowed": (
        lambda: with_manifest(set_to("arrays", "losses", "shape", [2**40])),
        "more than max_bytes",
    ),
    "a negative size": (lambda: with_manifest(set_to("arrays", "losses", "shape", [-6])), "arrays: losses"),
    "arrays that are a list": (lambda: with_manifest(set_to("arrays", [])), "arrays: expected an object"),
    "an unknown dtype": (lambda: with_manifest(set_to("dtype", "float16")), "float16"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_trace_is_refused(name, tmp_path):
    make, message = DAMAGED[name]
    path = write(tmp_path / "damaged.npz", make())
    with pytest.raises(TraceError, match=r"damaged\.npz") as refused:
        read_trace(path)
    assert message in str(refused.value)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_truncated_trace_is_refused(share, tmp_path):
    path = tmp_path / "short.npz"
    content = TRACE.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(TraceError, match="not a trace, or damaged"):
        read_trace(path)


def test_every_single_flipped_byte_of_an_array_is_noticed(tmp_path):
    contents = members()
    for place in range(0, len(contents["losses.npy"]), 7):
        damaged = bytearray(contents["losses.npy"])
        damaged[place] ^= 0x10
        path = write(tmp_path / "flipped.npz", {**contents, "losses.npy": bytes(damaged)})
        try:
            read = read_trace(path).arrays["losses"]
        except TraceError:
            continue
        assert np.array_equal(read, read_trace(TRACE).arrays["losses"]), f"byte {place} went unnoticed"


# what is asked for, and what the message says
REFUSED = {
    "an unknown layer": (("model", "config", "layers", 1, "class_name"), "Evil", "Evil"),
    "a layer of the user's": (("model", "config", "layers", 1, "module"), "os", "os"),
    "an unknown loss": (("loss",), "mean_squared_eror", "mean_squared_error"),
    "an unknown optimizer": (("optimizer",), {"class_name": "Evil", "config": {}}, "Evil"),
    "an unknown transformation": (("optimizer",), {"library": "optax", "name": "chain"}, "chain"),
    "an argument that is no number": (
        ("optimizer",),
        {"library": "optax", "name": "sgd", "arguments": {"learning_rate": "x"}},
        "learning_rate",
    ),
    "no seeds for the layers": (("random",), {"seeds": [1]}, "seeds"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_trace_that_asks_for_what_is_not_known_is_refused(name):
    keys, value, message = REFUSED[name]
    recording = read_trace(TRACE)
    facts = json.loads(json.dumps(dict(recording.facts)))
    set_to(*keys, value)(facts)
    with pytest.raises(TraceError, match=message):
        make_setup(Recording(facts, recording.arrays))


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        ("schedule", lambda rows: rows + 100, "schedule"),
        ("schedule", lambda rows: rows.astype(np.float32), "schedule"),
        ("params/dense/kernel", lambda kernel: kernel[:-1], "params/dense/kernel"),
        ("grads/dense/kernel", lambda kernel: kernel[:-1], "grads/dense/kernel"),
        ("data/y", lambda y: y[1:], "data/y"),
    ],
)
def test_arrays_that_do_not_belong_together_are_not_written(path, change, message, tmp_path):
    recording = read_trace(TRACE)
    arrays = {**recording.arrays, path: change(recording.arrays[path])}
    with pytest.raises(TraceError, match=message):
        write_trace(tmp_path / "odd.npz", Recording(recording.facts, arrays))
    assert not (tmp_path / "odd.npz").exists()


def test_what_was_read_is_written_again_with_the_same_arrays(tmp_path):
    recording = read_trace(TRACE)
    write_trace(tmp_path / "one.npz", recording)
    write_trace(tmp_path / "two.npz", read_trace(tmp_path / "one.npz"))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with np.load(tmp_path / "one.npz") as arrays:
        assert np.array_equal(arrays["losses"], recording.arrays["losses"])


def test_the_command_ends_with_2_and_one_message(tmp_path, capsys):
    path = write(tmp_path / "damaged.npz", changed_value())
    for trace, message in (
        (path, "checksum"),
        (tmp_path / "none.npz", "No such file"),
        (__file__, "not a trace"),
    ):
        with pytest.raises(SystemExit) as ended:
            app.main(["parity", "verify", str(trace)])
        error = capsys.readouterr().err
        assert ended.value.code == 2
        assert message in error
        assert "Traceback" not in error


def test_the_command_ends_with_1_for_a_trace_that_jaxgd_does_not_equal(tmp_path, capsys):
    recording = read_trace(TRACE)
    losses = recording.arrays["losses"] * np.float32(1.001)
    write_trace(tmp_path / "other.npz", Recording(recording.facts, {**recording.arrays, "losses": losses}))
    with pytest.raises(SystemExit) as ended:
        app.main(["parity", "verify", str(tmp_path / "other.npz")])
    assert ended.value.code == 1
    assert "FAILED" in capsys.readouterr().out
