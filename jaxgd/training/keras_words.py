"""Keras's arguments that `fit`, `evaluate` and `predict` do not have: what stands in their place here."""

import difflib
import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_OPTIMIZER = "give optimizer=jaxgd.optimizers.sgd(learning_rate), or another one with its numbers"
_WHOLE = "an epoch is one pass over all rows; give fewer rows, or a batch_size"
_INSTEAD = {
    "verbose": "give progress=True to see epochs and losses; nothing is printed without it",
    "callbacks": "give early_stopping= (EarlyStopping), checkpoint= (ModelCheckpoint, BackupAndRestore), "
    "progress= or watch= (a function of yours); a learning rate that changes is a schedule of the optimizer",
    "steps_per_epoch": _WHOLE,
    "steps": _WHOLE,
    "validation_steps": "validation takes all its rows; give fewer in validation_data",
    "validation_batch_size": "validation takes batch_size, and its result does not depend on it",
    "validation_freq": "validation is of every epoch",
    "return_dict": "the result is a dict",
    "learning_rate": _OPTIMIZER,
    "lr": _OPTIMIZER,
    "workers": "rows that do not fit into memory are given as x by jaxgd.stream(...)",
}


def explains_keras_words(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, whose TypeError for a keyword of Keras's says what to give instead."""
    known = inspect.signature(function).parameters

    @functools.wraps(function)
    def explaining(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in known:
                raise TypeError(
                    f"{function.__name__}() has no argument {name!r}: {_way_out(name, list(known))}."
                )
        return function(*args, **kwargs)

    return explaining


def _way_out(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if name in _INSTEAD:
        return _INSTEAD[name]
    return f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(known)}"
