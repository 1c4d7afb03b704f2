"""The catalogue of update rules that a diagnosis knows."""

from jaxgd.parity.diagnosing.rules import adam, linear, rms, unusual
from jaxgd.parity.diagnosing.rules._rule import Parameter, UpdateRule
from jaxgd.parity.diagnosing.rules.signs import Lion, RecordedSigns, SignDescent

RULES: tuple[type[UpdateRule], ...] = (*linear.RULES, *rms.RULES, *adam.RULES, *unusual.RULES)
"""Rules found by descent, simpler and more common ones first."""

__all__ = ["RULES", "Lion", "Parameter", "RecordedSigns", "SignDescent", "UpdateRule"]
