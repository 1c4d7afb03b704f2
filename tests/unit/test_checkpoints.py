"""The file of a checkpoint, the folder of a run's, its lock, and what two runs are compared by."""

import hashlib
import json
import random
import subprocess
import sys
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgd
from jaxgd.checkpoints import (
    CheckpointError,
    CheckpointFolder,
    CheckpointVersionError,
    CheckpointWarning,
    FolderInUseError,
    describe,
    differences,
    load_checkpoint,
    locked,
    read_checkpoint,
    save_checkpoint,
    tree_digest,
)
from jaxgd.checkpoints.arrays import npy_bytes


def state():
    params = jaxgd.mlp([3, 4, 1]).init(0)
    train = jaxgd.TrainState.create(params=params, optimizer="adam", key=jax.random.key(3))
    odd = {"half": jnp.arange(3, dtype=jnp.bfloat16), "flag": jnp.array(True), "none": jnp.zeros((0, 2))}
    return {"train": train, **odd}


def as_bytes(leaf):
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if is_key else leaf).tobytes()


def repacked(path, change):
    """The file with other members, and the checksum that belongs to them."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in change(members).items():
            archive.writestr(name, content)
        archive.comment = b"0" * 64
    content = path.read_bytes()[:-64]
    path.write_bytes(content + hashlib.sha256(content).hexdigest().encode())


def with_manifest(**changes):
    def change(members):
        manifest = {**json.loads(members["manifest.json"]), **changes}
        return {**members, "manifest.json": json.dumps(manifest).encode()}

    return change


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path):
    original = state()
    save_checkpoint(tmp_path / "c.npz", original, {"epoch": 3})
    loaded = load_checkpoint(tmp_path / "c.npz", state())
    assert jax.tree.structure(loaded) == jax.tree.structure(original)
    for new, old in zip(jax.tree.leaves(loaded), jax.tree.leaves(original), strict=True):
        assert (new.dtype, new.shape, as_bytes(new)) == (old.dtype, old.shape, as_bytes(old))
    assert read_checkpoint(tmp_path / "c.npz").facts == {"epoch": 3}
    with np.load(tmp_path / "c.npz", allow_pickle=False) as arrays:  # NumPy alone opens it
        np.testing.assert_array_equal(
            arrays["train/params/dense/kernel"], original["train"].params["dense"]["kernel"]
        )


def test_equal_states_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        save_checkpoint(tmp_path / name, {"w": jnp.ones(2)}, {"x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_everything_that_is_missing_extra_or_different_is_listed(tmp_path):
    path = tmp_path / "c.npz"
    save_checkpoint(path, {"w": jnp.ones(2), "b": jnp.ones(1), "old": jnp.ones(1)})
    with pytest.raises(CheckpointError, match=r"missing new, newer; not expected b, old\."):
        load_checkpoint(path, {"w": jnp.ones(2), "new": jnp.ones(1), "newer": jnp.ones(1)})
    like = {"w": jnp.ones(3), "b": jnp.ones(1, jnp.int32), "old": jnp.ones(1)}
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path, like)
    assert "w: expected float32[3], got float32[2]" in str(caught.value)
    assert "b: expected int32[1], got float32[1]" in str(caught.value)
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        load_checkpoint(tmp_path, {})
    with pytest.raises(CheckpointError, match="not a checkpoint that can be read"):
        load_checkpoint(tmp_path / "nowhere", {})


def test_two_arrays_of_one_path_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="same path"):
        save_checkpoint(tmp_path / "c", {"a/b": {"c": jnp.ones(1)}, "a": {"b/c": jnp.ones(1)}})


def test_a_truncated_checkpoint_is_refused_at_every_percent(tmp_path):
    path = tmp_path / "c.npz"
    save_checkpoint(path, state())
    content = path.read_bytes()
    for percent in range(100):
        path.write_bytes(content[: len(content) * percent // 100])
        with pytest.raises(CheckpointError):
            load_checkpoint(path, state())
    path.write_bytes(content + b"\0")
    with pytest.raises(CheckpointError):
        load_checkpoint(path, state())


def test_one_flipped_bit_is_seen_wherever_it_is(tmp_path):
    """In the arrays, in the manifest, and in the archive's own bytes that say nothing about either."""
    path = tmp_path / "c.npz"
    save_checkpoint(path, state())
    content = bytearray(path.read_bytes())
    places = random.Random(0).sample(range(8 * len(content)), 200)
    for place in [*places, 0, 8 * len(content) - 1]:
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        with pytest.raises(CheckpointError):
            load_checkpoint(path, state())
        content[place // 8] ^= 1 << place % 8


def test_a_damaged_array_is_named(tmp_path):
    path = tmp_path / "c.npz"
    save_checkpoint(path, {"w": jnp.ones(2), "v": jnp.ones(2)})
    repacked(path, lambda members: {**members, "v.npy": npy_bytes(np.zeros(2, np.float32))})
    with pytest.raises(CheckpointError, match="'v': damaged"):
        load_checkpoint(path, {"w": jnp.ones(2), "v": jnp.ones(2)})


def test_a_newer_format_is_refused_with_the_version_that_reads_it(tmp_path):
    path = tmp_path / "c.npz"
    save_checkpoint(path, {"w": jnp.ones(2)})
    repacked(path, with_manifest(version=4, jaxgd="9.8.7", more={}))
    with pytest.raises(CheckpointVersionError, match=r"Install jaxgd 9\.8\.7 or newer"):
        load_checkpoint(path, {"w": jnp.ones(2)})


def first_version(folder, arrays):
    """What version 1 wrote: manifest.json beside the archive it names."""
    folder.mkdir()
    with zipfile.ZipFile(folder / "arrays-0.npz", "w") as archive:
        for name, array in arrays.items():
            archive.writestr(f"{name}.npy", npy_bytes(array))
    listed = {
        name: {
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "sha256": hashlib.sha256(array.tobytes()).hexdigest(),
        }
        for name, array in arrays.items()
    }
    manifest = {"version": 1, "file": "arrays-0.npz", "arrays": listed}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return manifest


def test_the_previous_format_is_read_and_written_anew(tmp_path):
    first_version(tmp_path / "old", {"w": np.arange(3, dtype=np.float32), "n": np.int32([7])})
    like = {"w": jnp.zeros(3), "n": jnp.zeros(1, jnp.int32)}
    loaded = load_checkpoint(tmp_path / "old", like)
    save_checkpoint(tmp_path / "new.npz", loaded)
    again = load_checkpoint(tmp_path / "new.npz", like)
    np.testing.assert_array_equal(again["w"], [0, 1, 2])
    np.testing.assert_array_equal(again["n"], [7])


def test_the_previous_format_says_nothing_of_where_a_run_is(tmp_path):
    first_version(tmp_path / "old", {"w": np.ones(1)})
    with pytest.raises(CheckpointError, match=r"format 1.*give it to fit as state"):
        CheckpointFolder(tmp_path / "old", keep=1).latest(lambda contents: contents)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file": "../arrays-0.npz"}, "a file's name"),
        ({"version": 9}, "expected 1"),
        ({"extra": 1}, "expected the fields"),
        ({"arrays": {"w": {"shape": [2]}}}, "expected shape"),
        ({"arrays": {"v": {}}}, "missing v"),
    ],
)
def test_a_manifest_of_the_previous_format_that_is_none(tmp_path, changes, message):
    manifest = first_version(tmp_path / "old", {"w": np.ones(3, np.float32)})
    (tmp_path / "old" / "manifest.json").write_text(json.dumps({**manifest, **changes}))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(tmp_path / "old", {"w": jnp.ones(3)})


HOSTILE = {
    "no manifest": lambda members: {"w.npy": members["w.npy"]},
    "a manifest that is a list": lambda members: {**members, "manifest.json": b"[]"},
    "a deep manifest": lambda members: {**members, "manifest.json": b"[" * 100_000},
    "no facts": with_manifest(facts=None),
    "an array too many": lambda members: {**members, "v.npy": members["w.npy"]},
    "a header that promises terabytes": lambda members: {
        **members, "w.npy": members["w.npy"].replace(b"(2,)", b"(9999999999999,)"),
    },
    "Python objects": lambda members: {
        **members, "w.npy": members["w.npy"].replace(b"'<f4'", b"'|O' "),
    },
    "another NPY version": lambda members: {**members, "w.npy": b"\x93NUMPY\x03\x00" + members["w.npy"][8:]},
    "an entry without a checksum": with_manifest(arrays={"w": {"shape": [2], "dtype": "float32"}}),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused(tmp_path, name):
    path = tmp_path / "c.npz"
    save_checkpoint(path, {"w": jnp.ones(2)})
    repacked(path, HOSTILE[name])
    with pytest.raises(CheckpointError):
        load_checkpoint(path, {"w": jnp.ones(2)})


def test_a_compressed_member_is_not_unpacked(tmp_path):
    path = tmp_path / "c.npz"
    save_checkpoint(path, {"w": jnp.ones(2)})
    with zipfile.ZipFile(path) as archive:
        manifest = archive.read("manifest.json")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", manifest + b" " * 10_000_000)
    with pytest.raises(CheckpointError, match="not compressed"):
        load_checkpoint(path, {"w": jnp.ones(2)})


def test_a_folder_keeps_the_last_and_the_best(tmp_path):
    files = CheckpointFolder(tmp_path, keep=2)
    for score in (5.0, 1.0, None, float("nan"), 3.0, 2.0):
        files.save({"w": jnp.ones(1)}, {}, score)
    assert files.numbers() == [2, 5, 6]
    again = CheckpointFolder(tmp_path, keep=2)
    assert again.latest(lambda contents: contents.path.name) == "checkpoint-00000006.npz"
    again.save({"w": jnp.ones(1)}, {}, 1.0)  # as good as the best: the first one stays
    assert again.numbers() == [2, 6, 7]


def test_a_damaged_last_one_gives_way_to_the_one_before_and_stays(tmp_path):
    files = CheckpointFolder(tmp_path, keep=3)
    for number in range(3):
        files.save({"w": jnp.full(1, number)}, {"number": number}, None)
    damaged = files.path(3).read_bytes()[:-1]
    files.path(3).write_bytes(damaged)
    with pytest.warns(CheckpointWarning, match=r"Going on from checkpoint-00000002\.npz"):
        assert files.latest(lambda contents: contents.facts["number"]) == 1
    files.save({"w": jnp.ones(1)}, {}, None)
    assert files.path(3).read_bytes() == damaged
    for number in (1, 2, 4):
        files.path(number).write_bytes(b"")
    with pytest.raises(CheckpointError, match="nothing was changed"):
        files.latest(lambda contents: contents)


def test_a_newer_last_one_is_not_passed_over(tmp_path):
    files = CheckpointFolder(tmp_path, keep=3)
    for _ in range(2):
        files.save({"w": jnp.ones(1)}, {}, None)
    repacked(files.path(2), with_manifest(version=4))
    with pytest.raises(CheckpointVersionError):
        files.latest(lambda contents: contents)


def test_leftovers_of_a_killed_writer_go(tmp_path):
    (tmp_path / ".checkpoint-00000001.npz.abc.tmp").write_bytes(b"half")
    (tmp_path / "mine.tmp").write_bytes(b"")
    CheckpointFolder(tmp_path, keep=1).tidy()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.tmp"]


def test_one_run_at_a_time(tmp_path):
    with (
        locked(tmp_path),
        pytest.raises(FolderInUseError, match=r"in use by process \d+ on .*another folder"),
        locked(tmp_path),
    ):
        pass
    with locked(tmp_path):
        pass


def test_a_killed_process_leaves_no_lock(tmp_path):
    code = (
        "import os, signal, sys, pathlib\n"
        "from jaxgd.checkpoints.lock import locked\n"
        "with locked(pathlib.Path(sys.argv[1])):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=120)
    assert done.returncode == -9
    assert (tmp_path / "lock").read_text().startswith("process ")
    with locked(tmp_path):
        pass


def test_descriptions_name_what_differs():
    model = jaxgd.mlp([3, 4, 1], dropout=0.5)
    same, other = jaxgd.mlp([3, 4, 1], dropout=0.5), jaxgd.mlp([3, 4, 1], dropout=0.25)
    assert describe(model) == describe(same)
    assert json.loads(json.dumps(describe(model))) == describe(model)
    assert differences(describe(model), describe(other))[:1] == ["layers[1].rate: saved 0.5, now 0.25"]
    assert describe(describe) == "jaxgd.checkpoints.identity.describe"
    assert " at 0x" not in json.dumps(describe([object(), lambda x: x, jaxgd.losses.get(lambda a, b: a)]))
    rows = np.zeros((2, 3), np.float32)
    assert describe(rows) != describe(rows + 1)
    assert describe(jax.random.key(0)) != describe(jax.random.key(1))
    assert tree_digest({"a": rows}) != tree_digest({"b": rows})
    assert differences({"a": 1}, {"b": 1}) == ["a: saved 1, now None", "b: saved None, now 1"]
