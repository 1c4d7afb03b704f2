"""Training: the step, the loop, and Keras's `fit`, `evaluate` and `predict` as compiled programs."""

from jaxgd.training.batching import make_schedule
from jaxgd.training.checkpointing import Checkpoint
from jaxgd.training.divergence import Divergence, DivergenceWarning
from jaxgd.training.early_stopping import EarlyStopping
from jaxgd.training.evaluation import evaluate, predict
from jaxgd.training.fit import fit
from jaxgd.training.history import History
from jaxgd.training.loop import train
from jaxgd.training.memory import Memory, memory_of
from jaxgd.training.objective import Aux, Objective, make_objective
from jaxgd.training.progress import Progress
from jaxgd.training.result import FitResult
from jaxgd.training.state import TrainState
from jaxgd.training.step import Step, make_step

__all__ = [
    "Aux",
    "Checkpoint",
    "Divergence",
    "DivergenceWarning",
    "EarlyStopping",
    "FitResult",
    "History",
    "Memory",
    "Objective",
    "Progress",
    "Step",
    "TrainState",
    "evaluate",
    "fit",
    "make_objective",
    "make_schedule",
    "make_step",
    "memory_of",
    "predict",
    "train",
]
