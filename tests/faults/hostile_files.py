"""Files that are made to do harm, each named after the weakness that it copies.

`CORPUS` is {name: (what it tries, function(folder, originals) -> (path, how it is loaded))}.
"""

import base64
import io
import json
import marshal
import pickle
import stat
import struct
import zipfile
import zlib
from functools import partial

import h5py
import numpy as np
from mutated_files import MEMBERS, packed

from jaxgd.keras_files import load

METADATA, CONFIG, WEIGHTS = MEMBERS
KERNEL = "layers/dense/vars/0"
CORPUS = {}


def hostile(what):
    """Enters a function of (folder, originals) that writes a file, and returns its path or (path, loads)."""

    def enter(function):
        def make(folder, originals):
            made = function(folder, originals)
            return made if isinstance(made, tuple) else (made, load)

        CORPUS[function.__name__] = (what, make)
        return function

    return enter


def written(folder, content, name="m.keras"):
    """A file of these bytes, or an archive of these members."""
    path = folder / name
    path.write_bytes(packed(content) if isinstance(content, dict) else content)
    return path


def with_config(folder, originals, change, name="m.keras"):
    """The file in order after `change(config)`."""
    members = originals.members(name)
    config = json.loads(members[CONFIG])
    change(config)
    return written(folder, {**members, CONFIG: json.dumps(config).encode()})


def with_weights(folder, originals, change):
    """The file in order after `change(h5py.File)`."""
    members = originals.members("m.keras")
    buffer = io.BytesIO(members[WEIGHTS])
    with h5py.File(buffer, "r+") as file:
        change(file)
    return written(folder, {**members, WEIGHTS: buffer.getvalue()})


def replaced(folder, originals, **options):
    """The file in order with another dataset for a kernel."""

    def change(file):
        del file[KERNEL]
        file.create_dataset(KERNEL, **options)

    return with_weights(folder, originals, change)


def layer(config, index):
    return config["config"]["layers"][index]


# The archive.


@hostile("A member whose name climbs out of the folder")
def zip_path_traversal(folder, originals):
    return written(folder, {**originals.members("m.keras"), "../../evil": b"x"})


@hostile("A member with an absolute path")
def zip_absolute_path(folder, originals):
    return written(folder, {**originals.members("m.keras"), "/tmp/evil": b"x"})


@hostile("Weights that are a symbolic link to a file of the system")
def zip_symbolic_link(folder, originals):
    members = originals.members("m.keras")
    path = written(folder, {name: members[name] for name in (METADATA, CONFIG)})
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo(WEIGHTS)
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return path


@hostile("Two configurations: a checker sees one, the reader another")
def zip_member_twice(folder, originals):
    members = originals.members("m.keras")
    first = written(folder, members).read_bytes()
    return written(folder, first.replace(METADATA.encode(), b"config.json\0\0"))


@hostile("200 MB of zeros, deflated to 200 kB")
def zip_bomb(folder, originals):
    members = originals.members("m.keras")
    path = folder / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(CONFIG, members[CONFIG])
        with archive.open(WEIGHTS, "w") as member:
            for _ in range(200):
                member.write(bytes(2**20))
    return path


@hostile("A central directory that declares 3 GiB")
def zip_declared_size(folder, originals):
    data = bytearray(written(folder, originals.members("m.keras")).read_bytes())
    entry = data.rindex(b"PK\x01\x02")  # the weights
    data[entry + 20 : entry + 28] = struct.pack("<II", 3 * 2**30, 3 * 2**30)
    return written(folder, bytes(data))


@hostile("60,000 members, for the reader's lists")
def zip_many_members(folder, originals):
    path = written(folder, originals.members("m.keras"))
    with zipfile.ZipFile(path, "a") as archive:
        for index in range(60_000):
            archive.writestr(f"assets/{index}", b"")
    return path


@hostile("Two members over one another, so that few bytes unpack to many")
def zip_overlapping_members(folder, originals):
    data = bytearray(written(folder, originals.members("m.keras")).read_bytes())
    first, second = data.index(b"PK\x01\x02"), data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = data[first + 42 : first + 46]
    return written(folder, bytes(data))


@hostile("An encrypted member")
def zip_encrypted(folder, originals):
    data = bytearray(written(folder, originals.members("m.keras")).read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    return written(folder, bytes(data))


@hostile("A compression with a decoder of its own")
def zip_other_compression(folder, originals):
    members = originals.members("m.keras")
    path = folder / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@hostile("Weights whose checksum is wrong")
def zip_wrong_checksum(folder, originals):
    data = bytearray(written(folder, originals.members("m.keras")).read_bytes())
    place = data.index(b"\x89HDF")
    data[place + 2000] ^= 0xFF
    return written(folder, bytes(data))


@hostile("A stored member of two sizes")
def zip_two_sizes(folder, originals):
    data = bytearray(written(folder, originals.members("m.keras")).read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 2**30)
    return written(folder, bytes(data))


@hostile("A pickle among the assets")
def zip_pickle_asset(folder, originals):
    payload = pickle.dumps(print)
    return written(folder, {**originals.members("m.keras"), "assets/vocabulary.pkl": payload})


@hostile("Weights as .npz, whose arrays may be pickles")
def npz_weights(folder, originals):
    members = originals.members("m.keras")
    buffer = io.BytesIO()
    np.savez(buffer, np.array([print], dtype=object))
    del members[WEIGHTS]
    return written(folder, {**members, "model.weights.npz": buffer.getvalue()})


@hostile("A pickle that is named .keras")
def pickle_named_keras(folder, originals):
    return written(folder, pickle.dumps(print))


# JSON.


@hostile("A million brackets, for a parser that recurses")
def json_deep(folder, originals):
    return written(folder, {**originals.members("m.keras"), CONFIG: b"[" * 1_000_000})


@hostile("20 MB of configuration")
def json_huge(folder, originals):
    text = b'{"a": "' + b"x" * (20 * 2**20) + b'"}'
    return written(folder, {**originals.members("m.keras"), CONFIG: text})


@hostile("A million empty lists: 3 MB that become 64 MB of objects")
def json_many_values(folder, originals):
    text = b'{"a": [' + b"[]," * 1_000_000 + b"[]]}"
    return written(folder, {**originals.members("m.keras"), CONFIG: text})


@hostile("A shape that is NaN")
def json_nan_shape(folder, originals):
    members = originals.members("m.keras")
    config = members[CONFIG].replace(b"[null, 3]", b"[null, NaN]")
    return written(folder, {**members, CONFIG: config})


@hostile("A key that comes twice: a checker sees one class, the reader another")
def json_key_twice(folder, originals):
    members = originals.members("m.keras")
    config = members[CONFIG].replace(
        b'"class_name": "Sequential"', b'"class_name": "Lambda", "class_name": "Sequential"', 1
    )
    return written(folder, {**members, CONFIG: config})


@hostile("A number of a million digits, whose conversion is quadratic")
def json_long_number(folder, originals):
    members = originals.members("m.keras")
    config = members[CONFIG].replace(b'"units": 4', b'"units": ' + b"9" * 1_000_000, 1)
    return written(folder, {**members, CONFIG: config})


# Names that would be run.


@hostile("A Lambda layer with marshalled code")
def lambda_layer(folder, originals):
    code = base64.b64encode(marshal.dumps(compile("__import__('os').getpid()", "x", "eval"))).decode()

    def change(config):
        function = {"class_name": "__lambda__", "config": {"code": code, "defaults": None, "closure": None}}
        entry = {
            "class_name": "Lambda",
            "module": "keras.layers",
            "config": {"name": "l", "function": function},
        }
        config["config"]["layers"].append({**entry, "registered_name": None})

    return with_config(folder, originals, change)


@hostile("A class that is looked up by module and name: builtins.eval")
def module_gadget(folder, originals):
    return with_config(
        folder,
        originals,
        lambda c: layer(c, 1).update(module="builtins", class_name="eval", registered_name=None),
    )


@hostile("A registered name that leads to a class of the user's")
def registered_name_gadget(folder, originals):
    return with_config(folder, originals, lambda c: layer(c, 1).update(registered_name="os>system"))


@hostile("An initializer from the module os")
def initializer_gadget(folder, originals):
    entry = {
        "module": "os",
        "class_name": "system",
        "config": {"command": "true"},
        "registered_name": "system",
    }
    return with_config(folder, originals, lambda c: layer(c, 1)["config"].update(kernel_initializer=entry))


@hostile("An activation that is a function of keras.src by its dotted name")
def function_gadget(folder, originals):
    entry = {"module": "keras.src.utils.file_utils", "class_name": "function", "config": "get_file"}
    return with_config(folder, originals, lambda c: layer(c, 1)["config"].update(activation=entry))


@hostile("An optimizer from another module")
def optimizer_gadget(folder, originals):
    entry = {"module": "subprocess", "class_name": "Popen", "config": {"args": ["true"]}}
    return with_config(folder, originals, lambda c: c["compile_config"].update(optimizer=entry))


@hostile("A loss that is a marshalled lambda")
def loss_gadget(folder, originals):
    entry = {"class_name": "__lambda__", "config": {"code": "eA==", "defaults": None, "closure": None}}
    return with_config(folder, originals, lambda c: c["compile_config"].update(loss=entry))


@hostile("A layer that loads a SavedModel from a path")
def saved_model_layer(folder, originals):
    entry = {
        "module": "keras.layers",
        "class_name": "TFSMLayer",
        "config": {"name": "t", "filepath": "/tmp/evil"},
    }
    return with_config(folder, originals, lambda c: c["config"]["layers"].append(entry))


@hostile("A layer that reads a vocabulary from a path")
def vocabulary_layer(folder, originals):
    config = {"name": "s", "vocabulary": "/etc/passwd"}
    entry = {"module": "keras.layers", "class_name": "StringLookup", "config": config}
    return with_config(folder, originals, lambda c: c["config"]["layers"].append(entry))


# Descriptions that do not end, or declare too much.


@hostile("A graph whose layers wait for one another")
def cyclic_graph(folder, originals):
    def change(config):
        nodes = {each["name"]: each["inbound_nodes"] for each in config["config"]["layers"]}
        nodes["both"][0]["args"][0][0]["config"]["keras_history"] = ["out", 0, 0]

    return with_config(folder, originals, change, "g.keras")


@hostile("A graph with a tensor from a layer that is not there")
def dangling_graph(folder, originals):
    def change(config):
        config["config"]["layers"][-1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = [
            "no",
            0,
            0,
        ]

    return with_config(folder, originals, change, "g.keras")


@hostile("A model that holds models that hold models")
def nested_models(folder, originals):
    def change(config):
        inner = layer(config, 1)
        for depth in range(12):
            shape = {"batch_shape": [None, 3], "dtype": "float32", "name": f"i{depth}"}
            first = {
                "module": "keras.layers",
                "class_name": "InputLayer",
                "config": shape,
                "registered_name": None,
            }
            inside = {"name": f"m{depth}", "layers": [first, inner]}
            inner = {"module": "keras", "class_name": "Sequential", "config": inside, "registered_name": None}
        config["config"]["layers"][1] = inner

    return with_config(folder, originals, change)


@hostile("100,000 layers")
def many_layers(folder, originals):
    entry = {"class_name": "Flatten", "config": {"name": "f"}}
    return with_config(
        folder, originals, lambda c: c["config"].update(layers=[layer(c, 0), *[entry] * 50_000])
    )


@hostile("A dimension below zero")
def negative_dimension(folder, originals):
    return with_config(folder, originals, lambda c: layer(c, 1)["config"].update(units=-4))


@hostile("Dimensions whose product is 16 EiB")
def huge_dimensions(folder, originals):
    def change(config):
        layer(config, 0)["config"]["batch_shape"] = [None, 2**31 - 1]
        layer(config, 1)["config"]["units"] = 2**31 - 1

    return with_config(folder, originals, change)


@hostile("Two billion means that a few words declare")
def declared_parameters(folder, originals):
    def change(config):
        layer(config, 0)["config"]["batch_shape"] = [None, 2**31 - 1]
        given = {"name": "n", "mean": 0.0, "variance": 1.0}
        config["config"]["layers"][1:] = [{"class_name": "Normalization", "config": given}]

    return with_config(folder, originals, change)


@hostile("A pattern that backtracks for ever, in jaxgd's own metadata")
def pattern_in_metadata(folder, originals):
    ours = {"precision": "highest", "optimizer": {"exclude_from_weight_decay": ["(a+)+$"]}}
    members = originals.members("m.keras")
    return written(folder, {**members, METADATA: json.dumps({"jaxgd": ours}).encode()})


@hostile("A pattern that backtracks for ever, as a key of a MultiOptimizer")
def pattern_of_an_optimizer(folder, originals):
    def change(config):
        adam = config["compile_config"]["optimizer"]
        inside = {"default_optimizer": adam, "optimizer_map": {"(([a-z/])+.)+[A-Z]([a-z])+$": adam}}
        routes = {"module": "keras.optimizers", "class_name": "OptimizerMap", "config": inside}
        config["compile_config"]["optimizer"] = {
            "module": "keras.optimizers",
            "class_name": "MultiOptimizer",
            "config": {"optimizer_map": routes, "loss_scale_factor": None, "name": "m"},
        }

    path = with_config(folder, originals, change)
    with zipfile.ZipFile(path) as archive:
        return written(folder, {CONFIG: archive.read(CONFIG), WEIGHTS: archive.read(WEIGHTS)})


# HDF5.


@hostile("A soft link inside the weights")
def hdf5_soft_link(folder, originals):
    def change(file):
        del file[KERNEL]
        file[KERNEL] = h5py.SoftLink("/layers/dense_1/vars/0")

    return with_weights(folder, originals, change)


@hostile("A link to another file")
def hdf5_external_link(folder, originals):
    def change(file):
        del file[KERNEL]
        file[KERNEL] = h5py.ExternalLink("/etc/passwd", "/")

    return with_weights(folder, originals, change)


@hostile("An array whose bytes are those of another file: a model that carries away secrets")
def hdf5_external_storage(folder, originals):
    return replaced(folder, originals, shape=(3, 4), dtype="f4", external=[("/etc/passwd", 0, 48)])


@hostile("A virtual array over another file")
def hdf5_virtual_dataset(folder, originals):
    def change(file):
        del file[KERNEL]
        layout = h5py.VirtualLayout((3, 4), "f4")
        layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3, 4), "f4")
        file.create_virtual_dataset(KERNEL, layout)

    return with_weights(folder, originals, change)


@hostile("Groups that contain themselves")
def hdf5_cycle(folder, originals):
    return with_weights(folder, originals, lambda file: file.__setitem__("layers/dense/loop", file["layers"]))


@hostile("One array under two names")
def hdf5_alias(folder, originals):
    def change(file):
        del file[KERNEL]
        file[KERNEL] = file["layers/dense_1/vars/0"]

    return with_weights(folder, originals, change)


@hostile("A filter whose decoder is another library's")
def hdf5_other_filter(folder, originals):
    return replaced(folder, originals, shape=(3, 4), dtype="f4", compression="lzf", chunks=(3, 4))


@hostile("Values that are references to objects")
def hdf5_references(folder, originals):
    return replaced(folder, originals, shape=(3, 4), dtype=h5py.ref_dtype)


@hostile("Values that are structures")
def hdf5_compound(folder, originals):
    return replaced(folder, originals, shape=(3, 4), dtype=[("a", "f4"), ("b", "S100")])


@hostile("An array of 400 MB that the file promises and does not hold")
def hdf5_promised_array(folder, originals):
    return replaced(folder, originals, shape=(10_000, 10_000), dtype="f4")


@hostile("400 MB of zeros that one small chunk stands for, a thousand times")
def hdf5_gzip_bomb(folder, originals):
    def change(file):
        del file[KERNEL]
        made = file.create_dataset(KERNEL, (400, 2**18), "f4", chunks=(1, 2**18), compression="gzip")
        chunk = zlib.compress(bytes(2**20), 9)
        for row in range(400):
            made.id.write_direct_chunk((row, 0), chunk)

    return with_weights(folder, originals, change)


@hostile("A chunk of 1 GiB for twelve numbers")
def hdf5_giant_chunk(folder, originals):
    return replaced(folder, originals, shape=(3, 4), dtype="f4", maxshape=(None, None), chunks=(2**14, 2**14))


@hostile("21,000 small arrays, each of which costs the reader more than the file")
def hdf5_many_small_datasets(folder, originals):
    def change(file):
        group = file.create_group("layers/many/vars")
        for index in range(21_000):
            group[str(index)] = np.float32(0)

    return with_weights(folder, originals, change)


@hostile("Groups a thousand levels deep")
def hdf5_deep_groups(folder, originals):
    return with_weights(folder, originals, lambda file: file.create_group("/".join(["g"] * 1000)))


@hostile("Two arrays over the same bytes")
def hdf5_overlapping_arrays(folder, originals):
    members = originals.members("m.keras")
    data = members[WEIGHTS]
    with h5py.File(io.BytesIO(data)) as file:
        one, other = (
            struct.pack("<Q", file[f"layers/{name}/vars/0"].id.get_offset()) for name in ("dense", "dense_1")
        )
    assert data.count(other) == 1
    return written(folder, {**members, WEIGHTS: data.replace(other, one)})


@hostile("Half of the weights")
def hdf5_truncated(folder, originals):
    members = originals.members("m.keras")
    return written(folder, {**members, WEIGHTS: members[WEIGHTS][: len(members[WEIGHTS]) // 2]})


@hostile("20 MB of something else beside the arrays")
def hdf5_hidden_bytes(folder, originals):
    members = originals.members("m.keras")
    return written(folder, {**members, WEIGHTS: members[WEIGHTS] + bytes(20 * 2**20)})


@hostile("A step counter below zero")
def hdf5_negative_count(folder, originals):
    def change(file):
        del file["optimizer/vars/0"]
        file["optimizer/vars/0"] = np.int64(-1)

    return with_weights(folder, originals, change)


@hostile("A kernel of another rank")
def hdf5_other_rank(folder, originals):
    return replaced(folder, originals, data=np.zeros((3, 4, 1, 1), "f4"))


@hostile("120 MB of arrays in order, and a last one of another shape: read in vain")
def hdf5_late_mistake(folder, originals):
    members = originals.members("m.keras")
    config = json.loads(members[CONFIG])
    del config["compile_config"]
    shape = {"batch_shape": [None, 3], "dtype": "float32", "name": "i"}
    first = {"class_name": "InputLayer", "config": shape}
    stack = [
        {"class_name": "Dense", "config": {"name": name, "units": n}} for name, n in (("a", 10**7), ("b", 1))
    ]
    config["config"]["layers"] = [first, *stack]
    with h5py.File(folder / "weights.h5", "w") as file:
        for index, array in enumerate((np.zeros((3, 10**7), "f4"), np.zeros(10**7, "f4"))):
            file[f"layers/dense/vars/{index}"] = array
        file["layers/dense_1/vars/0"] = np.zeros((10**7, 1), "f4")
        file["layers/dense_1/vars/1"] = np.zeros(2, "f4")
    path = folder / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(CONFIG, json.dumps(config))
        archive.write(folder / "weights.h5", WEIGHTS)
    (folder / "weights.h5").unlink()
    return path


# Legacy files and weights alone.


def _legacy(folder, originals, change):
    path = written(folder, originals.bytes["old.h5"], "m.h5")
    with h5py.File(path, "r+") as file:
        change(file)
    return path


@hostile("A Lambda layer in a file of tf.keras 2")
def legacy_lambda(folder, originals):
    def change(file):
        config = json.loads(file.attrs["model_config"])
        entry = {"class_name": "Lambda", "config": {"name": "l", "function": ["eA==", None, None]}}
        config["config"]["layers"].append(entry)
        file.attrs["model_config"] = json.dumps(config)

    return _legacy(folder, originals, change)


@hostile("A metric of tf.keras 2 that names a function")
def legacy_metric_gadget(folder, originals):
    def change(file):
        config = json.loads(file.attrs["training_config"])
        config["metrics"] = [
            [{"class_name": "MeanMetricWrapper", "config": {"name": "m", "fn": "os.system"}}]
        ]
        file.attrs["training_config"] = json.dumps(config)

    return _legacy(folder, originals, change)


@hostile("2,000 names that all refer to one text of 1 MB: 2 GB once they are copied")
def legacy_repeated_text(folder, originals):
    def change(file):
        file.attrs["long"] = "x" * 2**20
        del file["model_weights"].attrs["layer_names"]
        file["model_weights"].attrs["layer_names"] = ["a" * 777] * 2000

    path = _legacy(folder, originals, change)
    data = bytearray(path.read_bytes())
    long = next(m for m in range(0, len(data) - 16, 8) if struct.unpack_from("<I", data, m)[0] == 2**20)
    reference = bytes(data[long : long + 16])
    place = data.index(struct.pack("<I", 777))
    for index in range(2000):
        data[place + 16 * index : place + 16 * index + 16] = reference
    return written(folder, bytes(data), "m.h5")


@hostile("A configuration of 5 MB in an attribute")
def legacy_long_config(folder, originals):
    return _legacy(folder, originals, lambda file: file.attrs.__setitem__("model_config", "x" * (5 * 2**20)))


@hostile("Names of weights that lead out of their group")
def legacy_other_paths(folder, originals):
    def change(file):
        file["model_weights/first"].attrs["weight_names"] = ["../../secret", "../../secret"]

    return _legacy(folder, originals, change)


@hostile("A header that says it has 1 TiB")
def safetensors_header(folder, originals):
    path = written(folder, struct.pack("<Q", 2**40) + b"{}", "w.safetensors")
    return path, partial(load, model=originals.model)


@hostile("Arrays of safetensors over one another")
def safetensors_overlap(folder, originals):
    data = originals.bytes["w.safetensors"]
    size = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8 : 8 + size])
    for each in header.values():
        length = each["data_offsets"][1] - each["data_offsets"][0]
        each["data_offsets"] = [0, length]
    text = json.dumps(header).encode()
    path = written(folder, struct.pack("<Q", len(text)) + text + data[8 + size :], "w.safetensors")
    return path, partial(load, model=originals.model)


@hostile("A pickle that is named .safetensors")
def pickle_named_safetensors(folder, originals):
    return written(folder, pickle.dumps(print), "w.safetensors"), partial(load, model=originals.model)
