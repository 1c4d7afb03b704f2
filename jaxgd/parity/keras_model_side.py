"""Keras models for the ladder: loaded, built or compiled anew, in one precision.

This module and `trace.keras_recorder` are the only ones of the ladder that import Keras and TensorFlow.
"""

import contextlib
import json
import os
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np
import tensorflow as tf

from jaxgd import keras_files
from jaxgd.keras_files.archive import CONFIG, pack, read_archive
from jaxgd.keras_files.reader import MAX_BYTES
from jaxgd.model import Sequential
from jaxgd.parity import keras_side
from jaxgd.parity.trace.setup import with_dtype

CANNOT_RUN = (ValueError, TypeError, tf.errors.InvalidArgumentError, tf.errors.UnimplementedError)
"""What Keras raises for a model that it cannot run in a dtype."""
FRAMEWORK = f"keras {keras.__version__}, tensorflow {tf.__version__}"


@contextlib.contextmanager
def precision(dtype: str) -> Iterator[None]:
    """Both libraries in one precision, and back."""
    with (
        keras_side.precision(dtype),
        jax.enable_x64(dtype == "float64" or jax.config.read("jax_enable_x64")),
    ):
        yield


def write_with_dtype(source: str | os.PathLike[str], target: str | os.PathLike[str], dtype: str) -> None:
    """The same `.keras` file with all layers in another dtype."""
    members = read_archive(source, MAX_BYTES)
    config = json.loads(members[CONFIG])
    compiled = config.pop("compile_config", None)
    changed = with_dtype(config, dtype)
    if compiled is not None:
        changed["compile_config"] = compiled
    Path(target).write_bytes(pack({**members, CONFIG: json.dumps(changed).encode()}))


def load(path: str | os.PathLike[str]) -> Any:
    """The Keras model in a file; one saved before its first step has a fresh optimizer."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Skipping variable loading for optimizer", UserWarning)
        return keras.models.load_model(path)


def build_optimizer(network: Any) -> None:
    """Give a compiled model's optimizer its slots, so that the file has them too.

    Keras builds the optimizer of a file without slots before it reads the weights: the slots of
    ScheduleFreeAdamW, which start as copies of the weights, are then those of random ones.
    """
    if network.compiled and network.optimizer is not None and not network.optimizer.built:
        network.optimizer.build(network.trainable_variables)


def compile_anew(network: Any, loss: Any, optimizer: Any) -> None:
    """Compile with another loss or another optimizer; an optimizer that is given is not used itself."""
    if optimizer is None:
        optimizer = network.optimizer if network.compiled else "sgd"
    elif not isinstance(optimizer, str):
        optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    if loss is None:
        loss = network.loss if network.compiled else None
    network.compile(optimizer=optimizer, loss=loss)


def build(model: Sequential, seed: int, **compiled: Any) -> Any:
    """The Keras model that a description stands for, its numbers drawn after `set_random_seed(seed)`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        keras_files.save(path, model, jax.tree.map(np.zeros_like, model.init(0)))
        config = config_of(path)
    keras.utils.set_random_seed(seed)
    network = keras.models.Sequential.from_config(config["config"])
    network.compile(**compiled)
    return network


def config_of(path: str | os.PathLike[str]) -> dict[str, Any]:
    """`config.json` of a `.keras` file."""
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(CONFIG))
