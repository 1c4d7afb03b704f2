"""Many runs as one call: seeds, hyperparameters, folds and architectures."""

from jaxgd.sweeps.campaign import SweepProgress
from jaxgd.sweeps.ensemble import Ensemble, Prediction
from jaxgd.sweeps.halving import Halving
from jaxgd.sweeps.journal import JournalError
from jaxgd.sweeps.member import Member
from jaxgd.sweeps.space import Range, linear_range, log_range, random_search
from jaxgd.sweeps.sweep import sweep
from jaxgd.sweeps.table import Summary, SweepTable

__all__ = [
    "Ensemble",
    "Halving",
    "JournalError",
    "Member",
    "Prediction",
    "Range",
    "Summary",
    "SweepProgress",
    "SweepTable",
    "linear_range",
    "log_range",
    "random_search",
    "sweep",
]
