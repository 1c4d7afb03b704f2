"""Tabular data: reading files and embedded sets, and turning rows into the arrays that training takes."""

from jaxgd.data.embedded import EMBEDDED
from jaxgd.data.encoding import Encoding
from jaxgd.data.encoding_column import EncodingColumn
from jaxgd.data.errors import DataError
from jaxgd.data.preparing import Prepared, prepare
from jaxgd.data.reading import EXTENSIONS, read
from jaxgd.data.splits import split_rows
from jaxgd.data.table import ColumnSummary, Table

__all__ = [
    "EMBEDDED",
    "EXTENSIONS",
    "ColumnSummary",
    "DataError",
    "Encoding",
    "EncodingColumn",
    "Prepared",
    "Table",
    "prepare",
    "read",
    "split_rows",
]
