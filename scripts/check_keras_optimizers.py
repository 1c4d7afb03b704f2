"""Every optimizer there and back between Keras and jaxgd, and the table of how far the two are apart.

    python scripts/check_keras_optimizers.py --page docs/keras-files.md

Needs TensorFlow. Exits with 1 if an optimizer is farther apart than the tolerance.
"""

import argparse
import os
import pathlib
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / "tests" / "parity")]

import jax  # noqa: E402
import keras  # noqa: E402
from keras_twins import precision  # noqa: E402  # pyright: ignore[reportMissingImports]
from optimizer_round_trips import (  # noqa: E402  # pyright: ignore[reportMissingImports]
    FURTHER,
    KERAS_OPTIMIZERS,
    STEPS,
    RoundTrip,
    round_trip,
)
from page_sections import write_section  # noqa: E402

TOLERANCE = 1e-9
"""Of the distance travelled in float64, for matrix products that two libraries add up in another order."""

HEAD = f"""Distances between weights as shares of how far the weights had travelled since step {STEPS}; 0 is
equal in every bit. All steps are over all rows at once, on a network with batch normalization and a
constraint.

* **through**: Keras's file read and written by jaxgd; {FURTHER} steps more in Keras, beside the original's.
* **onward**: {FURTHER} steps in jaxgd, then {FURTHER} in Keras, beside jaxgd's uninterrupted run.
* **back**: {FURTHER} steps more in jaxgd from the file that Keras then saved, beside the uninterrupted run.

| optimizer | through, float32 | through, float64 | onward, float64 | back, float64 |
|---|---|---|---|---|
"""


def main() -> int:
    """Run, print and write the page."""
    parser = argparse.ArgumentParser(description="Optimizers there and back between Keras and jaxgd.")
    parser.add_argument("names", nargs="*", default=list(KERAS_OPTIMIZERS))
    parser.add_argument("--page", type=pathlib.Path, help="a Markdown page with a place for the table")
    arguments = parser.parse_args()
    rows, failed = [], False
    for name in arguments.names:
        single, double = _distances(name, "float32"), _distances(name, "float64")
        found = (single.through, double.through, double.onward, double.back)
        failed = failed or single.through > 0 or max(found) > TOLERANCE
        rows.append(f"| {name} | " + " | ".join(f"{each:.0e}" if each else "0" for each in found) + " |")
        print(rows[-1], flush=True)
        jax.clear_caches()
        keras.backend.clear_session()
    if arguments.page is not None:
        write_section(arguments.page, "optimizers", HEAD + "\n".join(rows))
    return int(failed)


def _distances(name: str, dtype: str) -> RoundTrip:
    with tempfile.TemporaryDirectory() as folder, precision(dtype):
        return round_trip(name, pathlib.Path(folder))


if __name__ == "__main__":
    sys.exit(main())
