"""A grid search as one sweep, beside `GridSearchCV` over scikit-learn's MLP and over our own estimator.

Digits, 5 folds, 24 settings, equal arithmetic: the same epochs, batches of 32 rows, no penalty and no early
stop. Every measurement is a process of its own; imports are not counted, compilations are.

    python scripts/bench/search_cv.py --page docs/coming-from-scikit-learn.md
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time
import warnings
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from page_sections import write_section

GRID = {
    "hidden_layer_sizes": [(32,), (48,), (64,), (32, 16), (48, 16), (64, 16)],
    "learning_rate_init": [3e-4, 1e-3, 3e-3, 1e-2],
}
SEARCHES = {
    "sweep": "`SweepSearchCV`",
    "grid": "`GridSearchCV` over our estimator",
    "sklearn": "`GridSearchCV` over scikit-learn's",
    "sklearn-jobs": "the same, `n_jobs=-1`",
}
GOAL = 10


def search(name: str, epochs: int) -> Any:
    """The search of a name, not yet fitted."""
    from sklearn.model_selection import GridSearchCV

    if name.startswith("sklearn"):
        from sklearn.neural_network import MLPClassifier

        network: Any = MLPClassifier(
            max_iter=epochs, alpha=0.0, tol=0.0, n_iter_no_change=epochs, random_state=0
        ).set_params(batch_size=32)
        return GridSearchCV(network, GRID, cv=5, n_jobs=-1 if name == "sklearn-jobs" else None)
    from jaxgd.estimators import MLPClassifier, SweepSearchCV

    network = MLPClassifier(max_iter=epochs, batch_size=32, tol=None, random_state=0)
    return (SweepSearchCV if name == "sweep" else GridSearchCV)(network, GRID, cv=5)


def measured(name: str, epochs: int) -> dict[str, float]:
    """One search: seconds by the clock and by the processors, and the best score."""
    from sklearn.datasets import load_digits

    warnings.simplefilter("ignore")
    x, y = load_digits(return_X_y=True)
    chosen = search(name, epochs)
    before, started = os.times(), time.perf_counter()
    chosen.fit(x / 16, y)
    seconds, after = time.perf_counter() - started, os.times()
    busy = sum(after[:4]) - sum(before[:4])  # without workers that have not ended
    return {"seconds": seconds, "processor": busy, "score": float(chosen.best_score_)}


def main() -> int:
    """Measure in turn, print and write the page."""
    parser = argparse.ArgumentParser(description="A grid search as a sweep, beside one fit after the other.")
    parser.add_argument("--rounds", type=int, default=5, help="processes a search")
    parser.add_argument("--epochs", type=int, default=50, help="epochs of each fit")
    parser.add_argument("--only", choices=SEARCHES, help="measure one search here and print JSON")
    parser.add_argument("--page", type=pathlib.Path, help="a Markdown file with a section 'search'")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measured(arguments.only, arguments.epochs)))
        return 0
    found: dict[str, list[dict[str, float]]] = {name: [] for name in SEARCHES}
    for _ in range(arguments.rounds):
        for name in SEARCHES:
            found[name].append(_in_a_process(name, arguments.epochs))
            print(name, found[name][-1], flush=True)
    text = section(found, arguments.epochs)
    print(text)
    if arguments.page is not None:
        write_section(arguments.page, "search", text)
    return 0


def _in_a_process(name: str, epochs: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--only", name, "--epochs", str(epochs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def section(found: dict[str, list[dict[str, float]]], epochs: int) -> str:
    """The table, and whether the goal is met."""
    import sklearn

    import jaxgd

    rounds = len(found["sweep"])
    lines = [
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores of {platform.machine()}, "
        f"jaxgd {jaxgd.__version__}, "
        f"scikit-learn {sklearn.__version__}; load of the machine {os.getloadavg()[1]:.0f}. {epochs} epochs, "
        f"{rounds} rounds; the median, and the least in brackets; times the sweep by medians.",
        "",
        "| search | clock | times the sweep | processors | best score |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {SEARCHES[name]} | {_row(found, name)} |" for name in found]
    verdicts = [
        f"{SEARCHES[name]}: {_ratio(found, name):.1f} ({'met' if _ratio(found, name) >= GOAL else 'missed'})"
        for name in ("sklearn", "grid")
    ]
    waits = "The processors' time of `n_jobs=-1` is that of the process that waits for its workers."
    return "\n".join([*lines, "", waits, "", f"The goal is {GOAL} times. {'; '.join(verdicts)}."])


def _row(found: dict[str, list[dict[str, float]]], name: str) -> str:
    cells = []
    for column in ("seconds", "processor"):
        values = [each[column] for each in found[name]]
        cells.append(f"{statistics.median(values):.1f} ({min(values):.1f}) s")
    score = statistics.median(each["score"] for each in found[name])
    return f"{cells[0]} | {_ratio(found, name):.1f} | {cells[1]} | {score:.3f}"


def _ratio(found: dict[str, list[dict[str, float]]], name: str) -> float:
    medians = [statistics.median(each["seconds"] for each in found[key]) for key in (name, "sweep")]
    return medians[0] / medians[1]


if __name__ == "__main__":
    sys.exit(main())
