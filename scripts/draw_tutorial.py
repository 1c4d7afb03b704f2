"""The pictures of docs/tutorial: computed, then drawn by matplotlib as SVG, the same bytes every time.

python scripts/draw_tutorial.py [FOLDER]
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import jaxgd
from jaxgd import optimizers

FOLDER = Path(__file__).parents[1] / "docs/images/tutorial"
BLUE, RED, GREEN, YELLOW, GREY = "#4477aa", "#ee6677", "#228833", "#b8860b", "#888888"
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "jaxgd",
    "svg.fonttype": "path",
}


def draw_rates() -> Figure:
    """Twenty steps on one parabola with three rates."""
    figure = Figure(figsize=(8, 2.9))
    curve = np.linspace(-0.2, 3.2, 200)
    rates = {"0.01: creeps": 0.01, "0.1: arrives": 0.1, "0.24: jumps across": 0.24}
    for axes, (name, rate) in zip(figure.subplots(1, 3, sharey=True), rates.items(), strict=True):
        w = [0.0]
        for _ in range(20):
            w.append(w[-1] - rate * 4 * (2 * w[-1] - 3))
        points = np.array(w)
        axes.plot(curve, (2 * curve - 3) ** 2, color=GREY, linewidth=1)
        axes.plot(points, (2 * points - 3) ** 2, "o-", color=BLUE, markersize=4, linewidth=0.8)
        axes.set(title=f"rate {name}", xlabel="w")
    figure.axes[0].set_ylabel("loss")
    return figure


def draw_network() -> Figure:
    """5-10-1, a line for every weight of seed 0."""
    figure = Figure(figsize=(6, 3.6))
    axes = figure.subplots()
    axes.set_axis_off()
    params = jaxgd.mlp([5, 10, 1]).init(0)
    columns = [np.linspace(0, 1, size + 2)[1:-1] for size in (5, 10, 1)]
    for left, layer in enumerate(("dense", "dense_1")):
        kernel = np.asarray(params[layer]["kernel"])
        for (start, end), weight in np.ndenumerate(kernel):
            heights = columns[left][start], columns[left + 1][end]
            style = ("-", RED) if weight > 0 else ("--", BLUE)
            axes.plot(
                [left, left + 1], heights, style[0], color=style[1], linewidth=1.6 * abs(weight), zorder=1
            )
    for place, heights in enumerate(columns):
        axes.scatter(
            np.full(len(heights), place), heights, s=130, color="white", edgecolors="black", zorder=2
        )
    words = ("5 inputs x", "10 hidden units\nrelu", "1 output\nsigmoid")
    for place, word in enumerate(words):
        axes.text(place, 1.02, word, ha="center", va="bottom")
    for place, word in enumerate(("W₁: 5 × 10", "W₂: 10 × 1")):
        axes.text(place + 0.5, -0.04, word, ha="center", va="top")
    axes.set(xlim=(-0.35, 2.35), ylim=(-0.12, 1.16))
    return figure


def _box(axes: Axes, place: tuple[float, float], words: str, colour: str) -> None:
    frame = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": colour, "linewidth": 1.4}
    axes.text(*place, words, ha="center", va="center", bbox=frame)


def draw_chain() -> Figure:
    """What flows forward, and the factors that flow backward."""
    figure = Figure(figsize=(9, 2.6))
    axes = figure.subplots()
    axes.set_axis_off()
    forward = ("x", "z₁ = x W₁ + b₁", "a₁ = relu(z₁)", "z₂ = a₁ W₂ + b₂", "a₂ = σ(z₂)", "L")
    factors = ("", "· W₁ᵀ", "· (z₁ > 0)", "· W₂ᵀ", "· a₂(1 − a₂)", "2(a₂ − y)/n")
    slopes = ("∂L/∂x", "δ₁ = ∂L/∂z₁", "∂L/∂a₁", "δ₂ = ∂L/∂z₂", "∂L/∂a₂", "")
    places = (0, 1.75, 3.6, 5.45, 7.3, 8.7)
    half = (0.12, 0.62, 0.55, 0.65, 0.5, 0.12)
    for place, word, slope in zip(places, forward, slopes, strict=True):
        _box(axes, (place, 1.2), word, BLUE)
        if slope:
            _box(axes, (place, 0.4), slope, RED)
    for at, factor in enumerate(factors[1:]):
        left, right = places[at] + half[at] + 0.08, places[at + 1] - half[at + 1] - 0.08
        axes.annotate("", (right, 1.2), (left, 1.2), arrowprops={"arrowstyle": "->", "color": BLUE})
        left, right = places[at] + 0.66, places[at + 1] - (0.66 if slopes[at + 1] else 0.2)
        axes.annotate("", (left, 0.4), (right, 0.4), arrowprops={"arrowstyle": "->", "color": RED})
        axes.text((left + right) / 2, 0.7, factor, ha="center", va="bottom", color="#b03040")
    axes.text(4.1, 1.62, "forward: values", ha="center", color=BLUE)
    axes.text(4.1, -0.15, "backward: slopes, each times the one to its right", ha="center", color="#b03040")
    for place, word in ((1.75, "∂L/∂W₁ = xᵀ δ₁"), (5.45, "∂L/∂W₂ = a₁ᵀ δ₂")):
        axes.text(place, -0.55, word, ha="center")
    axes.set(xlim=(-0.75, 9), ylim=(-0.75, 1.85))
    return figure


def draw_losses() -> Figure:
    """The lesson's network over 200 epochs, three rates."""
    rng = np.random.default_rng(0)
    x, y = rng.random((32, 5), dtype=np.float32), rng.random((32, 1), dtype=np.float32)
    model = jaxgd.mlp([5, 10, 1], activation="relu", output_activation="sigmoid")
    figure = Figure(figsize=(6.5, 3))
    axes = figure.subplots()
    for rate, colour, line in ((0.01, BLUE, "-"), (0.1, GREEN, "--"), (0.5, RED, "-.")):
        fitted = jaxgd.fit(model, x, y, optimizer=optimizers.sgd(rate), epochs=200, shuffle=False)
        axes.plot(fitted.history["loss"], line, color=colour, label=f"rate {rate}")
    axes.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
    axes.legend(frameon=False)
    return figure


def valley(point: jax.Array) -> jax.Array:
    """Steep across, gentle along."""
    return 0.5 * (point[0] ** 2 + 20 * point[1] ** 2)


def path(optimizer: optimizers.Optimizer, steps: int = 60) -> np.ndarray:
    """Where an optimizer goes in the valley."""

    def step(carry, _):
        params, memory = carry
        grads = {"point": jax.grad(valley)(params["point"])}
        return optimizer.rule.apply(grads, memory, params), params["point"]

    start = {"point": jnp.array([-4.0, 1.0])}
    return np.asarray(jax.lax.scan(step, (start, optimizer.init(start)), length=steps)[1])


def draw_valley() -> Figure:
    """Four optimizers in one valley."""
    chosen = {
        "gradient descent, rate 0.09": optimizers.sgd(0.09),
        "momentum 0.8, rate 0.03": optimizers.sgd(0.03, momentum=0.8),
        "rmsprop, rate 0.1": optimizers.rmsprop(0.1),
        "adam, rate 0.4": optimizers.adam(0.4),
    }
    figure = Figure(figsize=(8, 4.2))
    along, across = np.meshgrid(np.linspace(-4.6, 2.2, 150), np.linspace(-1.3, 1.3, 150))
    colours = (BLUE, RED, GREEN, YELLOW)
    for axes, colour, (name, optimizer) in zip(
        figure.subplots(2, 2, sharex=True, sharey=True).flat, colours, chosen.items(), strict=True
    ):
        axes.contour(along, across, 0.5 * (along**2 + 20 * across**2), 12, colors="#cccccc", linewidths=0.7)
        points = path(optimizer)
        axes.plot(*points.T, "o-", color=colour, markersize=2.5, linewidth=1)
        axes.plot(0, 0, "k+", markersize=9)
        axes.set_title(name, fontsize=10)
    return figure


def draw_ensemble() -> Figure:
    """Mean and spread of twenty networks, inside and outside their data."""
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(-2, 2, (40, 1))).astype(np.float32)
    y = (np.sin(3 * x) + 0.1 * rng.normal(size=x.shape)).astype(np.float32)
    model = jaxgd.mlp([1, 32, 1], activation="tanh")
    grid = np.linspace(-4, 4, 161, dtype=np.float32).reshape(-1, 1)
    answers = []
    for seed in range(20):
        settings = {"optimizer": optimizers.adam(0.01), "epochs": 500, "batch_size": 40, "shuffle": False}
        fitted = jaxgd.fit(model, x, y, seed=seed, **settings)
        answers.append(jaxgd.predict(model, fitted.params, grid)[:, 0])
    members = np.array(answers)
    mean, spread = members.mean(axis=0), members.std(axis=0)
    figure = Figure(figsize=(7, 3.2))
    axes = figure.subplots()
    axes.fill_between(
        grid[:, 0], mean - 2 * spread, mean + 2 * spread, color=BLUE, alpha=0.2, label="± 2 spreads"
    )
    axes.plot(grid, members.T, color=BLUE, linewidth=0.3, alpha=0.5)
    axes.plot(grid, mean, color=BLUE, label="mean of 20 networks")
    axes.plot(x, y, "o", color=RED, markersize=3.5, label="data")
    axes.legend(frameon=False, loc="lower right")
    axes.set(xlabel="x", ylabel="y", ylim=(-3, 3))
    return figure


PICTURES: dict[str, Callable[[], Figure]] = {
    "rates": draw_rates,
    "network": draw_network,
    "chain": draw_chain,
    "losses": draw_losses,
    "valley": draw_valley,
    "ensemble": draw_ensemble,
}


def facts(figure: Figure) -> list[dict[str, Any]]:
    """What is drawn, whatever draws it: of each axes the words, and of each line its points' mean and spread.

    It goes into the file, so that a test can tell whether the picture is still the one that is drawn here.
    """
    found = []
    for axes in figure.axes:
        lines = [np.asarray(line.get_xydata(), float) for line in axes.get_lines()]
        words = [
            axes.get_title(),
            axes.get_xlabel(),
            axes.get_ylabel(),
            *(each.get_text() for each in axes.texts),
        ]
        points = [[len(each), *each.mean(axis=0).tolist(), *each.std(axis=0).tolist()] for each in lines]
        found.append({"words": words, "lines": points})
    return found


def main(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        for name, draw in PICTURES.items():
            figure = draw()
            metadata = {"Date": None, "Description": json.dumps(facts(figure))}
            figure.savefig(folder / f"{name}.svg", metadata=metadata)
            print(folder / f"{name}.svg")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
