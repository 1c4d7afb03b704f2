"""Reports of a run: the curves as a picture, and one page of HTML that needs nothing else."""

from jaxgd.reports.curves import curves_png
from jaxgd.reports.page import report_page
from jaxgd.reports.writing import write_report

__all__ = ["curves_png", "report_page", "write_report"]
