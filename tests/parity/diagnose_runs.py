"""How well `diagnose` does on the recorded runs.

python tests/parity/diagnose_runs.py docs/diagnose.md     writes the confusion table into the document
"""

import sys
import time
from pathlib import Path

from diagnose_cases import CASES
from diagnose_made_up import MADE_UP, record_made_up
from diagnose_recording import Recorded, record_case

from jaxgd.parity.diagnosing import Diagnosis, Number, diagnose
from jaxgd.parity.report_markdown import BEGIN, END

OTHER_NETWORKS = " once more"


def same_rule(case: Recorded, diagnosis: Diagnosis) -> bool:
    """Whether the first finding is the case's rule, with its schedule, decay and clipping."""
    found = diagnosis.best
    if found is None or (found.name, found.schedule) != (case.name, case.schedule):
        return False
    form = case.form is None or found.form == case.form
    return form and (found.decay, found.clipping) == (case.decay, case.clipping)


def wrong_numbers(case: Recorded, diagnosis: Diagnosis) -> list[str]:
    """Numbers that were found, are said to be determined, and are more than 1 % away."""
    found = diagnosis.best.numbers if diagnosis.best else {}
    return [
        f"{name} {found[name].value:.6g} for {truth:.6g}"
        for name, truth in case.numbers.items()
        if name in found and found[name].is_determined and not _near(found[name], truth)
    ]


def _near(number: Number, truth: float) -> bool:
    """Within 1 %; a share, in what it lacks to 1 as well."""
    size = min(abs(truth), 1 - truth) if number.is_share else abs(truth)
    return abs(number.value - truth) <= 0.01 * size


def open_numbers(case: Recorded, diagnosis: Diagnosis) -> list[str]:
    """Numbers of the truth that the diagnosis calls not determined, or lacks."""
    found = diagnosis.best.numbers if diagnosis.best else {}
    return [name for name in case.numbers if name not in found or not found[name].is_determined]


def main() -> None:
    """Diagnose every case and write the table into the document that is named."""
    document, chosen = Path(sys.argv[1]), sys.argv[2:]
    rows, right = [], 0
    for number, case in enumerate(CASES):
        if chosen and str(number) not in chosen:
            continue
        run = record_case(case)
        start = time.process_time()
        diagnosis = diagnose(run)
        seconds = time.process_time() - start
        rows.append(_row(case, diagnosis, seconds))
        right += _is_right(case, diagnosis)
        print(number, *rows[-1], sep=" | ", flush=True)
    others = sum(_is_right(case, diagnose(record_case(case, OTHER_NETWORKS))) for case in CASES)
    made_up = [_made_up_row(name) for name in MADE_UP]
    print(*made_up, sep="\n")
    if not chosen:
        _write(
            document,
            rows,
            made_up,
            f"{right} of {len(rows)} runs: right rule, no wrong number. On other networks: {others}.",
        )


def _is_right(case: Recorded, diagnosis: Diagnosis) -> bool:
    return same_rule(case, diagnosis) and not wrong_numbers(case, diagnosis)


def _row(case: Recorded, diagnosis: Diagnosis, seconds: float) -> tuple[str, ...]:
    found = diagnosis.best
    verdict = "yes" if same_rule(case, diagnosis) else "NO"
    found_as = f"{found.title}; {found.schedule}" if found else "none fits"
    residual = f"{found.residual:.2f}" if found else f"({diagnosis.nearest.residual:.2g})"
    ties = str(max(len(diagnosis.findings) - 1, 0))
    wrong, left_open = wrong_numbers(case, diagnosis), open_numbers(case, diagnosis)
    cells = (
        case.source,
        case.label,
        found_as,
        verdict,
        ", ".join(wrong),
        ", ".join(left_open),
        residual,
        ties,
    )
    return (*cells, f"{seconds:.1f}")


def _made_up_row(name: str) -> tuple[str, ...]:
    run, start = record_made_up(name), time.process_time()
    diagnosis = diagnose(run)
    seconds = time.process_time() - start
    found = diagnosis.best
    nearest = diagnosis.nearest
    return (
        name,
        found.title if found else "none fits",
        f"{nearest.title} ({nearest.relative:.1e})" if nearest else "",
        f"{seconds:.1f}",
    )


def _write(document: Path, rows: list, made_up: list, summary: str) -> None:
    """The tables, between the document's markers."""
    head = (
        "source",
        "run",
        "found",
        "right",
        "wrong numbers",
        "not determined",
        "residual",
        "ties",
        "seconds",
    )
    tables = [
        summary,
        "",
        *_table(head, rows),
        "",
        *_table(("made-up rule", "found", "nearest (unexplained share)", "seconds"), made_up),
    ]
    before, rest = document.read_text().split(BEGIN)
    document.write_text(f"{before}{BEGIN}\n" + "\n".join(tables) + f"\n{END}{rest.split(END)[1]}")


def _table(head: tuple[str, ...], rows: list) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


if __name__ == "__main__":
    main()
