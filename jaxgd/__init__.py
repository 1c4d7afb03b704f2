"""Multilayer perceptrons trained by gradient descent as pure JAX functions, in Keras's meaning.

>>> import jaxgd
>>> model = jaxgd.mlp([5, 10, 1], activation="relu", output_activation="sigmoid")
>>> params = model.init(0)
>>> sorted(params)
['dense', 'dense_1']
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from jaxgd import (
        activations,
        backprop,
        checkpoints,
        constraints,
        data,
        estimators,
        initializers,
        keras_files,
        layers,
        losses,
        metrics,
        optimizers,
        parity,
        random,
        regularizers,
        scaling,
        schedules,
        sweeps,
        training,
    )
    from jaxgd._compilation_cache import use_compilation_cache
    from jaxgd.data.streams import stream
    from jaxgd.graphs import Graph, graph
    from jaxgd.keras_files import load, save
    from jaxgd.model import Sequential, mlp, sequential
    from jaxgd.sweeps import sweep
    from jaxgd.training import (
        Checkpoint,
        EarlyStopping,
        FitResult,
        History,
        TrainState,
        evaluate,
        fit,
        make_objective,
        make_schedule,
        make_step,
        predict,
        train,
    )
    from jaxgd.training.streaming import RowSource

_MODULES = (
    "activations",
    "backprop",
    "checkpoints",
    "constraints",
    "data",
    "estimators",
    "graphs",
    "initializers",
    "keras_files",
    "layers",
    "losses",
    "metrics",
    "optimizers",
    "parity",
    "random",
    "regularizers",
    "scaling",
    "schedules",
    "sweeps",
    "training",
)
_HOME = {
    "Graph": "graphs",
    "graph": "graphs",
    "RowSource": "training.streaming",
    "stream": "data.streams",
    "load": "keras_files",
    "save": "keras_files",
    "Sequential": "model",
    "mlp": "model",
    "use_compilation_cache": "_compilation_cache",
    "sequential": "model",
    "sweep": "sweeps",
    **dict.fromkeys(
        (
            "Checkpoint",
            "EarlyStopping",
            "FitResult",
            "History",
            "TrainState",
            "evaluate",
            "fit",
            "make_objective",
            "make_schedule",
            "make_step",
            "predict",
            "train",
        ),
        "training",
    ),
}

__all__ = [
    "Checkpoint",
    "EarlyStopping",
    "FitResult",
    "Graph",
    "History",
    "RowSource",
    "Sequential",
    "TrainState",
    "activations",
    "backprop",
    "checkpoints",
    "constraints",
    "data",
    "estimators",
    "evaluate",
    "fit",
    "graph",
    "initializers",
    "keras_files",
    "layers",
    "load",
    "losses",
    "make_objective",
    "make_schedule",
    "make_step",
    "metrics",
    "mlp",
    "optimizers",
    "parity",
    "predict",
    "random",
    "regularizers",
    "save",
    "scaling",
    "schedules",
    "sequential",
    "stream",
    "sweep",
    "sweeps",
    "train",
    "training",
    "use_compilation_cache",
]


def __getattr__(name: str) -> Any:
    """Parts load on first use, so that importing the package costs almost nothing."""
    if name in _MODULES:
        return importlib.import_module(f"jaxgd.{name}")
    if name in _HOME:
        return getattr(importlib.import_module(f"jaxgd.{_HOME[name]}"), name)
    raise AttributeError(f"module 'jaxgd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
