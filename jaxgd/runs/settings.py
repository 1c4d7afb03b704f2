"""Everything that a user sets for a run: plain, checked, and the same in a file. Imports nothing heavy."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from jaxgd._checks import check_integer, check_real, unknown_name, wrong

DTYPES = ("float32", "float64", "mixed_bfloat16", "mixed_float16")
TASKS = ("regression", "binary", "multiclass")
MISSING = ("error", "mean", "drop")
ON_DIVERGENCE = ("stop", "restore")
ON_BAD_FILE = ("stop", "skip")


@dataclass(frozen=True)
class Settings:
    """The settings of one run.

    Attributes:
      data: a file, or the name of an embedded set.
      target: the column to predict; None lets the table decide.
      task: "regression", "binary", "multiclass", or None.
      missing: what is done about missing cells: "error", "mean" or "drop".
      categories, exclude: columns that are categories though they hold numbers; columns left out.
      hidden: widths of the hidden layers; empty for none.
      activation: of the hidden layers.
      dropout: rate behind each hidden layer.
      loss: None takes the task's own.
      optimizer, learning_rate, weight_decay, clipnorm, global_clipnorm: as in `jaxgd.optimizers`; None takes
        the optimizer's default.
      epochs, batch_size: as in `jaxgd.fit`.
      validation_split: share of the rows that is held out; 0 holds none out.
      patience: epochs without a lower loss of the held-out rows after which the run stops and the best epoch
        is kept; None runs all epochs.
      seed: of the split, the parameters, the order of rows and dropout.
      split_seed: of the split, if it is another than `seed`.
      dtype: the model's.
      on_divergence, max_halvings: as in `jaxgd.fit`.
      from_model: a file of Keras whose model goes on: network, weights, and what it was compiled with; of the
        settings above, those of the network are not used then, and dtype must be the model's.
      window: rows in memory at a time, of data that is streamed from files; None for the usual number.
      on_bad_file: what is done about a file of such data that cannot be read: "stop" or "skip".
      rows_cache: a folder that keeps such rows as they are trained on, or "off", as in `jaxgd.stream`.

    >>> Settings(epochs=3) == Settings.from_dict(Settings(epochs=3).to_dict())
    True
    """

    data: str = "digits"
    target: str | None = None
    task: str | None = None
    missing: str = "error"
    categories: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    hidden: tuple[int, ...] = (128, 64)
    activation: str = "relu"
    dropout: float = 0.3
    loss: str | None = None
    optimizer: str = "adam"
    learning_rate: float | None = None
    weight_decay: float | None = None
    clipnorm: float | None = None
    global_clipnorm: float | None = None
    epochs: int = 50
    batch_size: int = 32
    validation_split: float = 0.2
    patience: int | None = None
    seed: int = 0
    split_seed: int | None = None
    dtype: str = "float32"
    on_divergence: str = "stop"
    max_halvings: int = 3
    from_model: str | None = None
    window: int | None = None
    on_bad_file: str = "stop"
    rows_cache: str | None = None

    @property
    def array_dtype(self) -> str:
        """Of the arrays that are handed to the model."""
        return "float64" if self.dtype == "float64" else "float32"

    def check(self) -> None:
        """Raises TypeError or ValueError for a number out of range or an unknown word.

        Activation, loss and optimizer are checked where they are made.
        """
        self._check_words()
        for width in self.hidden:
            check_integer("hidden", width, 1)
        check_real("dropout", self.dropout, 0.0)
        if self.dropout >= 1.0:
            raise wrong("dropout", self.dropout, "a share of at least 0 and below 1")
        for name in ("learning_rate", "weight_decay", "clipnorm", "global_clipnorm"):
            if getattr(self, name) is not None:
                check_real(name, getattr(self, name), 0.0)
        check_integer("epochs", self.epochs, 0)
        check_integer("batch_size", self.batch_size, 1)
        check_integer("max_halvings", self.max_halvings, 1)
        if self.window is not None:
            check_integer("window", self.window, 1)
        self._check_split()

    def _check_words(self) -> None:
        for name, known in (
            ("task", TASKS),
            ("missing", MISSING),
            ("dtype", DTYPES),
            ("on_divergence", ON_DIVERGENCE),
            ("on_bad_file", ON_BAD_FILE),
        ):
            value = getattr(self, name)
            if value not in known and not (name == "task" and value is None):
                raise unknown_name(name, value, known)

    def _check_split(self) -> None:
        check_real("validation_split", self.validation_split, 0.0)
        if self.validation_split >= 1.0:
            raise wrong("validation_split", self.validation_split, "a share of at least 0 and below 1")
        if self.patience is not None:
            check_integer("patience", self.patience, 0)
            if not self.validation_split:
                raise wrong("patience", self.patience, "held-out rows (validation_split above 0) to watch")
        for name in ("seed", "split_seed"):
            value = getattr(self, name)
            if value is None and name == "split_seed":
                continue
            check_integer(name, value, 0)
            if value >= 2**32:
                raise wrong(name, value, "an integer below 2**32")

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    def words(self) -> list[str]:
        """The data and the options that say these settings on a command line.

        >>> Settings("iris", hidden=(8, 4), exclude=("a b",)).words()
        ['iris', '--exclude', 'a b', '--hidden', '8,4']
        """
        default, words = Settings().to_dict(), [self.data]
        for name, value in self.to_dict().items():
            if name == "data" or value == default[name]:
                continue
            option = {"categories": "--category", "from_model": "--from"}.get(
                name, "--" + name.replace("_", "-")
            )
            if name in ("categories", "exclude"):
                words += [word for each in value for word in (option, str(each))]
            else:
                words += [
                    option,
                    ",".join(map(str, value)) or "none" if isinstance(value, list) else str(value),
                ]
        return words

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Settings":
        """The settings that `to_dict` gave.

        Raises:
          ValueError: names that are missing or unknown.
          TypeError, ValueError: as `check`.
        """
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            raise wrong("settings", sorted(values), f"the names {sorted(names)}")
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        settings = cls(**given)
        settings.check()
        return settings
