"""Going back after a divergence: to the start of the best epoch, with half the learning rate.

Where a run goes back to depends on its losses alone, never on when a checkpoint was written: the same run
takes the same way every time. The state there is computed again from an anchor, the start of a chunk before.
"""

from typing import NamedTuple

import numpy as np

from jaxgd._types import Array
from jaxgd.training.run import RunState


class Best(NamedTuple):
    """The epoch with the lowest training loss since the start, or since the run last went back."""

    loss: float | None = None
    epoch: int | None = None
    """Counted from 0; None before an epoch was finished."""

    def after(self, first_epoch: int, losses: np.ndarray) -> "Best":
        """With the losses of the epochs from `first_epoch` on; the first of equals counts."""
        if not len(losses):
            return self
        place = int(np.argmin(losses))
        lowest = float(losses[place])
        return self if self.loss is not None and self.loss <= lowest else Best(lowest, first_epoch + place)


class Anchor(NamedTuple):
    """A state from which the start of the best epoch can be computed."""

    state: RunState
    best: Best = Best()

    @classmethod
    def at(cls, state: RunState) -> "Anchor":
        """The start of a run, or of what follows a return."""
        return cls(state)

    def after(self, before: RunState, losses: Array | np.ndarray) -> "Anchor":
        """After a chunk that began at `before` and finished epochs with these losses.

        `before` is kept, if the best epoch has not begun there: it must not be donated.
        """
        epoch, batch = int(before.epoch), int(before.batch)
        best = self.best.after(epoch, np.asarray(losses))
        not_begun = best.epoch is not None and (epoch, batch) <= (best.epoch, 0)
        return Anchor(before if not_begun else self.state, best)
