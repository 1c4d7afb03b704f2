"""Pictures and page of a run folder, made from what is in it."""

from pathlib import Path

from jaxgd import keras_files
from jaxgd._atomic import write_bytes, write_text
from jaxgd.reports.curves import curves_picture
from jaxgd.reports.measuring import Measured, Rows, measure_run, rows_of_plan, rows_of_run
from jaxgd.reports.page import report_page, run_title
from jaxgd.reports.panels import panels
from jaxgd.reports.reading import Recorded, read_folder
from jaxgd.runs import folder as names
from jaxgd.runs import open_run
from jaxgd.runs.plan import AnyPlan


def write_report(folder: Path, plan: AnyPlan | None = None) -> None:
    """Write curves.png and report.html.

    Args:
      folder: of a run, perhaps a damaged one.
      plan: of the run, if it has just ended; its rows are then not read again.

    Raises:
      ValueError: nothing of a run is there.
      OSError: it cannot be written.
    """
    recorded = read_folder(folder)
    rows = None if plan is None else rows_of_plan(plan)
    shown = panels(recorded.history, recorded.epochs)
    write_bytes(folder / names.CURVES, curves_picture(shown, run_title(recorded), "png"))
    write_text(folder / names.REPORT, report_page(recorded, measured_or_reason(recorded, rows)))


def measured_or_reason(recorded: Recorded, rows: Rows | None = None) -> Measured | str:
    """What can be measured of a run, or why nothing can."""
    try:
        run = open_run(recorded.folder)
        training = keras_files.load(recorded.folder / names.MODEL)[2]
        return measure_run(run, training, rows_of_run(run) if rows is None else rows)
    except keras_files.KerasFileError as error:
        return f"{names.MODEL}: {error}"
    except (ValueError, OSError) as error:
        return str(error)
