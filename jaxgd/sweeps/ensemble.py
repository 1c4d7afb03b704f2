"""Several trained members as one predictor."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jaxgd.sweeps.member import Member
from jaxgd.training.evaluation import predict


class Prediction(NamedTuple):
    """What an ensemble predicts, [rows, outputs] each."""

    mean: np.ndarray
    spread: np.ndarray
    """Standard deviation between the members, with n - 1; 0 for one member."""


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Members whose outputs are averaged; made by `SweepTable.ensemble`.

    Attributes:
      members: with parameters, all with outputs of one shape.
    """

    members: tuple[Member, ...]

    def predict(self, x: Any, *, batch_size: int = 1024) -> Prediction:
        """The members' mean output and how far they are apart.

        mean = sum of outputs / n; spread = sqrt(sum of (output - mean)**2 / (n - 1))

        Args:
          x: [rows, features].
          batch_size: rows computed at once.

        Raises:
          ValueError: the shape of `x` is not the models', or their outputs differ in shape.
        """
        outputs = self.outputs(x, batch_size=batch_size)
        spread = outputs.std(axis=0, ddof=1) if len(outputs) > 1 else np.zeros_like(outputs[0])
        return Prediction(outputs.mean(axis=0), spread)

    def outputs(self, x: Any, *, batch_size: int = 1024) -> np.ndarray:
        """What each member predicts: [members, rows, outputs]."""
        shapes = {member.model.output_shape for member in self.members}
        if len(shapes) > 1:
            raise ValueError(f"ensemble: expected outputs of one shape, got {sorted(shapes)}.")
        return np.stack([_predicted(member, x, batch_size) for member in self.members])


def _predicted(member: Member, x: Any, batch_size: int) -> np.ndarray:
    if member.params is None:
        raise ValueError(f"ensemble: the parameters of member {member.number} were not kept.")
    return predict(member.model, member.params, x, batch_size=batch_size)
