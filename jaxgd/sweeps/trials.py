"""From the arguments of `sweep` to trials."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jaxgd import optimizers
from jaxgd._checks import check_integer
from jaxgd.model import Sequential
from jaxgd.sweeps.axes import OF_STOPPING, changed_model, changed_optimizer, check_axes
from jaxgd.sweeps.folds import fold_rows
from jaxgd.sweeps.space import check_count, product
from jaxgd.sweeps.trial import Fold, Trial
from jaxgd.training.early_stopping import EarlyStopping
from jaxgd.training.objective import make_objective
from jaxgd.training.preparing import make_order, ready_data, split_data

_LARGEST_SEED = 2**32


def combinations(grid: Any) -> list[dict[str, Any]]:
    """The settings that a grid stands for: a mapping's product, or a list of settings as it is.

    Raises:
      TypeError, ValueError: neither; nothing in it; or settings that name different axes.
    """
    if grid is None:
        return [{}]
    if isinstance(grid, Mapping):
        if not grid:
            raise ValueError("grid: expected at least one axis, got none; leave it out to vary seeds alone.")
        return product(grid)
    if isinstance(grid, str) or not isinstance(grid, Sequence):
        raise TypeError(f"grid: expected {{axis: values}} or a list of settings, got {grid!r}.")
    if not grid:
        raise ValueError("grid: expected at least one combination of settings, got none.")
    for place, settings in enumerate(grid):
        if not isinstance(settings, Mapping):
            raise TypeError(f"grid[{place}]: expected {{axis: value}}, got {settings!r}.")
        if settings.keys() != grid[0].keys():
            raise ValueError(f"grid[{place}]: expected the axes {sorted(grid[0])}, got {sorted(settings)}.")
    return [dict(settings) for settings in grid]


def seeds_of(seeds: Any) -> list[int]:
    """0 to n - 1 for a number n, or the given seeds. Raises TypeError or ValueError."""
    if isinstance(seeds, Sequence | np.ndarray) and not isinstance(seeds, str):
        listed = [check_integer("seeds", seed, 0) for seed in seeds]
    else:
        count = check_integer("seeds", seeds, 1)
        check_count("seeds", count)
        listed = list(range(count))
    if not listed:
        raise ValueError("seeds: expected at least one, got none.")
    if len(set(listed)) != len(listed):
        raise ValueError(f"seeds: expected each seed once, got {listed}.")
    if max(listed) >= _LARGEST_SEED:
        raise ValueError(f"seeds: expected integers below 2**32, got {max(listed)}.")
    return listed


def models_of(model: Any) -> dict[str, Sequential]:
    """{name: model} from a model, a list of them (numbered), or a mapping. Raises TypeError or ValueError."""
    if isinstance(model, Sequential):
        return {"": model}
    named = dict(model) if isinstance(model, Mapping) else None
    if named is None and isinstance(model, Sequence) and not isinstance(model, str):
        named = {str(place): each for place, each in enumerate(model)}
    if named is None or any(not isinstance(each, Sequential) for each in named.values()):
        raise TypeError(f"model: expected a model, a list of models or {{name: model}}, got {model!r}.")
    if not named:
        raise ValueError("model: expected at least one, got none.")
    return {str(name): each for name, each in named.items()}


def make_folds(
    model: Sequential, x: Any, y: Any, folds: int | None, fold_seed: int, arguments: Mapping[str, Any]
) -> list[Fold]:
    """The rows of each fold; without folds the one split that `fit` would make.

    Raises:
      TypeError, ValueError: as `fit`, or folds together with validation rows of another kind.
    """
    rows = ("sample_weight", "class_weight", "validation_data", "validation_split")
    weight, class_weight, validation_data, share = (arguments[name] for name in rows)
    if folds is None:
        return [Fold(None, *split_data(model, x, y, weight, class_weight, validation_data, share))]
    if validation_data is not None or share:
        raise ValueError("folds: expected not together with validation_data or validation_split.")
    x, y = np.asarray(x), np.asarray(y)
    weight = None if weight is None else np.asarray(weight)
    split_data(model, x, y, weight, class_weight, None, 0.0)  # refuses what does not fit, before it is cut
    labels = y.reshape(-1) if y.dtype.kind in "iub" and y.size == len(y) else None
    cut = fold_rows(len(x), folds, fold_seed, labels)
    return [_fold(number, model, x, y, weight, class_weight, held_out) for number, held_out in enumerate(cut)]


def _fold(
    number: int, model: Sequential, x: Any, y: Any, weight: Any, class_weight: Any, held_out: np.ndarray
) -> Fold:
    kept = np.setdiff1d(np.arange(len(x)), held_out)

    def part(rows: np.ndarray) -> tuple[Any, ...]:
        return (x[rows], y[rows]) if weight is None else (x[rows], y[rows], weight[rows])

    own_weight = None if weight is None else weight[kept]
    return Fold(number, *split_data(model, x[kept], y[kept], own_weight, class_weight, part(held_out), 0.0))


def make_trials(
    models: Mapping[str, Sequential],
    settings: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
    folds: Sequence[Fold],
    arguments: Mapping[str, Any],
) -> list[Trial]:
    """Every setting with every seed on every fold, checked as `fit` checks its arguments.

    Raises:
      TypeError, ValueError: an unknown axis, or a value that `fit` would refuse; it says which.
    """
    axes = tuple(settings[0])
    if len(models) > 1 and "model" not in axes:
        settings = [{"model": name, **each} for name in models for each in settings]
    check_count("members", len(settings) * len(seeds) * len(folds))
    used = {id(o): o for o in (each.get("optimizer", arguments["optimizer"]) for each in settings)}
    check_axes(axes, [optimizers.get(optimizer) for optimizer in used.values()])
    return [trial for each in settings for trial in _of_setting(models, each, seeds, folds, arguments)]


def _of_setting(
    models: Mapping[str, Sequential],
    settings: Mapping[str, Any],
    seeds: Sequence[int],
    folds: Sequence[Fold],
    arguments: Mapping[str, Any],
) -> list[Trial]:
    def value(name: str) -> Any:
        return settings.get(name, arguments[name])

    name = settings.get("model", next(iter(models)))
    if name not in models:
        raise ValueError(f"grid: no model is called {name!r}; there are {', '.join(models)}.")
    model = changed_model(models[name], settings)
    optimizer = changed_optimizer(arguments["optimizer"], settings)
    objective = make_objective(
        model,
        value("loss"),
        metrics=arguments["metrics"],
        weighted_metrics=arguments["weighted_metrics"],
        targets=folds[0].training["y"],
    )
    ready_data(objective, dict(folds[0].training))  # refuses targets that do not fit the network
    make_order(value("shuffle"), 0, len(folds[0].training["x"]))
    return [
        Trial(
            settings=settings,
            objective=objective,
            optimizer=optimizer,
            epochs=check_integer("epochs", value("epochs"), 0),
            batch_size=check_integer("batch_size", value("batch_size"), 1),
            shuffle=value("shuffle"),
            seed=seed,
            early_stopping=_stopping(arguments["early_stopping"], settings),
            fold=fold,
        )
        for seed in seeds
        for fold in folds
    ]


def _stopping(base: EarlyStopping | None, settings: Mapping[str, Any]) -> EarlyStopping | None:
    changes = {name: settings[name] for name in OF_STOPPING if name in settings}
    if not changes:
        return base
    if base is None:
        raise ValueError(f"grid: {next(iter(changes))!r} needs early_stopping=EarlyStopping(...).")
    return replace(base, **changes)
