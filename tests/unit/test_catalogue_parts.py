"""The catalogue without TensorFlow: its cases as data, the verdicts, the selection, the report."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from jaxgd.parity import catalogue, judge, known_differences, report, report_html, report_markdown, runner
from jaxgd.parity.case import Case, Family, Outcome, options_of
from jaxgd.parity.comparator import Tolerance
from jaxgd.parity.planted import Caught

CASES = list(catalogue.cases())


def family_of(got, norm=1e-12, gate=""):
    """A family whose answer is fixed."""
    return Family(
        "fixed",
        lambda: iter(()),
        lambda case: None,
        lambda case, x: got,
        lambda case: Tolerance(norm),
        lambda c, e: gate,
    )


def judged(monkeypatch, expected, got, case=None, **options):
    """The outcome of fixed answers; `expected` may depend on the case."""
    answer = expected if callable(expected) else lambda case: expected
    monkeypatch.setattr(judge, "expected_of", lambda family, case, inputs: answer(case))
    return judge.judge(family_of(got, **options), case or Case("fixed", "thing"))


def test_ids_are_distinct_and_there_are_thousands():
    assert len({case.id for case in CASES}) == len(CASES) > 5000


def test_numbers_do_not_depend_on_precision_or_reference():
    case = CASES[0]
    other = dataclasses.replace(case, dtype="float32", reference="xla")
    assert case.rng().standard_normal() == other.rng().standard_normal()
    assert case.rng().standard_normal() != dataclasses.replace(case, regime="other").rng().standard_normal()


def test_float64_cases_hold_numbers_that_float32_can_hold():
    values = Case("x", "y").cast(np.array([0.1, 1 / 3]))
    assert values.dtype == np.float64
    assert (values == values.astype(np.float32)).all()


def test_select_by_family_and_text():
    chosen = runner.select("optimizer", "Adam/normal", catalogue=CASES)
    assert chosen
    assert all(case.family == "optimizer" and "Adam/normal" in case.id for case in chosen)
    with pytest.raises(ValueError, match="Did you mean 'optimizer'"):
        runner.select("optimiser", catalogue=CASES)


def test_smoke_takes_some_of_every_family():
    chosen = runner.select(smoke=True, catalogue=CASES)
    assert {case.family for case in chosen} == set(catalogue.FAMILIES)
    assert len(chosen) < 300


def test_chunks_hold_every_case_once_and_keep_programs_together():
    made = list(runner.chunks(CASES))
    assert sorted(case.id for chunk in made for case in chunk) == sorted(case.id for case in CASES)
    places = [(case.program, number) for number, chunk in enumerate(made) for case in chunk]
    assert len(set(places)) == len({case.program for case in CASES})


def test_equal_results_pass(monkeypatch):
    assert judged(monkeypatch, {"a": np.ones(2)}, {"a": np.ones(2)}).passed


def test_a_difference_fails_with_its_place(monkeypatch):
    outcome = judged(monkeypatch, {"a": np.ones(2)}, {"a": np.array([1.0, 1.1])})
    assert not outcome.passed
    assert "a[1]: expected 1.0, got 1.1" in outcome.message


def test_an_error_on_either_side_is_a_failed_case(monkeypatch):
    def broken(case):
        raise RuntimeError("no such kernel")

    outcome = judged(monkeypatch, broken, {"a": np.ones(2)})
    assert not outcome.passed
    assert outcome.message == "RuntimeError: no such kernel"


def test_a_case_that_proves_nothing_fails(monkeypatch):
    outcome = judged(monkeypatch, {"a": np.zeros(2)}, {"a": np.zeros(2)}, gate="nothing moved")
    assert not outcome.passed
    assert outcome.message == "proves nothing: nothing moved"


@pytest.mark.parametrize(("ours", "passes"), [(1.0 + 3e-5, True), (1.0 + 5e-5, False)])
def test_float32_may_be_twice_as_far_from_the_truth_as_keras(monkeypatch, ours, passes):
    def expected(case):
        exact = case.dtype == "float64"
        return {"a": np.array([1.0]) if exact else np.array([1.0 - 2e-5], "f4")}

    single = Case("fixed", "thing", dtype="float32")
    outcome = judged(monkeypatch, expected, {"a": np.array([ours], "f4")}, single, norm=2e-6)
    assert outcome.passed is passes
    assert outcome.truth["keras"] == pytest.approx(2e-5, rel=1e-2)


@pytest.mark.parametrize(("got", "message"), [(1.0, "has vanished"), (1.5, ""), (9.0, "has grown")])
def test_known_differences_must_be_there_and_of_their_size(monkeypatch, got, message):
    known = known_differences.KnownDifference("odd", lambda case: True, "because", 0.1, 1.0)
    monkeypatch.setattr(known_differences, "KNOWN", (known,))
    outcome = judged(monkeypatch, {"a": np.ones(1)}, {"a": np.array([got])})
    assert outcome.known == "odd"
    assert outcome.passed is (message == "")
    assert message in outcome.message


def test_every_known_difference_applies_to_some_case():
    unused = [known.id for known in known_differences.KNOWN if not any(map(known.applies, CASES))]
    assert not unused


def example_report():
    """A report with a failure whose message looks like HTML, and a trajectory."""
    curve = {"jaxgd": (1e-9, 2e-8), "TensorFlow": (1e-9, 3e-8)}
    trajectory = Case("trajectory", "Adam", options_of(beta_1=0.9), dtype="float32")
    outcomes = [
        Outcome(Case("loss", "mse"), True, 1e-16, 1, False, False),
        Outcome(Case("loss", "huber"), False, np.inf, -1, False, False, "<script>alert(1)</script> a|b"),
        Outcome(trajectory, True, 1e-7, 3, False, False, truth={"jaxgd": 2e-8, "keras": 4e-8}, curve=curve),
    ]
    return report.Report.of(outcomes, [Caught("sum", "sums <b>", True, True, "error 1")], 12.0)


def test_the_page_is_escaped_and_draws_the_curves():
    page = report_html.render(example_report())
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<b>" not in page
    assert page.count("<polyline") == 2
    assert "prefers-color-scheme: dark" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_the_markdown_has_both_distances_and_the_planted_bugs():
    text = report_markdown.render(example_report())
    assert "| Adam(beta_1=0.9) | 2.0e-08 | 4.0e-08 | 5.0e-01 |" in text
    assert "| sum | sums <b> | caught | error 1 |" in text
    assert report.COMMAND in text


def test_the_page_carries_the_confusion_table_that_stands_beside_it(tmp_path):
    page = tmp_path / "parity.md"
    assert "| adam |" not in example_report().markdown(page)
    table = "2 of 2 runs.\n\n| run |\n| --- |\n| adam |"
    (tmp_path / "diagnose.md").write_text(
        f"# Words\n{report_markdown.BEGIN}\n{table}\n{report_markdown.END}\n"
    )
    assert example_report().markdown(page).endswith(f"are explained.\n\n{table}\n")


def test_the_page_in_the_documentation_has_the_table_of_diagnose():
    page = Path(__file__).parents[2] / "docs" / "parity.md"
    table = report_markdown.confusion_table(page)
    assert table.startswith("44 of 44 runs")
    assert page.read_text("utf-8").endswith(f"{table}\n")


def test_a_report_with_a_failed_case_or_a_missed_bug_has_not_passed():
    made = example_report()
    assert not made.passed
    green = dataclasses.replace(made, outcomes=(made.outcomes[0],))
    assert green.passed
    missed = Caught("sum", "sums", True, False, "every case still passes")
    assert not dataclasses.replace(green, planted=(missed,)).passed


def test_files_of_a_report(tmp_path):
    example_report().write(tmp_path)
    written = json.loads((tmp_path / "parity.json").read_text())
    assert written["failed"][0]["id"].startswith("loss/huber")
    assert written["outcomes"][1]["error"] == "inf"
    assert {path.name for path in tmp_path.iterdir()} == {"parity.json", "parity.md", "parity.html"}


def test_work_is_shared_among_processes_that_are_replaced(monkeypatch):
    monkeypatch.setattr(runner, "_ROUND", 2)
    seen = []
    found = runner.in_processes(math.factorial, list(range(7)), 2, seen.append)
    assert found == [math.factorial(number) for number in range(7)]
    assert sorted(seen) == sorted(found)
    with pytest.raises(ValueError, match="negative"):
        runner.in_processes(math.factorial, [3, -1, 4], 2)


def test_every_case_is_in_one_chunk_and_its_truth_in_the_same():
    chunks = list(runner.chunks(CASES))
    assert sorted(case.id for chunk in chunks for case in chunk) == sorted(case.id for case in CASES)
    for chunk in chunks:
        here = set(chunk)
        assert all(case.in_float64() in here for case in chunk if case.family == "trajectory")
    costs = [catalogue.FAMILIES[chunk[0].family].cost for chunk in chunks]
    assert costs == sorted(costs, reverse=True)
