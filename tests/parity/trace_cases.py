"""The traces that ship with the tests. `python tests/parity/trace_cases.py` writes them anew."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import jaxgd
from jaxgd.layers import activation, batch_normalization, dense, dropout, layer_normalization
from jaxgd.parity import keras_model_side as theirs
from jaxgd.parity.rows import make_rows
from jaxgd.parity.trace import write_trace
from jaxgd.parity.trace.keras_recorder import record

FOLDER = Path(__file__).parent / "traces"
FEATURES, ROWS, BATCH, EPOCHS, SEED = 4, 14, 8, 3, 7
"""14 rows in batches of 8: the second batch of each epoch is short."""

SOFTMAX = dense(3, "softmax")
SPARSE = "sparse_categorical_crossentropy"


def _clipped_average():
    rate = keras.optimizers.schedules.ExponentialDecay(0.05, 2, 0.8)
    return keras.optimizers.Adam(
        rate, global_clipnorm=0.1, gradient_accumulation_steps=2, use_ema=True, ema_momentum=0.9
    )


# name: (dtype, layers, loss, optimizer, further arguments of compile)
CASES = {
    "adam_relu_float32": ("float32", [dense(6, "relu"), SOFTMAX], SPARSE, "adam", {"metrics": ["accuracy"]}),
    "adam_relu_float64": ("float64", [dense(6, "relu"), SOFTMAX], SPARSE, "adam", {"metrics": ["accuracy"]}),
    "nesterov_mse_float32": (
        "float32",
        [dense(6, "tanh", kernel_regularizer="l2"), dense(2)],
        "mean_squared_error",
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        {"metrics": ["mae"]},
    ),
    "adamw_normalized_dropout_float32": (
        "float32",
        [dense(6), batch_normalization(momentum=0.9), activation("relu"), dropout(0.25), SOFTMAX],
        SPARSE,
        lambda: keras.optimizers.AdamW(0.01, weight_decay=0.05),
        {},
    ),
    "nadam_normalized_dropout_float64": (
        "float64",
        [dense(6, "selu"), batch_normalization(momentum=0.9), dropout(0.25), SOFTMAX],
        SPARSE,
        "nadam",
        {},
    ),
    "rmsprop_huber_float64": (
        "float64",
        [layer_normalization(), dense(5, "gelu"), dense(2)],
        "huber",
        lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
        {},
    ),
    "ftrl_binary_float64": (
        "float64",
        [dense(5, "swish"), dense(1, "sigmoid")],
        "binary_crossentropy",
        lambda: keras.optimizers.Ftrl(0.1, l1_regularization_strength=0.01),
        {"metrics": ["accuracy"]},
    ),
    "average_of_accumulated_float64": ("float64", [dense(5, "tanh"), SOFTMAX], SPARSE, _clipped_average, {}),
    "lion_poisson_float64": (
        "float64",
        [dense(5, "elu"), dense(1, "softplus")],
        "poisson",
        lambda: keras.optimizers.Lion(0.01),
        {},
    ),
    "muon_one_hot_float32": (
        "float32",
        [dense(6, "leaky_relu"), SOFTMAX],
        "categorical_crossentropy",
        lambda: keras.optimizers.Muon(0.02),
        {},
    ),
}


def make_recording(name):
    """Run Keras as the case says."""
    dtype, layers, loss, optimizer, compiled = CASES[name]
    with theirs.precision(dtype), tempfile.TemporaryDirectory() as folder:
        model = jaxgd.sequential(layers, FEATURES, dtype=dtype)
        chosen = keras.optimizers.get(optimizer) if isinstance(optimizer, str) else optimizer()
        chosen.name = "optimizer"  # Keras numbers the ones of a process
        network = theirs.build(model, SEED, optimizer=chosen, loss=loss, **compiled)
        path = Path(folder, "model.keras")
        network.save(path)
        rows = make_rows(model, jaxgd.losses.get(loss), ROWS, SEED)
        if dtype == "float64":
            rows["sample_weight"] = np.random.default_rng(SEED).uniform(0.0, 2.0, ROWS)
        return record(network, path, rows, batch_size=BATCH, epochs=EPOCHS, name=name, seed=SEED)


def trace_path(name):
    """Where a trace lies."""
    return FOLDER / f"{name}.trace.npz"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in CASES:
        write_trace(trace_path(each), make_recording(each))
        print(f"{trace_path(each).stat().st_size:7,} bytes  {each}")
