"""What the suite does for a user, as functions: `record`, `verify`, `ladder`, `diagnose`.

The first and the third run TensorFlow, which is imported when they are called; the others need none.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxgd.parity.climbing import Ladder
    from jaxgd.parity.diagnosing import Diagnosis, Run
    from jaxgd.parity.trace import Recording

FilePath = str | os.PathLike[str]


def ladder(model: Any, data: Mapping[str, Any] | None = None, **settings: Any) -> "list[Ladder]":
    """Does jaxgd train this Keras model as TensorFlow does? Rung by rung, in float32 and float64.

    Args:
      model: a `.keras` file, or a live Keras model, which is as before afterwards.
      data: `x`, `y` and, if wanted, `sample_weight`; None makes up rows that suit the loss.
      settings: loss, optimizer: anything that Keras's `compile` takes, instead of the model's; steps (20),
        batch_size (32), seed (0, of the rows that are made up), dtypes ("float32", "float64").

    Returns: a `Ladder` for each dtype; `passed` says whether all of its rungs held, `broken` is the first
      that did not.
    Raises:
      KerasFileError: a model that jaxgd cannot read.
      NotComparableError: a model without a loss or in mixed precision, or a loss that Keras refuses.
      ImportError: TensorFlow is not installed.
    """
    from jaxgd.parity.your_model import compare_file, compare_live

    compare = compare_file if isinstance(model, (str, os.PathLike)) else compare_live
    return compare(model, data, **settings)


def record(
    model: FilePath, path: FilePath, data: Mapping[str, Any] | None = None, **settings: Any
) -> "Recording":
    """Train a `.keras` file in TensorFlow and write every number into one trace, for `verify` elsewhere.

    Args:
      model: the `.keras` file.
      path: the trace to write, an NPZ; see docs/parity-traces.md.
      data: as for `ladder`.
      settings: loss, optimizer, steps, batch_size, seed as for `ladder`; dtype ("float32").

    Returns: what was written.
    Raises: as `ladder`; OSError if the file cannot be written.
    """
    from jaxgd.parity.trace import write_trace
    from jaxgd.parity.your_model import record_file

    recording = record_file(model, data, **settings)
    write_trace(Path(path), recording)
    return recording


def verify(path: FilePath) -> "Ladder":
    """Hold jaxgd against a recorded run. TensorFlow is not needed.

    Args:
      path: a trace, written by `record` or by any program that keeps to docs/parity-traces.md.

    Returns: the ladder, rung by rung; `passed` says whether all held.
    Raises:
      TraceError: the file is no trace, damaged, incomplete, of a newer version, or asks for what jaxgd lacks.
      OSError: the file cannot be opened.
    """
    from jaxgd.parity.climbing import climb
    from jaxgd.parity.trace import read_trace

    return climb(read_trace(path))


def diagnose(run: "Run | FilePath") -> "Diagnosis":
    """The update rule, and its settings, behind recorded parameters and gradients of any framework.

    Args:
      run: a trace; any NPZ with arrays params/NAME [steps + 1, ...] and grads/NAME [steps, ...]; or a
        `parity.diagnosing.Run` of such arrays.

    Returns: a `Diagnosis`: ranked `findings`, none if no known rule fits, and what came `nearest`.
    Raises:
      ValueError: arrays that do not fit together, or too few steps.
      OSError: the file cannot be opened.
    """
    from jaxgd.parity.diagnosing import diagnose as find
    from jaxgd.parity.diagnosing import read_run

    return find(read_run(Path(run)) if isinstance(run, (str, os.PathLike)) else run)
