"""Recorded rows in the form in which a Keras model takes them: an array, a list or a dict."""

from typing import Any

import numpy as np

from jaxgd.graphs import Graph
from jaxgd.model_base import Model
from jaxgd.parity.trace.recording import Recording


class KerasRows:
    """`x`, `y` and `sample_weight` of a recording for `fit`, `evaluate` and `compute_loss`.

    Args:
      model: whose rows they are.
      recording: that holds them.
    """

    def __init__(self, model: Model, recording: Recording) -> None:
        self.model, self.recording = model, recording
        self.count = recording.num_rows

    def at(self, rows: Any) -> dict[str, Any]:
        """The given rows, without `sample_weight` if there is none."""
        model = self.model
        forms = (model.input_form, model.output_form) if isinstance(model, Graph) else ("one", "one")
        x = [None if one is None else one[rows] for one in self._each("x", len(model.input_names))]
        y = [
            self._without_loss(shape)[rows] if one is None else one[rows]
            for one, shape in zip(self._each("y", len(model.output_names)), model.output_shapes, strict=True)
        ]
        made = {"x": _formed(x, model.input_names, forms[0]), "y": _formed(y, model.output_names, forms[1])}
        if not self.recording.has("data/sample_weight"):
            return made
        weights = [
            np.ones(self.count, model.dtype)[rows] if one is None else one[rows]
            for one in self._each("sample_weight", len(model.output_names))
        ]
        return {**made, "sample_weight": _formed(weights, model.output_names, forms[1])}

    def _each(self, name: str, count: int) -> list[np.ndarray | None]:
        return self.recording.each(f"data/{name}", count)

    def _without_loss(self, shape: tuple[int, ...]) -> np.ndarray:
        """What Keras wants in the place of targets that nothing reads."""
        return np.zeros((self.count, *shape), self.model.dtype)


def _formed(each: list[Any], names: tuple[str, ...], form: str) -> Any:
    if form == "dict":
        return dict(zip(names, each, strict=True))
    return each[0] if form == "one" else each
