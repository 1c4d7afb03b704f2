"""The commands: a new one is a file beside this one with a click command `command`, and a line here."""

from typing import NamedTuple


class Entry(NamedTuple):
    """A command that is imported when it is called."""

    module: str
    summary: str


COMMANDS = {
    "train": Entry("train", "Train a model on a table and write a run folder."),
    "sweep": Entry("sweep", "Train many models: grids, seeds, folds; the best as a run folder."),
    "evaluate": Entry("evaluate", "Loss and metrics of a run or a .keras model."),
    "predict": Entry("predict", "Predictions of a run or a .keras model for new rows."),
    "convert": Entry("convert", "A model or its weights from one of Keras's formats to another."),
    "explain": Entry("explain", "One training step laid open, number by number."),
    "report": Entry("report", "A page of a run, of a sweep, or of several runs side by side."),
    "bench": Entry("bench", "jaxgd's speed beside what else would be picked."),
    "info": Entry("info", "What a run, a model, a table or this installation is."),
    "parity": Entry("parity_group", "jaxgd held against TensorFlow, live or recorded."),
}
