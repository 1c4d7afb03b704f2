"""One training step laid open: for the terminal, and as one page of HTML that needs nothing else."""

from jaxgd.explain.comparing import Comparison, compare
from jaxgd.explain.page import explain_page
from jaxgd.explain.running import StepTaken, take_steps
from jaxgd.explain.subject import Subject, example

__all__ = ["Comparison", "StepTaken", "Subject", "compare", "example", "explain_page", "take_steps"]
