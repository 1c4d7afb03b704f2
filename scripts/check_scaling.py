"""Runs what is too long for CI about devices and hosts, and writes docs/scaling.md from what came of it.

    python scripts/check_scaling.py                   everything: about five minutes on two quiet cores
    python scripts/check_scaling.py aot model         these alone; the rest of the page stays as it was

The results are kept in docs/scaling.json, each with its command, its date and the versions.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import checks
from checks import ROOT, Check, table

PICTURE = ROOT / "docs" / "images" / "scaling.png"


def show_equality(found: dict[str, Any]) -> list[str]:
    rows = {name: each for name, each in found.items() if name != "loss"}
    lines = ["| | 1 device | 2 | 4 | 8 |", "|---|---|---|---|---|"]
    for name, distances in rows.items():
        cells = [f"{distances[count]:.1e}" if count in distances else "" for count in "1248"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    losses = ", ".join(f"{each:.4f}" for each in found["loss"])
    return [*lines, "", f"The loss of the four epochs of that run: {losses}."]


def show_hosts(found: dict[str, Any]) -> list[str]:
    lines = ["| processes | distance from one | steps | all processes alike |", "|---|---|---|---|"]
    for count, each in found["equal"].items():
        alike = "yes" if each["all alike"] else "NO"
        lines.append(f"| {count} | {each['distance']:.1e} | {each['steps']} | {alike} |")
    lines += ["", "| killed | the other ends after | with status | bit for bit the run that nobody killed |"]
    lines += ["|---|---|---|---|"]
    for process, each in found["killed"].items():
        equal = "yes" if each["bit equal"] else "NO"
        lines.append(f"| process {process} of 2 | {each['seconds']} s | {each['status']} | {equal} |")
    return [*lines, "", *(f"* process {p} killed: `{each['said']}`" for p, each in found["killed"].items())]


def show_shares(found: dict[str, Any]) -> list[str]:
    lines = ["| processes | all facts equal to one's | distance of the float64 run | rows read by each |"]
    lines += ["|---|---|---|---|"]
    for count, each in found["small"].items():
        read = "; ".join(f"{name}: {', '.join(map(str, rows))}" for name, rows in each["read"].items())
        equal = "yes" if each["equal"] else "NO"
        lines.append(f"| {count} | {equal} | {each['distance']:.1e} | {read} |")
    large = found["large"]
    lines += [
        "",
        f"{large['rows']:,} rows of {large['columns']} columns, {large['bytes'] / 2**20:.0f} MiB of CSV:",
    ]
    lines += [
        "",
        "| processes | rows read by each | memory of each, MiB | seconds of the plan |",
        "|---|---|---|---|",
    ]
    for count, each in large["plans"].items():
        columns = [", ".join(f"{one[what]:,}" for one in each) for what in ("read", "mib", "seconds")]
        lines.append(f"| {count} | {' | '.join(columns)} |")
    return lines


def show_aot(found: dict[str, Any]) -> list[str]:
    lines = [
        "| network | parameters | devices | all-reduce, bytes | rows, bytes | held, MiB | besides, MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, counts in found.items():
        for count, each in counts.items():
            sent, operations = each["sent"], each["operations"]
            cells = [
                name,
                f"{each['parameters']:,}",
                count,
                f"{sent['all-reduce']:,} in {operations['all-reduce']}",
                f"{sent['reduce-scatter']:,} in {operations['reduce-scatter']}",
                f"{each['arguments'] / 2**20:,.1f}",
                f"{each['temporary'] / 2**20:,.1f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def show_model(found: dict[str, Any]) -> list[str]:
    constants = found["constants"]
    rates = ", ".join(
        f"{float(value) / 1e9:.3g} at {rows}" for rows, value in constants["flop/s by rows"].items()
    )
    lines = table(
        {
            "GFLOP/s of a product, by rows of the batch": rates,
            "GB/s of an update": f"{constants['bytes/s of an update'] / 1e9:.3g}",
            "a step besides, us": f"{constants['seconds of a step besides'] * 1e6:.2g}",
        }
    )
    lines += ["", "![Time of a step against devices](images/scaling.png)", ""]
    lines += [
        "| network | batch | link | one device | at best | more devices stop paying at |",
        "|---|---|---|---|---|---|",
    ]
    for name, each in found["networks"].items():
        for link, seconds in each["seconds"].items():
            ends = f"{seconds[0] * 1e3:.3g} ms | {min(seconds) * 1e3:.3g} ms | {each['pays up to'][link]}"
            lines.append(
                f"| {name}, {'-'.join(map(str, each['sizes']))} | {each['batch']:,} | {link} | {ends} |"
            )
    return lines


def show_memory(found: dict[str, Any]) -> list[str]:
    lines = ["| optimizer | kept | a step besides, compiled | forecast |", "|---|---|---|---|"]
    for name, each in found["optimizers"].items():
        lines.append(f"| {' | '.join([name, *(f'{value:.2f}' for value in each.values())])} |")
    lines += ["", "Bytes of float32, by parameter; 256-512-512-10, 8 rows. With Adam, by batch:", ""]
    lines += ["| network | batch | besides, MiB | forecast | us a step | rows a second |"]
    lines += ["|---|---|---|---|---|---|"]
    for name, rows in found["batches"].items():
        for each in rows:
            sizes = [f"{each['step, ' + how] / 2**20:,.2f}" for how in ("compiled", "forecast")]
            counts = [f"{each[what]:,}" for what in ("batch", "us a step", "rows a second")]
            lines.append(f"| {' | '.join([name, counts[0], *sizes, *counts[1:]])} |")
    return lines


def show_here(found: dict[str, Any]) -> list[str]:
    lines = ["| network | devices | forecast, us a step | `fit`, us a step |", "|---|---|---|---|"]
    for name, each in found.items():
        if name == "cores":
            continue
        for count, expected in each["forecast"].items():
            taken = each["measured"][count]
            title = f"{'-'.join(map(str, each['sizes']))}, batch {each['batch']}"
            lines.append(f"| {title} | {count} | {expected * 1e6:,.0f} | {taken * 1e6:,.0f} |")
    return [*lines, "", f"The devices share {found['cores']} cores; past them nothing can be gained here."]


def draw(found: dict[str, Any]) -> None:
    """The picture of the model."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
    for axis, (name, each) in zip(axes, found["networks"].items(), strict=True):
        alone = next(iter(each["seconds"].values()))[0]
        for link, seconds in each["seconds"].items():
            (line,) = axis.loglog(found["devices"], seconds, label=link)
            best = found["devices"].index(each["pays up to"][link])
            axis.plot(found["devices"][best], seconds[best], "o", color=line.get_color())
        axis.loglog(found["devices"], [alone / n for n in found["devices"]], ":", color="grey", label="ideal")
        axis.set(title=f"{name}, batch {each['batch']:,}", xlabel="devices", ylabel="seconds a step")
        axis.legend(fontsize=8)
    figure.savefig(PICTURE, dpi=110)


CHECKS = {
    "float64": Check(
        "One run on 1, 2, 4 and 8 devices: float64",
        "python tests/scaling/equality.py float64",
        show_equality,
        "The largest relative distance of parameters and history from the run on one device. The network has "
        "batch statistics, dropout, penalties, weights of rows and early stopping; no number of devices "
        "divides its rows, its batch or its last batch. Columns divided: pairs of devices share every "
        "kernel.",
    ),
    "float32": Check(
        "The same in float32",
        "python tests/scaling/equality.py float32",
        show_equality,
        "The distance from the float64 run that starts from the same parameters, without dropout, whose "
        "masks have other numbers in another precision.",
    ),
    "hosts": Check(
        "One run in 1, 2 and 4 processes, and one of two killed",
        "python scripts/scaling/hosts.py",
        show_hosts,
        "float32, processes on the loopback of this machine. The killed run saved every three steps; both "
        "processes were started again and went on from there.",
    ),
    "shares": Check(
        "A table of which each process reads its share",
        "python scripts/scaling/shares.py",
        show_shares,
        "Tables of 1,500 rows whose halves do not look alike: gaps, quotes, kinds of cells that only the end "
        "of the file has. The facts are the encoding, the division, means and variances and the fingerprint, "
        "compared bit for bit. Memory is what the plan adds at its peak; all processes share the cores.",
    ),
    "memory": Check(
        "Bytes a parameter, bytes a row, and what a batch gains",
        "python scripts/scaling/memory.py",
        show_memory,
        "Kept is what the state has; besides is what the compiled program asks for while a step runs, and "
        "what `memory_of` forecasts, which is meant to be never less and at most 1.6 times. The time is the "
        "least of five rounds.",
    ),
    "here": Check(
        "1 to 8 devices on this machine",
        "python scripts/scaling/here.py",
        show_here,
        'What `devices="auto"` goes by: a stand-in for the step, run for a moment, beside the whole step.',
    ),
    "aot": Check(
        "Compiled for 64, 256 and 1,024 devices",
        "python scripts/scaling/aot.py",
        show_aot,
        "The program of `fit` with its rows divided, compiled for devices that are not here. All numbers are "
        "of one step and one device; rows sent are what a device receives.",
    ),
    "model": Check(
        "More devices than are here: a model",
        "python scripts/scaling/model.py",
        show_model,
        "A device is one core of the machine that wrote this page, and its constants were measured. The "
        "links are assumed: so many bytes a second, so long until the first one, between any two devices, "
        "none waiting for another. A step is its products (6 operations a parameter and row, at the rate "
        "that so few rows have), the update (28 bytes a parameter), a ring's all-reduce of the gradients "
        "(2(n-1)/n of their bytes, and 2 log2(n) first bytes), and the rows that are sent. Nothing overlaps. "
        "The batch stays the same, as the run does. A dot marks the last doubling that saves a tenth of a "
        "step. It was not checked against a cluster: none was there. What it takes from the program (one "
        "all-reduce of all gradients, rows sent once) is what the section above has read from the compiled "
        "one.",
    ),
}


INTRODUCTION = """\
# Several devices, several hosts

Written by `python scripts/check_scaling.py`; do not edit. What is quick runs in CI as well:
`tests/scaling`.

## What is promised

- **It is the same run.** `jaxgd.fit(..., devices=4)`, `jaxgd train --devices 4`: the batch is divided,
  XLA's partitioner divides the program. The order of rows, the dropout masks and the batch statistics
  are those of one device; results differ by rounding alone. A batch or a number of rows that the
  devices do not divide is padded and masked.
- **One all-reduce a step**, of as many bytes as the parameters have and the loss; no row is gathered,
  and the state's buffers are donated. Tests read that from the compiled program.
- **Too small to gain?** `devices="auto"` takes as many devices as a forecast says gain, and a warning
  tells the seconds that were forecast. A number that gains nothing is warned of as well; a
  `jaxgd.scaling.Layout` is not.
- **Layers wider than a device**: `jaxgd.scaling.Layout(data=4, model=2)` also divides the columns of
  kernels and of their slots. **Rows that one device cannot hold**: `Layout(8, rows="sharded")`; each
  batch's rows are sent to the devices that compute them. By a number the rows are divided once they
  would fill half of a device.
- **Sweeps**: `jaxgd.sweep(..., devices=4)` gives members to devices in turn; no device waits for
  another.
- **Checkpoints** go on with another number of devices or hosts; that they do is said, as the last bits
  may differ.

## Several hosts

On every host the same command, with a number of its own:

    jaxgd train table.csv --coordinator 10.0.0.1:1234 --num-processes 2 --process-id 0

`--coordinator auto` asks SLURM, Open MPI, a JobSet of Kubernetes or a TPU pod, through
`jax.distributed.initialize()`. In a program, `jaxgd.scaling.connect(...)` comes before anything else of
JAX, and then `fit` as ever, with the same arguments on each host. `scripts/train_multihost.py` is the
example.

- **Each host reads its own rows**: of a memory-mapped array (`np.load(..., mmap_mode="r")`) `fit`
  touches those that are its own, and up to 1,024 spread over the file to see that all were given the
  same. `jaxgd train` reads a share of a CSV, TSV, Parquet or NPY file of 1 MiB and more on each host: of text
  the rows that begin in its part of the bytes, of Parquet the row groups that its rows are in, of NPY its
  rows. What all rows decide together (kinds of columns, categories, gaps, means, variances, the fingerprint)
  is found by each for its share and put together, in sums that know no order, so that it has the same
  bits for any number of hosts. Sent to all: these facts (of a column up to 1,001 categories), where blocks
  of text begin, and of a classification or with `--missing drop` a label for every row of the table, 4
  bytes each, as each class has its part of what is held out: a host needs about 70 bytes for each row
  while that is decided, and keeps 8 for each that trains. Of cells and features it keeps its own. A few
  rows at either end of a share are another host's by the division; they are read once more. A share may
  take 8 GiB, as a file does that one process reads. Every host reads all of a file below 1 MiB, of NPZ, and
  of text that cannot be cut at the ends of its rows: a quote in the middle of a field (`5" pipe`) or behind
  a blank, a carriage return alone at the end of a line, and damage, which is named as one process would.
  A folder or a pattern is [streamed](streaming.md), by one process.
- **Process 0 writes** the run folder and the checkpoints; the folder must be shared, and a host that
  finds another checkpoint there is refused.
- **Hosts that differ are refused by name**: settings, model, versions of the data, numbers of epochs.
  The message says which process has what. Rows that every host has in memory are compared whole, by
  checksum; of mapped files the sample is, and a difference outside of it is found only when a checkpoint
  is read. Of a table that is read in shares the size and 1 MiB spread over the file are compared.
- **A lost host ends all**, process 0 too. The others say so ("another process has ended") and end with
  status 3: at once where the collectives see it (CPUs), else after 20 seconds of silence. The service that
  all register with is a process of its own beside process 0 and outlives it by 8 seconds; a host that met
  no collective by then, or whose machine with process 0 is gone as a whole, is ended by JAX itself
  ("another task died"), with status 134. Started again, all continue from the last checkpoint; on
  the same port process 0 waits for it up to 9 seconds. A JAX that keeps its service by another name than
  0.10 does is left to its own way: if process 0 is lost, all others end with status 134.
- **Who is done waits** for the others, up to 300 seconds: process 0 may write for longer than they do. A
  process that is lost meanwhile is noticed after 20 seconds, and the waiting ones end with status 134.
- **A coordinator that does not answer** is an error after 60 seconds (`--join-timeout`); processes that do
  not come by then end those that wait for them, which say so, with status 3; a port that is taken is one
  after 9 seconds, as it may be that of a run's last service.
- All devices of all hosts take part; `Layout(..., model=2)` needs the pairs within a host.

## Memory, and how large a batch

`jaxgd.training.memory_of(model, batch_size, optimizer=..., num_rows=..., devices=...)` forecasts the bytes
that `fit` takes on each device, before anything is compiled. With itemsize 4 for float32, 8 for float64:

    state = itemsize * parameters * (1 + slots)
    step  = itemsize * parameters * copies
    batch = itemsize * rows * (2 * sum(widths) + max(widths))    rows = ceil(batch_size / devices)
    data  = bytes of a row of x and y * num_rows

| optimizer | slots | copies | float32, bytes a parameter |
|---|---|---|---|
| SGD | 0 | 1 | 8 |
| SGD with momentum, RMSprop, Adagrad | 1 | 1 | 12 |
| Adam, AdamW, Adamax, Nadam, schedule-free AdamW | 2 | 1 | 16 |
| Lion | 1 | 2 | 16 |
| Adadelta, LAMB | 2 | 2 | 20 |
| Adafactor | 1 | 3 | 20 |
| FTRL | 2 | 3 | 24 |
| Muon | 1 | 4 | 24 |

RMSprop with momentum, `centered=True` and `amsgrad=True` add a slot each, `use_ema=True` and
gradient accumulation too. Early stopping that restores the best parameters keeps them once more; a copy of
the state is kept to explain a divergence. Widths are those of the inputs and of each layer's output. Tests
hold the state to the byte, and the rest against compiled programs: the forecast is never below, and at
most 1.6 times.

How large a batch:

1. It must fit: `memory_of(...).total` below the memory of a device, with a quarter to spare.
2. It should keep the products busy: rows a second rise with the batch, and then stop rising. The table below
   shows where that is on the machine that wrote it; yours: `python scripts/check_scaling.py memory`.
   Past that point a larger batch only means fewer updates.
3. Several devices divide it: `batch_size` is that of all together, and each device's share is what counts.
   Shares of 32 rows on a core, 256 on a GPU or TPU, in multiples of 8, are where to begin; no GPU was there.
4. Another batch size is another run: with k times the rows, begin with k times the learning rate for SGD and
   sqrt(k) times for Adam, and look at the validation loss, not at rows a second. jaxgd changes neither.
5. Rows that do not fit: `rows="sharded"` of a `Layout` divides them among devices, a memory-mapped array
   among hosts, and a [stream](streaming.md) needs three windows.
"""

PAGE = checks.Page(INTRODUCTION, CHECKS, "scaling")


def after(name: str, found: dict[str, Any]) -> None:
    """The picture of the model."""
    if name == "model":
        draw(found)


if __name__ == "__main__":
    checks.main(PAGE, __doc__, after)
