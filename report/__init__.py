"""A comparison made readable: the page, the text, the long table, the printed figures.

Pure functions of a `Study`: nothing here measures, reads a data base or decides what is significant.
"""

from report.findings import Finding, findings
from report.page import build_report
from report.text import markdown
from report.tidy import tidy_csv, tidy_rows

__all__ = ["Finding", "build_report", "findings", "markdown", "tidy_csv", "tidy_rows"]
