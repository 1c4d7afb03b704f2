"""The results as a page: goals, a table for each workload with the losing rows, versions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_HEAD = """\
# Benchmarks

Written by `{command}`; every number on this page comes from that one call.

Each peer is a process that stays alive. All of a workload's peers start from the same weights and take the
same rows in the same order, in rounds that interleave: one measurement of each, then again. The clock stops
when the results are there. Building and compiling come before the first round and have a column of their own.
After its last step each peer's loss is held against the same run in float64: "loss apart" is the difference
as a share of the loss before the first step, and a row further apart than the workload's tolerance is void.
Of a sweep it is the first member that is compared.

Times are microseconds a step, the lower the better. The ratio is that of a peer's time to the time of the row
marked * in the same round: above 1 the peer is slower. Brackets hold the middle half of the rounds. Keras's
`fit` cannot be given an order for each epoch: it takes that of the first epoch in all, and so does its
reference.
"""


def page(results: Mapping[str, Any], command: str, picture: str | None) -> str:
    """The whole page; `picture` is a path as the page sees it."""
    parts = [
        _HEAD.format(command=command),
        _machine(results),
        *([f"![Time a step of every peer]({picture})"] if picture else []),
        "## Goals\n\n" + _goals(results["goals"]),
        *(_workload(name, facts) for name, facts in results["workloads"].items()),
        *_growth(results["growth"]),
        "## Versions\n\n" + _versions(results["programs"]),
    ]
    if results.get("earlier"):
        parts.append(f"Measured by an earlier call that was cut off: {', '.join(results['earlier'])}.")
    if results["left_out"]:
        parts.append(f"Not measured in this call: {', '.join(results['left_out'])}.")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _machine(results: Mapping[str, Any]) -> str:
    machine, effort = results["machine"], results["effort"]
    load = f"{machine['load_before']} before, {machine['load_after']} after"
    return (
        f"{results['date']}, {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}, Python {machine['python']}; load {load}. Up to {effort['rounds']} rounds of "
        f"about {effort['seconds']:g} s, {results['minutes']:g} minutes in all. Every library chose its own "
        "number of threads."
    )


def _goals(goals: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        (
            goal["workload"],
            goal["goal"],
            goal["bar"] + (f" (aim {goal['aim']:g})" if goal["aim"] is not None else ""),
            "-" if goal["value"] is None else f"{goal['value']:.3g}",
            _verdict(goal),
        )
        for goal in goals
    ]
    return _table(("workload", "goal", "bar", "value", ""), rows)


def _verdict(goal: Mapping[str, Any]) -> str:
    shown = "**missed**" if goal["verdict"] == "missed" else goal["verdict"]
    return shown + (f", without {', '.join(goal['without'])}" if goal["without"] else "")


def _workload(name: str, facts: Mapping[str, Any]) -> str:
    rows = [_cold_row(row) if name == "cold" else _row(row, facts) for row in facts["rows"]]
    head = (
        ("peer", "seconds: median [middle half]", "least", "peak memory, MiB", "last loss")
        if name == "cold"
        else ("peer", "us a step", "least", "ratio", "first call, s", "of the machine's rate", "loss apart")
    )
    title = f"{facts['title'][0].upper()}{facts['title'][1:]}."
    if "tolerance" in facts:
        title += f" Losses may be {facts['tolerance']:g} apart."
    parts = [f"## {name}", title, _table(head, rows)]
    if facts.get("reference"):
        parts.append(_reference(facts))
    return "\n\n".join(parts)


def _row(row: Mapping[str, Any], facts: Mapping[str, Any]) -> tuple[str, ...]:
    name = f"**{row['peer']}**" if row["peer"].startswith("jaxgd") else row["peer"]
    if "failure" in row:
        return (name, row["failure"], *[""] * 5)
    time, ratio = row["us_per_step"], row.get("ratio")
    share = "-"
    if "square_flop_per_second" in (facts.get("reference") or ()):
        share = f"{100 * row['flop_per_second'] / facts['reference']['square_flop_per_second']:.1f}%"
    return (
        name + (" *" if row["peer"] == facts["base"] else ""),
        f"{_short(time['median'])} [{_short(time['low'])} to {_short(time['high'])}]",
        _short(time["minimum"]),
        f"{_short(ratio['median'])} [{_short(ratio['low'])} to {_short(ratio['high'])}]" if ratio else "1",
        f"{row['first_seconds']:.2f}",
        share,
        "-" if row["loss_difference"] is None else f"{row['loss_difference']:.0e}",
    )


def _cold_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    name = f"**{row['peer']}**" if row["peer"].startswith("jaxgd") else row["peer"]
    if "failure" in row:
        return (name, row["failure"], "", "", "")
    time = row["seconds"]
    return (
        name,
        f"{time['median']:.2f} [{time['low']:.2f} to {time['high']:.2f}]",
        f"{time['minimum']:.2f}",
        f"{row['memory_mib']['median']:.0f}",
        f"{row['loss']:.6f}",
    )


def _reference(facts: Mapping[str, Any]) -> str:
    reference = facts["reference"]
    if "failure" in reference:
        return f"The machine's matrix products were not measured: {reference['failure']}."
    alone = "; ".join(
        f"[{each['m']}, {each['k']}] x [{each['k']}, {each['n']}] {_short(1e6 * each['seconds'])} "
        f"({each['way']})"
        for each in reference["products"]
    )
    return (
        f"The machine's best rate, of a large square product: "
        f"{reference['square_flop_per_second'] / 1e9:.0f} GFLOP/s. A step has "
        f"{facts['flop_per_step'] / 1e6:.3g} MFLOP in {len(reference['products'])} products, which take "
        f"{_short(reference['products_us']['median'])} us when each is alone in its best form: {alone}."
    )


def _growth(grown: Mapping[str, Any]) -> list[str]:
    if not grown:
        return []
    rows = []
    for axis, facts in grown.items():
        if "failure" in facts:
            rows.append((axis, facts["failure"], "", ""))
            continue
        times = ", ".join(
            f"{size:,}: {seconds:.3g} s"
            for size, seconds in zip(facts["sizes"], facts["seconds"], strict=True)
        )
        rows.append((axis, times, f"{facts['exponent']:.2f}", f"{facts['exponent_of_the_upper_half']:.2f}"))
    head = ("with the number of", "time", "exponent", "of the larger half")
    return ["## Growth\n\n" + _table(head, rows)]


def _versions(programs: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        (name, ", ".join(f"{what} {value}" for what, value in facts["versions"].items()))
        if "versions" in facts
        else (name, facts["absent"])
        for name, facts in programs.items()
    ]
    return _table(("program", "versions"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
