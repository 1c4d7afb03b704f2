"""Files of Keras that are in order, and random changes of them: bytes, words of JSON, bytes of HDF5."""

import copy
import io
import json
import random
import zipfile
from functools import partial
from pathlib import Path

import jaxgd
from jaxgd import layers, optimizers
from jaxgd.keras_files import KerasFileError, KerasTraining, load, save

MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
LEGACY = Path(__file__).parents[1] / "parity" / "files" / "tf_keras_adam.h5"
KINDS = ("zip", "json", "graph json", "hdf5", "legacy hdf5", "weights", "safetensors")
VALUES = (
    None, True, False, 0, -1, 7, 2**31 - 1, 2**70, 0.5, -1e300, "", "a", "\x00", "\u2603", [], {}, [None, 3],
    "relu", "Dense", "float64", "mixed_float16", "Sequential", "Functional", "x" * 2000, ".*.*.*x",
    {"class_name": "Dense", "config": {}},
    {"class_name": "function", "config": "eval"}, [["dense", 0, 0, {}]],
)  # fmt: skip


def make_model():
    """A small model of several kinds of layers."""
    stack = [layers.dense(4, "relu"), layers.batch_normalization(), layers.dropout(0.5), layers.dense(2)]
    return jaxgd.sequential(stack, 3)


def make_graph():
    """A small model with two inputs, a shared layer and a merge."""
    nodes = {
        "code": (layers.dense(3, "tanh"), "left"),
        "again": ("code", "right"),
        "both": (layers.concatenate(), ["code", "again"]),
        "out": (layers.dense(2), "both"),
    }
    return jaxgd.graph(inputs={"left": 2, "right": 2}, nodes=nodes, outputs="out")


class Originals:
    """The files in order, as bytes, and how each is loaded."""

    def __init__(self, folder):
        self.model = make_model()
        graph = make_graph()
        training = KerasTraining("mse", optimizers.adam(), metrics=("accuracy", "mae"))
        contents = {}
        for name, model, kept in (
            ("m.keras", self.model, training),
            ("g.keras", graph, KerasTraining("mse", "sgd")),
            ("w.weights.h5", self.model, training),
            ("w.safetensors", self.model, None),
        ):
            save(folder / name, model, model.init(0), kept)
            contents[name] = (folder / name).read_bytes()
        self.bytes = {**contents, "old.h5": LEGACY.read_bytes()}

    def members(self, name):
        with zipfile.ZipFile(io.BytesIO(self.bytes[name])) as archive:
            return {member: archive.read(member) for member in MEMBERS}

    def mutated(self, kind, seed):
        """(name, content, how it is loaded) of the file of a kind, changed as a seed says."""
        choose = random.Random(seed)
        whole = partial(load)
        alone = partial(load, model=self.model)
        if kind == "zip":
            return "m.keras", changed_bytes(self.bytes["m.keras"], choose), whole
        if kind == "hdf5":
            members = self.members("m.keras")
            return (
                "m.keras",
                packed({**members, MEMBERS[2]: changed_bytes(members[MEMBERS[2]], choose)}),
                whole,
            )
        if kind == "legacy hdf5":
            return "m.h5", changed_bytes(self.bytes["old.h5"], choose), whole
        if kind == "weights":
            return "w.weights.h5", changed_bytes(self.bytes["w.weights.h5"], choose), alone
        if kind == "safetensors":
            return "w.safetensors", changed_bytes(self.bytes["w.safetensors"], choose), alone
        members = self.members("m.keras" if kind == "json" else "g.keras")
        member = choose.choice(MEMBERS[:2])
        return "m.keras", packed({**members, member: changed_json(members[member], choose)}), whole


def packed(members):
    """A zip archive of {name: content}."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def changed_bytes(content, choose):
    """A few bytes or words set, a piece cut out, doubled or moved."""
    data = bytearray(content)
    for _ in range(choose.choice((1, 1, 2, 4, 16))):
        place = choose.randrange(len(data))
        way = choose.random()
        if way < 0.5:
            data[place] = choose.choice((0, 1, 0x7F, 0x80, 0xFF, choose.randrange(256)))
        elif way < 0.75:
            size = choose.choice((2, 4, 8))
            number = choose.choice((0, 1, 2**31 - 1, 2**63 - 1, choose.randrange(len(data)), 2**64 - 1))
            data[place : place + size] = (number % 256**size).to_bytes(size, "little")
        elif way < 0.85:
            del data[place : place + choose.choice((1, 8, 64, len(data)))]
        else:
            start = choose.randrange(len(data))
            piece = data[start : start + choose.choice((8, 64, 512))]
            data[place : place + len(piece)] = piece
        if not data:
            return b""
    return bytes(data)


def paths(node, path=()):
    """The keys that lead to every value of a JSON value."""
    yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from paths(child, (*path, key))


def changed_json(content, choose):
    """One to three values replaced by others, by copies of other parts, or taken out."""
    root = json.loads(content)
    for _ in range(choose.randint(1, 3)):
        places = [path for path in paths(root) if path]
        if not places:
            break
        node, last = descend(root, choose.choice(places))
        way = choose.random()
        if way < 0.5:
            node[last] = copy.deepcopy(choose.choice(VALUES))
        elif way < 0.75:
            other, key = descend(root, choose.choice(places))
            node[last] = copy.deepcopy(other[key])
        else:
            del node[last]
    return json.dumps(root).encode()


def descend(node, path):
    """The container of what a path leads to, and the last key."""
    for key in path[:-1]:
        node = node[key]
    return node, path[-1]


def loads_or_refuses(path, loads):
    """Whether a file loads. Nothing but a KerasFileError may come out."""
    try:
        loads(path)
    except KerasFileError:
        return False
    return True
