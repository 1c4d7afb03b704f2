"""TensorFlow's side of the catalogue: a module a family, each with `expected(case, inputs)`.

Nothing else of the library imports TensorFlow.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

for _name, _value in (
    ("TF_CPP_MIN_LOG_LEVEL", "3"),
    ("TF_NUM_INTRAOP_THREADS", "1"),
    ("TF_NUM_INTEROP_THREADS", "1"),
    ("KERAS_BACKEND", "tensorflow"),
):
    os.environ.setdefault(_name, _value)

import keras  # noqa: E402  (after the settings that it reads once)
import tensorflow as tf  # noqa: E402

tf.get_logger().setLevel("ERROR")
keras.config.disable_traceback_filtering()  # every call of an operation goes through the filter
tf.debugging.disable_traceback_filtering()


@contextlib.contextmanager
def precision(dtype: str) -> Iterator[None]:
    """Keras in one precision, and back."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)


def executed(function: Callable[..., Any], reference: str) -> Callable[..., Any]:
    """`function` as a case asks for it: eager, as a graph, or compiled by XLA."""
    if reference == "eager":
        return function
    return tf.function(function, jit_compile=reference == "xla")


def versions() -> dict[str, str]:
    """The installed versions that a report names."""
    return {"tensorflow": tf.__version__, "keras": keras.__version__}
