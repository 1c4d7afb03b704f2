"""A table of which each of several processes reads its share; all know what all rows say together."""

from jaxgd.data.shares.preparing import SharedRows, prepare_shared
from jaxgd.data.shares.table import SharedTable, read_shared

__all__ = ["SharedRows", "SharedTable", "prepare_shared", "read_shared"]
