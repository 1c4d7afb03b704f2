"""scikit-learn's `check_estimator` on the estimators, and the table of its checks for a page.

    python scripts/check_sklearn.py --page docs/coming-from-scikit-learn.md

Exits with 1 if a check fails that is not meant to.
"""

import argparse
import collections
import datetime
import pathlib
import sys
import warnings

import sklearn
from page_sections import write_section
from sklearn.utils.estimator_checks import check_estimator

from jaxgd.estimators import MLPClassifier, MLPRegressor
from jaxgd.estimators.checks import EXPECTED_FAILED_CHECKS

SETTINGS = {"hidden_layer_sizes": (8,), "learning_rate_init": 0.02, "max_iter": 100}
STATUSES = ("passed", "failed", "xfail", "skipped")


def main() -> int:
    """Check, print and write the page."""
    parser = argparse.ArgumentParser(description="scikit-learn's checks of the estimators.")
    parser.add_argument("--page", type=pathlib.Path, help="a Markdown file with a section 'checks'")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    found = {}
    for estimator in (MLPClassifier(**SETTINGS), MLPRegressor(**SETTINGS)):
        results = check_estimator(
            estimator, expected_failed_checks=EXPECTED_FAILED_CHECKS, on_skip=None, on_fail=None
        )
        found[repr(estimator)] = results
        print(repr(estimator), collections.Counter(each["status"] for each in results), flush=True)
    text = section(found)
    print(text)
    if arguments.page is not None:
        write_section(arguments.page, "checks", text)
    return int(any(each["status"] == "failed" for results in found.values() for each in results))


def section(found: dict) -> str:
    """The table, and below it every check that did not pass."""
    lines = [
        f"{datetime.date.today().isoformat()}, scikit-learn {sklearn.__version__}.",
        "",
        "| estimator | passed | failed | expected to fail | skipped |",
        "|---|---|---|---|---|",
    ]
    for name, results in found.items():
        counts = collections.Counter(each["status"] for each in results)
        lines.append(f"| `{name}` | {' | '.join(str(counts[status]) for status in STATUSES)} |")
    lines += ["", "Checks that did not pass:", ""]
    reasons: dict[str, str] = {}
    for results in found.values():
        for each in results:
            if each["status"] == "xfail":
                reasons[each["check_name"]] = f"expected, as {each['expected_to_fail_reason']}"
            elif each["status"] != "passed":
                reasons[each["check_name"]] = f"{each['status']}: {_first_line(each['exception'])}"
    return "\n".join([*lines, *(f"* `{name}`: {reason}" for name, reason in sorted(reasons.items()))])


def _first_line(exception: object) -> str:
    return str(exception).strip().splitlines()[0][:200]


if __name__ == "__main__":
    sys.exit(main())
