"""Trials of a sweep made from the settings of runs: what `jaxgd train` would train with each combination."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from jaxgd import data
from jaxgd._checks import unknown_name
from jaxgd.runs.plan import Plan, make_plan, replan
from jaxgd.runs.settings import Settings
from jaxgd.sweeps.folds import fold_rows
from jaxgd.sweeps.space import check_count
from jaxgd.sweeps.trial import Fold, Trial
from jaxgd.training.early_stopping import EarlyStopping
from jaxgd.training.objective import make_objective
from jaxgd.training.preparing import split_data

AXES = (
    "hidden",
    "activation",
    "dropout",
    "loss",
    "optimizer",
    "learning_rate",
    "weight_decay",
    "clipnorm",
    "global_clipnorm",
    "epochs",
    "batch_size",
    "patience",
)
"""The settings that a sweep may vary; the seed is varied too, in its own way."""


def check_axes(names: Sequence[str]) -> None:
    """Raises ValueError for a setting that a sweep cannot vary."""
    for name in names:
        if name in ("seed", "seeds", "folds"):
            raise ValueError(f"grid: {name!r} is an option of its own, --{name.rstrip('s')}s.")
        if name in AXES:
            continue
        if name in {field.name for field in fields(Settings)}:
            raise ValueError(f"grid: {name!r} is the same for all members; give it as an option.")
        raise unknown_name("axis", name, AXES)


def settings_of(base: Settings, combination: Mapping[str, Any], seed: int) -> Settings:
    """The settings with which `jaxgd train` repeats a member that was not part of a cross-validation."""
    split_seed = base.seed if base.split_seed is None else base.split_seed
    return replace(base, **combination, seed=seed, split_seed=None if seed == split_seed else split_seed)


def make_trials(
    base: Settings,
    table: data.Table,
    combinations: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
    folds: int | None,
) -> list[Trial]:
    """Every combination with every seed on every fold. The rows are split by the base's seed, for all alike.

    Raises:
      TypeError, ValueError: a setting, or data, that cannot be used; more than a million members.
    """
    check_count("members", len(combinations) * len(seeds) * (folds or 1))
    plans = _plans(base, table, folds)
    numbers = [None] if folds is None else list(range(folds))
    cut = [_fold(number, plan) for number, plan in zip(numbers, plans, strict=True)]
    return [
        trial
        for combination in combinations
        for trial in _of_combination(combination, replace(base, **combination), plans, cut, seeds)
    ]


def _plans(base: Settings, table: data.Table, folds: int | None) -> list[Plan]:
    if folds is None:
        return [make_plan(base, table)]
    first = make_plan(base, table)
    seed = base.seed if base.split_seed is None else base.split_seed
    y = first.prepared.y
    held_out = fold_rows(len(y), folds, seed, None if first.task == "regression" else y)
    every = np.arange(len(y))
    return [
        make_plan(base, table, rows=lambda _, out=rows: (np.setdiff1d(every, out), out)) for rows in held_out
    ]


def _fold(number: int | None, plan: Plan) -> Fold:
    held_out = plan.rows(plan.held_out_rows) if len(plan.held_out_rows) else None
    x, y = plan.rows(plan.training_rows)
    training, validation = split_data(plan.model, x, y, None, None, held_out, 0.0)
    kept = ("normalization",)
    return Fold(
        number, training, validation, {name: plan.params[name] for name in kept if name in plan.params}
    )


def _of_combination(
    combination: Mapping[str, Any],
    settings: Settings,
    plans: Sequence[Plan],
    cut: Sequence[Fold],
    seeds: Sequence[int],
) -> list[Trial]:
    changed = [replan(plan, settings) for plan in plans]
    own = [_with_targets(fold, plan) for fold, plan in zip(cut, changed, strict=True)]
    stopping = None
    if settings.patience is not None:
        stopping = EarlyStopping(
            "val_loss", patience=settings.patience, mode="min", restore_best_weights=True
        )
    objectives = [
        make_objective(plan.model, plan.loss, metrics=plan.metrics, targets=fold.training["y"])
        for plan, fold in zip(changed, own, strict=True)
    ]
    return [
        Trial(
            settings=combination,
            objective=objective,
            optimizer=plan.optimizer,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            shuffle=True,
            seed=seed,
            early_stopping=stopping,
            fold=fold,
        )
        for seed in seeds
        for plan, objective, fold in zip(changed, objectives, own, strict=True)
    ]


def _with_targets(fold: Fold, plan: Plan) -> Fold:
    """The fold itself, or one with targets in the shape that another loss takes."""
    _, y = plan.rows(plan.training_rows)
    if y.shape == fold.training["y"].shape and y.dtype == fold.training["y"].dtype:
        return fold
    return _fold(fold.number, plan)
