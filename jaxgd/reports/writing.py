"""Pictures and page of a run folder, made from its config.json and history.csv."""

from pathlib import Path

from jaxgd._atomic import write_bytes, write_text
from jaxgd.reports.curves import curves_png
from jaxgd.reports.page import report_page
from jaxgd.runs import folder as names
from jaxgd.runs.history_file import read_history
from jaxgd.runs.reading import read_config


def write_report(folder: Path) -> None:
    """Write curves.png and report.html.

    Raises:
      ValueError: the folder is no run.
      OSError: it cannot be written.
    """
    config = read_config(folder)
    history = read_history(folder / names.HISTORY)
    title = f"{config['data']['source']}: {config['inferred']['target']}"
    write_bytes(folder / names.CURVES, curves_png(history, title))
    write_text(folder / names.REPORT, report_page(config, history))
