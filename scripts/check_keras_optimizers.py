"""Every optimizer there and back between Keras and jaxgd, and the table of how far the two are apart.

    python scripts/check_keras_optimizers.py --page docs/keras-files-optimizers.md

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
from optimizer_round_trips import (  # noqa: E402  # pyright: ignore[reportMissingImports]
    FURTHER,
    KERAS_OPTIMIZERS,
    STEPS,
    round_trip,
)

TOLERANCE = 1e-3
"""Of the distance travelled, for float32 matrix products that two libraries add up in another order."""

HEAD = f"""<!-- Written by scripts/check_keras_optimizers.py. -->
Distances between weights as shares of how far the weights had travelled since step {STEPS}; 0 is
equal in every bit. All steps are float32, over all rows at once, on a network with batch normalization and a constraint.

* **through**: Keras's file read and written by jaxgd; {FURTHER} steps more in Keras, beside the original's.
* **onward**: {FURTHER} steps in jaxgd, then {FURTHER} in Keras, beside jaxgd's uninterrupted run.
* **back**: {FURTHER} steps more in jaxgd from the file that Keras then saved, beside the uninterrupted run.

| optimizer | through | onward | back |
|---|---|---|---|
"""


def main() -> int:
    """Run, print and write the page."""
    parser = argparse.ArgumentParser(description="Optimizers there and back between Keras and jaxgd.")
    parser.add_argument("names", nargs="*", default=list(KERAS_OPTIMIZERS))
    parser.add_argument("--page", type=pathlib.Path, help="a Markdown file for the table")
    arguments = parser.parse_args()
    rows, failed = [], False
    for name in arguments.names:
        with tempfile.TemporaryDirectory() as folder:
            found = round_trip(name, pathlib.Path(folder))
        failed = failed or found.through > 0 or max(found) > TOLERANCE
        rows.append(f"| {name} | " + " | ".join(f"{each:.0e}" if each else "0" for each in found) + " |")
        print(rows[-1], flush=True)
        jax.clear_caches()
        keras.backend.clear_session()
    if arguments.page is not None:
        arguments.page.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
