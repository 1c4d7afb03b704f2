"""How one column is encoded, and the words that an encoding may use."""

from dataclasses import dataclass

TASKS = ("regression", "binary", "multiclass")
"""What there is to learn from a target."""

MISSING = ("error", "mean", "drop")
"""What can be done about missing cells."""


@dataclass(frozen=True)
class EncodingColumn:
    """One column: a number is one feature, a category one feature for each of its categories.

    Attributes:
      name: the column's name.
      kind: `number` or `category`.
      categories: the names of the categories, in the order of their features; empty for a number.
      mean: what stands for a missing number, or None where a missing number is an error.

    >>> EncodingColumn("color", "category", ("blue", "red")).feature_names
    ('color=blue', 'color=red')
    """

    name: str
    kind: str
    categories: tuple[str, ...] = ()
    mean: float | None = None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features that the column becomes."""
        if self.kind == "number":
            return (self.name,)
        return tuple(f"{self.name}={category}" for category in self.categories)
