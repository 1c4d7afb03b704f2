"""What `fit` gives back."""

from dataclasses import dataclass

from jaxgd._types import Params
from jaxgd.scaling import Forecast, Layout
from jaxgd.training.divergence import Divergence
from jaxgd.training.history import History
from jaxgd.training.state import TrainState


@dataclass(frozen=True)
class FitResult:
    """What a run gives back.

    Attributes:
      params: the trained parameters: the last, the best (early stopping that restores), or, after a
        divergence, the last before it.
      state: to go on from: `fit(..., state=result.state, initial_epoch=...)`.
      history: a value an epoch of the loss and the metrics.
      compilations: how many training programs were compiled for this call: 1, or 0 if there was one.
      seconds: {"data", "compile", "run"}, and "watch" if somebody watched.
      stopped_early: whether early stopping ended the run.
      best_epoch: the best epoch, counted from 0, if early stopping looked for it.
      divergence: where the loss stopped being finite, or None.
      restored: the divergences from which the run went back and on with half the learning rate.
      layout: the devices of a run on several.
      forecast: seconds a step, by number of devices, if that was asked for.
      interrupted: whether the progress function, or SIGTERM, ended the run.
    """

    params: Params
    state: TrainState
    history: History
    compilations: int
    seconds: dict[str, float]
    stopped_early: bool = False
    best_epoch: int | None = None
    divergence: Divergence | None = None
    interrupted: bool = False
    restored: tuple[Divergence, ...] = ()
    layout: Layout | None = None
    forecast: Forecast | None = None

    def __repr__(self) -> str:
        facts = {
            "stopped early": self.stopped_early,
            "interrupted": self.interrupted,
            "diverged (see divergence)": self.divergence is not None,
        }
        said = "".join(f", {words}" for words, holds in facts.items() if holds)
        return f"FitResult({self.history.summary()}{said}, compilations {self.compilations})"
