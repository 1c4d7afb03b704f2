"""How labels become targets of a loss, and outputs labels again."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.multiclass import unique_labels

from jaxgd import losses

_CATEGORICAL = ("categorical_crossentropy", "categorical_focal_crossentropy", "categorical_hinge")
"""Losses of one class a row, beside those that take class numbers."""
_OF_ONE_OUTPUT = ("binary_crossentropy", "binary_focal_crossentropy", "hinge", "squared_hinge")


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of a classification, and the form in which a loss takes them.

    Attributes:
      classes: sorted labels; for several labels a row the numbers of the columns.
      several: whether a row may have several labels, y being a table of 0 and 1.
    """

    classes: np.ndarray
    several: bool

    @classmethod
    def of(cls, y: np.ndarray) -> "Labels":
        """Those of y: [rows], or [rows, labels] of 0 and 1."""
        several = y.ndim == 2
        return cls(np.arange(y.shape[1]) if several else unique_labels(y), several)

    def loss(self, identifier: Any) -> losses.Loss:
        """The loss; "auto" is the cross-entropy that fits.

        Raises:
          ValueError: an unknown name, or a loss that is not for as many classes or labels.
        """
        if isinstance(identifier, str) and identifier == "auto":
            two = self.several or len(self.classes) == 2
            identifier = "binary_crossentropy" if two else "sparse_categorical_crossentropy"
        loss = losses.get(identifier)
        if self.several and _is_categorical(loss):
            raise ValueError(
                f"loss: {loss.name} is for one class a row, and y has several labels a row; "
                "take 'binary_crossentropy', or 'auto'."
            )
        if not self.several and len(self.classes) > 2 and loss.name in _OF_ONE_OUTPUT:
            raise ValueError(
                f"loss: {loss.name} is for two classes, and y has {len(self.classes)}; "
                "take 'sparse_categorical_crossentropy', or 'auto'."
            )
        return loss

    def outputs(self, loss: losses.Loss) -> tuple[int, str]:
        """How many outputs the network has, and their activation: softmax over classes, else sigmoid."""
        if self.several:
            return len(self.classes), "sigmoid"
        one = len(self.classes) == 2 and not _is_categorical(loss)
        return (1, "sigmoid") if one else (len(self.classes), "softmax")

    def targets(self, y: np.ndarray, loss: losses.Loss, dtype: Any) -> np.ndarray:
        """Class numbers int32[rows], or the outputs that are wanted [rows, outputs].

        Raises:
          ValueError: a label that is not among `classes`.
        """
        if self.several:
            if y.ndim != 2 or y.shape[1] != len(self.classes):
                raise ValueError(f"y: expected shape [rows, {len(self.classes)}], got {list(y.shape)}.")
            return y.astype(dtype)
        numbers = self.numbers(y)
        if loss.takes_labels:
            return numbers
        if self.outputs(loss)[0] == 1:
            return numbers[:, None].astype(dtype)
        return np.eye(len(self.classes), dtype=dtype)[numbers]

    def numbers(self, y: np.ndarray) -> np.ndarray:
        """The place of each label among the classes: int32[rows]. Raises ValueError for an unknown label."""
        if y.ndim != 1:
            raise ValueError(f"y: expected one label a row, got shape {list(y.shape)}.")
        unknown = np.setdiff1d(y, self.classes)
        if len(unknown):
            raise ValueError(
                f"y: expected labels among classes {self.classes.tolist()}, got {unknown[:3].tolist()}."
            )
        return np.searchsorted(self.classes, y).astype(np.int32)

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """[rows, classes] from the network's outputs."""
        if not self.several and outputs.shape[1] == 1 and len(self.classes) == 2:
            return np.concatenate([1 - outputs, outputs], axis=1)
        return outputs

    def predicted(self, outputs: np.ndarray) -> np.ndarray:
        """The label of each row; for several labels a table of 0 and 1."""
        if self.several:
            return (outputs > 0.5).astype(np.int64)
        return self.classes[self.probabilities(outputs).argmax(axis=1)]


def _is_categorical(loss: losses.Loss) -> bool:
    return loss.takes_labels or loss.name in _CATEGORICAL
