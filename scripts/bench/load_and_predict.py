"""Import, load and predict: jaxgd without Keras and TensorFlow, beside `load_model` and `predict` of Keras.

Every measurement is a process of its own, the two sides in turn; what is compiled is not kept between them.
The predictions of both are compared. A process of jaxgd that has TensorFlow or Keras among its modules fails.

    python scripts/bench/load_and_predict.py --page docs/keras-files.md
"""

import argparse
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

ROOT = pathlib.Path(__file__).parents[2]
SIZES = (64, 128, 64, 10)
ROWS = 1797


def of_jaxgd(model, rows, out):
    """Load and predict with jaxgd."""
    started = time.perf_counter()
    import numpy as np

    import jaxgd

    imported = time.perf_counter()
    network, params, _ = jaxgd.load(model)
    loaded = time.perf_counter()
    y = jaxgd.predict(network, params, np.load(rows))
    done = time.perf_counter()
    foreign = {"keras", "tensorflow"} & set(sys.modules)
    if foreign:
        raise RuntimeError(f"jaxgd imported {sorted(foreign)}.")
    np.save(out, y)
    return {"import": imported - started, "load": loaded - imported, "predict": done - loaded}


def of_keras(model, rows, out):
    """Load and predict with Keras on TensorFlow."""
    started = time.perf_counter()
    import keras
    import numpy as np

    imported = time.perf_counter()
    network: Any = keras.models.load_model(model)
    loaded = time.perf_counter()
    y = network.predict(np.load(rows), batch_size=1024, verbose=0)
    done = time.perf_counter()
    np.save(out, y)
    return {"import": imported - started, "load": loaded - imported, "predict": done - loaded}


SIDES = {"jaxgd": of_jaxgd, "keras": of_keras}


def child(side, model, rows, out):
    """One measurement, printed as JSON; the memory is the process's peak."""
    seconds = SIDES[side](model, rows, out)
    scale = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
    print(json.dumps({**seconds, "total": sum(seconds.values()), "bytes": peak}))


def make_files(folder):
    """A compiled model that was trained a little, written by jaxgd, and the rows."""
    import numpy as np

    import jaxgd
    from jaxgd.keras_files import KerasTraining

    model = jaxgd.mlp(SIZES, output_activation="softmax")
    x = np.random.default_rng(0).normal(size=(ROWS, SIZES[0])).astype("float32")
    y = np.arange(ROWS) % SIZES[-1]
    result = jaxgd.fit(model, x, y, loss="sparse_categorical_crossentropy", optimizer="adam", epochs=1)
    training = KerasTraining("sparse_categorical_crossentropy", "adam", result.state.opt_state)
    jaxgd.save(folder / "m.keras", model, result.params, training)
    np.save(folder / "x.npy", x)


def measure(folder, repeats):
    """{side: [measurement]}, the sides in turn."""
    found = {side: [] for side in SIDES}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment |= {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "-1"}
    for _ in range(repeats):
        for side in SIDES:
            places = [str(folder / name) for name in ("m.keras", "x.npy", f"{side}.npy")]
            command = [sys.executable, __file__, "--side", side, *places]
            ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            found[side].append(json.loads(ran.stdout.splitlines()[-1]))
            print(side, found[side][-1], flush=True)
    return found


def page(found, difference):
    """The table as Markdown: the median, and the least in brackets."""

    def cell(side, name, scale, unit):
        values = [each[name] * scale for each in found[side]]
        return f"{statistics.median(values):.2f} ({min(values):.2f}) {unit}"

    lines = [
        f"{ROWS} rows through {'-'.join(map(str, SIZES))}; {len(found['jaxgd'])} processes a side, in turn,",
        f"on {os.cpu_count()} cores of {platform.machine()}: the median, and the least in brackets. The",
        f"predictions differ by at most {difference:.1e}.",
        "",
        "| | jaxgd | Keras on TensorFlow |",
        "|---|---|---|",
    ]
    names = {"import": "import", "load": "load the file", "predict": "first predict", "total": "together"}
    for name, words in names.items():
        lines.append(f"| {words} | {cell('jaxgd', name, 1, 's')} | {cell('keras', name, 1, 's')} |")
    lines.append(
        f"| peak memory | {cell('jaxgd', 'bytes', 1e-6, 'MB')} | {cell('keras', 'bytes', 1e-6, 'MB')} |"
    )
    return "\n".join(lines) + "\n"


def main():
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description="Import, load and predict, beside Keras.")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--page", type=pathlib.Path, help="a Markdown page with a place for the table")
    parser.add_argument("--side", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        child(*arguments.side)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_files(folder)
        found = measure(folder, arguments.repeats)
        import numpy as np

        one, other = (np.load(folder / f"{side}.npy") for side in SIDES)
        text = page(found, float(np.abs(one - other).max()))
    print(text)
    if arguments.page is not None:
        sys.path[:0] = [str(ROOT / "scripts")]
        from page_sections import write_section  # pyright: ignore[reportMissingImports]

        write_section(arguments.page, "speed", text)


if __name__ == "__main__":
    main()
