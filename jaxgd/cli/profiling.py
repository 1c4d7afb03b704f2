"""`train --profile`: a trace of the run by JAX's profiler, and an account of where the time went."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jaxgd.cli.errors import bad_input

if TYPE_CHECKING:
    from jaxgd.cli.console import Output
    from jaxgd.runs import Outcome, Plan

_DETAILED_STEPS = 20_000
"""Longer runs are traced without single operations, of which there would be millions."""
_SHOWN = 8


@contextmanager
def profiling(folder: str | None, plan: "Plan") -> Iterator[None]:
    """Traces what happens inside, if a folder is given. Raises BadInput for one that cannot be written."""
    if folder is None:
        yield
        return
    import jax

    from jaxgd.training.batching import steps_per_epoch

    steps = plan.settings.epochs * steps_per_epoch(len(plan.training_rows), plan.settings.batch_size)
    with bad_input():
        Path(folder).mkdir(parents=True, exist_ok=True)
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0  # it would slow down what it measures
    options.host_tracer_level = 2 if steps <= _DETAILED_STEPS else 1
    before = {path for path in Path(folder).glob("**/*.xplane.pb")}
    with jax.profiler.trace(folder, profiler_options=options):
        yield
    with bad_input():
        if not set(Path(folder).glob("**/*.xplane.pb")) - before:
            raise ValueError(f"--profile: {folder} cannot be written, the trace is lost.")


def account(folder: str, outcome: "Outcome") -> dict[str, Any]:
    """Where the time went, and how fast it was, as JSON takes it.

    `compute` is the time in which a program was running, `dispatch` what is left of the run: the host's own.
    The operations of a step are counted from the kernels' shapes, and by XLA; the rate of the machine is
    measured now.
    """
    from jaxgd.bench.gemm import square_rate

    seconds = outcome.result.seconds
    busy, operations = read_trace(
        max(Path(folder).glob("**/*.xplane.pb"), key=lambda path: path.stat().st_mtime)
    )
    compute = min(busy, seconds["run"])
    steps = int(outcome.result.state.step)
    run = max(seconds["run"], 1e-9)
    flop, best = step_flop(outcome), square_rate()
    plan = _plan(outcome)
    return {
        "trace": str(folder),
        "seconds": {
            "data": round(seconds["data"], 4),
            "compile": round(seconds["compile"], 4),
            "dispatch": round(seconds["run"] - compute, 4),
            "compute": round(compute, 4),
        },
        "rows_per_second": round(outcome.result.history.epochs * len(plan.training_rows) / run),
        "flop_per_step": flop,
        "xla_flop_per_step": xla_flop(outcome),
        "flop_per_second": round(steps * flop / run),
        "machine_flop_per_second": round(best),
        "share_of_machine": round(steps * flop / run / best, 4),
        "operations": [{"name": name, "seconds": round(spent, 6)} for name, spent in operations],
    }


def read_trace(path: Path) -> tuple[float, list[tuple[str, float]]]:
    """Seconds in which a program ran, and the operations that took longest, loops and calls left out."""
    import jax

    spans: list[tuple[float, float]] = []
    spent: Counter[str] = Counter()
    for line in _device_lines(jax.profiler.ProfileData.from_file(str(path))):
        for event in line.events:
            spans.append((event.start_ns, event.start_ns + event.duration_ns))
            if not event.name.startswith(("while", "call", "conditional", "end: ", "Thunk", "Threadpool")):
                spent[event.name] += event.duration_ns
    return covered(spans) / 1e9, [(name, each / 1e9) for name, each in spent.most_common(_SHOWN)]


def _device_lines(trace: Any) -> Iterator[Any]:
    """Where programs run: the planes of accelerators; on a processor the threads that XLA computes in."""
    planes = list(trace.planes)
    accelerators = [
        plane for plane in planes if plane.name.startswith("/device:") and "CUSTOM" not in plane.name
    ]
    for plane in accelerators or planes:
        for line in plane.lines:
            if accelerators or "XLAPjRtCpuClient" in line.name or "XLAEigen" in line.name:
                yield line


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """The length of the union of intervals.

    >>> covered([(0, 2), (1, 3), (5, 6)])
    4.0
    """
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def step_flop(outcome: "Outcome") -> int:
    """Of the products of a step with a full batch: forward, kernels, and what flows on behind the first."""
    sizes = [leaves["kernel"].size for leaves in outcome.result.params.values() if "kernel" in leaves]
    plan = _plan(outcome)
    batch = min(plan.settings.batch_size, len(plan.training_rows))
    return 2 * batch * (3 * sum(sizes) - sizes[0]) if sizes else 0


def _plan(outcome: "Outcome") -> "Plan":
    """Of a table in memory: streams have no profile."""
    return cast("Plan", outcome.plan)


def xla_flop(outcome: "Outcome") -> int | None:
    """Of everything in a step, as XLA counts it; None where it does not."""
    import jax

    from jaxgd.training import make_objective, make_step

    plan = _plan(outcome)
    rows = plan.training_rows[: plan.settings.batch_size]
    x, y = plan.rows(rows)
    step = make_step(make_objective(plan.model, plan.loss, targets=y), plan.optimizer)
    lowered = jax.jit(step).lower(outcome.result.state, {"x": x, "y": y})
    flops = (lowered.cost_analysis() or {}).get("flops")
    return None if flops is None else round(flops)


def show_account(output: "Output", facts: dict[str, Any]) -> None:
    """A table of it."""
    total = sum(facts["seconds"].values()) or 1.0
    rows = [
        (name, f"{spent:.3f} s", f"{100 * spent / total:.0f}%") for name, spent in facts["seconds"].items()
    ]
    output.table("Where the time went", rows)
    xla, best = facts["xla_flop_per_step"], facts["machine_flop_per_second"] / 1e9
    output.table(
        "How fast",
        [
            ("rows a second", f"{facts['rows_per_second']:,}"),
            ("operations a step", f"{facts['flop_per_step'] / 1e6:,.3f} MFLOP in matrix products"),
            ("counted by XLA", "-" if xla is None else f"{xla / 1e6:,.3f} MFLOP in all"),
            ("operations a second", f"{facts['flop_per_second'] / 1e9:,.2f} GFLOP/s in matrix products"),
            ("of this machine's best", f"{100 * facts['share_of_machine']:.1f}% of {best:,.0f} GFLOP/s"),
        ],
    )
    if facts["operations"]:
        longest = [(each["name"], f"{each['seconds']:.4f} s") for each in facts["operations"]]
        output.table("The longest operations, by XLA's names", longest)
    output.line(f"Trace: {facts['trace']} (Perfetto and TensorBoard open it)")
