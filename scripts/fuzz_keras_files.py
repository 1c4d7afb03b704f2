"""Thousands of mutated files of Keras: each must load or be refused by a KerasFileError, in bounded time.

Every case runs in a worker process: a crash or a hang of a library would be seen, and named by its seed.

    python scripts/fuzz_keras_files.py --count 2000 --page docs/keras-files.md
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "faults")]

import mutated_files  # noqa: E402  # pyright: ignore[reportMissingImports]
from page_sections import write_section  # noqa: E402

LIMIT = 20.0
"""Seconds after which a case counts as a hang."""


def work(kind, seeds, pipe):
    """Send (seed, what came of it, seconds) of each case; the seed alone goes first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        originals = mutated_files.Originals(folder)
        for seed in seeds:
            pipe.send((seed, None, 0.0))
            file, content, loads = originals.mutated(kind, seed)
            path = folder / f"mutated_{file}"
            path.write_bytes(content)
            started = time.perf_counter()
            try:
                outcome = "loaded" if mutated_files.loads_or_refuses(path, loads) else "refused"
            except Exception as error:
                outcome = f"{type(error).__name__}: {str(error)[:100]}"
            pipe.send((seed, outcome, time.perf_counter() - started))
    pipe.send((None, None, 0.0))


def fuzz(kind, seeds):
    """(Counter of outcomes, slowest seconds, [(seed, what went wrong)])."""
    outcomes, slowest, wrong, left = Counter(), 0.0, [], list(seeds)
    context = multiprocessing.get_context("spawn")
    while left:
        ours, theirs = context.Pipe(duplex=False)
        worker = context.Process(target=work, args=(kind, left, theirs))
        worker.start()
        theirs.close()
        current, first = None, True
        while True:
            if not ours.poll(LIMIT if not first else 120.0):
                outcomes["hang"] += 1
                wrong.append((current, "hang"))
                worker.kill()
                break
            try:
                seed, outcome, seconds = ours.recv()
            except EOFError:
                outcomes["crash"] += 1
                wrong.append((current, f"crash, exit code {worker.exitcode}"))
                break
            if seed is None:
                left = []
                break
            current, first = seed, False
            if outcome is not None:
                slowest = max(slowest, seconds)
                known = outcome in ("loaded", "refused")
                outcomes[outcome if known else "another exception"] += 1
                if not known:
                    wrong.append((seed, outcome))
        worker.join()
        if left:
            left = left[left.index(current) + 1 :]
    return outcomes, slowest, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="cases of each kind")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--kinds", nargs="*", default=mutated_files.KINDS)
    parser.add_argument("--page", type=Path, help="a Markdown page with a place for the table")
    options = parser.parse_args()
    lines = ["| what is changed | cases | refused | loaded | other exceptions | hangs | crashes | slowest |",
             "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    failed = False
    for kind in options.kinds:
        outcomes, slowest, wrong = fuzz(kind, range(options.first, options.first + options.count))
        cells = [outcomes[name] for name in ("refused", "loaded", "another exception", "hang", "crash")]
        lines.append(f"| {kind} | {options.count} | {' | '.join(map(str, cells))} | {slowest:.2f} s |")
        print(lines[-1], *wrong[:20], sep="\n  ", flush=True)
        failed = failed or bool(wrong)
    if options.page:
        write_section(options.page, "fuzz", "\n".join(lines))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
