"""`sweep`: seeds, hyperparameters, folds and architectures as one call."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from jaxgd._checks import check_integer
from jaxgd.scaling.layout import check_exist
from jaxgd.sweeps.campaign import Campaign, SweepProgress
from jaxgd.sweeps.halving import Halving
from jaxgd.sweeps.ranking import make_ranking
from jaxgd.sweeps.refitting import refitted
from jaxgd.sweeps.standing import held
from jaxgd.sweeps.table import SweepTable
from jaxgd.sweeps.trials import combinations, make_folds, make_trials, models_of, seeds_of
from jaxgd.training.early_stopping import EarlyStopping


def sweep(
    model: Any,
    x: Any,
    y: Any,
    *,
    grid: Any = None,
    seeds: Any = 1,
    folds: int | None = None,
    fold_seed: int = 0,
    loss: Any = "mean_squared_error",
    optimizer: Any = "sgd",
    epochs: int = 10,
    batch_size: int = 32,
    shuffle: bool | str = True,
    metrics: Sequence[Any] = (),
    weighted_metrics: Sequence[Any] = (),
    validation_data: Sequence[Any] | None = None,
    validation_split: float = 0.0,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    early_stopping: EarlyStopping | None = None,
    monitor: str | None = None,
    mode: str = "auto",
    halving: Halving | None = None,
    refit: bool = False,
    pad: bool = True,
    keep: str = "all",
    plan: Any = "auto",
    lanes: int | None = None,
    devices: int | None = None,
    memory_budget: int | None = None,
    journal: str | Path | None = None,
    checkpoint_every: float = 30.0,
    progress: Callable[[SweepProgress], object] | None = None,
) -> SweepTable:
    """Train many networks: every combination of settings, with every seed, on every fold.

    A member is what `fit` gives with the same settings: bit for bit where the plan is "sequential" or "map",
    to rounding where it is "vmap" or networks were padded. Numbers, seeds, epochs and patience are inputs of
    a program; what changes shapes or structure (widths, activations, batch size, the kind of optimizer or
    loss) is another program.

    Args:
      model: from `mlp` or `sequential`; a list of models or {name: model} is an axis "model".
      x: [rows, features]; y: one target a row.
      grid: {axis: values}, of which every combination is run, or a list of settings such as
        `jaxgd.sweeps.random_search` draws. Axes: every number of the optimizer ("learning_rate", ...);
        "hidden" (widths of the hidden layers), "activation", "dropout", "kernel_initializer"; "optimizer",
        "loss", "batch_size", "epochs", "shuffle"; "patience", "min_delta".
      seeds: a number n for the seeds 0 to n - 1, or a list of seeds.
      folds: for a cross-validation: each fold is held out once. Labels have their share in every fold.
      fold_seed: of the order that is cut into folds.
      loss, optimizer, epochs, batch_size, shuffle, metrics, weighted_metrics, validation_data,
        validation_split, sample_weight, class_weight, early_stopping: as in `fit`.
      monitor: the column that members are compared by; None takes that of early stopping, else the loss of
        the rows that validate, else the loss.
      mode: "min", "max" or "auto".
      halving: a `Halving`: only the better share of the settings is trained to the end.
      refit: whether the best settings are trained once more, on all rows; see `SweepTable.refitted`.
      pad: whether networks that differ in the widths and the number of their hidden layers may share a
        program, the smaller ones padded and masked exactly, where that is forecast to take less time.
      keep: "all" parameters, or those of the "best" member only.
      plan: "auto"; or "sequential", "map", "vmap", or a form with its width, ("vmap", 64).
      lanes: threads that run members side by side; None takes one a core, or one a device if those are more.
      devices: how many take members, a lane each in turn, without a word between them; one program is
        compiled for each. None takes the one that JAX takes.
      memory_budget: bytes; None takes half of the machine's memory.
      journal: a file that ended members are appended to; those that it holds already are not run again, and
        those that were under way when the sweep ended go on from their checkpoint, beside it. SIGTERM, unless
        the program has a handler of its own, saves all that and then ends the process.
      checkpoint_every: seconds between two checkpoints of the members under way.
      progress: called with a `SweepProgress`; returning False ends the sweep, as Ctrl-C does, and what
        ended before is in the table.

    Returns: a `SweepTable`.
    Raises:
      TypeError, ValueError: an argument that does not fit, or too little memory; nothing has run then.
    >>> import jaxgd, numpy as np
    >>> x = np.linspace(-1, 1, 32, dtype=np.float32).reshape(-1, 1)
    >>> model = jaxgd.mlp([1, 8, 1])
    >>> table = sweep(model, x, x**2, grid={"learning_rate": [0.01, 0.1]}, seeds=2, epochs=3)
    >>> len(table), table.compilations, table.best.settings
    (4, 1, {'learning_rate': 0.1})
    """
    arguments = dict(locals())
    models = models_of(model)
    listed = seeds_of(seeds)
    settings = combinations(grid)
    cut = make_folds(next(iter(models.values())), x, y, folds, fold_seed, arguments)
    trials = make_trials(models, settings, listed, cut, arguments)
    with held(journal):
        campaign = Campaign(
            trials,
            make_ranking(trials, monitor, mode),
            choice=plan,
            lanes=lanes_of(lanes, len(trials), devices),
            devices=devices_of(devices),
            memory_budget=memory_budget,
            keep=keep,
            pad=pad,
            halving=halving,
            journal=journal,
            checkpoint_every=checkpoint_every,
        )
        table = campaign.run(progress)
    return refitted(table, models, x, y, arguments) if refit else table


def lanes_of(lanes: int | None, members: int, devices: int | None = None) -> int:
    """Threads: the given number, or a core each, and no more than there are members."""
    if lanes is None:
        lanes = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        lanes = max(lanes, devices or 1)
    return min(check_integer("lanes", lanes, 1), members)


def devices_of(count: int | None) -> list[Any]:
    """The first devices. Raises TypeError or ValueError for none, or more than there are."""
    if count is None:
        return [None]
    check_exist(check_integer("devices", count, 1))
    return jax.devices()[:count]
