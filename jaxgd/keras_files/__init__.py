"""Keras's files, read and written with json, zipfile and h5py alone, without Keras."""

from jaxgd.keras_files.describing import describe, facts, load_what_can_be_read
from jaxgd.keras_files.errors import KerasFileError
from jaxgd.keras_files.reader import architecture, dtype_of, holds_state_alone, load
from jaxgd.keras_files.training import KerasTraining
from jaxgd.keras_files.writer import save

__all__ = [
    "KerasFileError",
    "KerasTraining",
    "architecture",
    "describe",
    "dtype_of",
    "facts",
    "holds_state_alone",
    "load",
    "load_what_can_be_read",
    "save",
]
