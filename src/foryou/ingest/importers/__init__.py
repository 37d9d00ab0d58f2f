"""Which data sets can be imported? One file per layout; `detect` finds out which one lies in a folder."""

from foryou.ingest.importers.detect import detect
from foryou.ingest.importers.layout import Layout, Line
from foryou.ingest.importers.run import KEPT, ImportReport, run
from foryou.ingest.importers.table import BadLine

__all__ = ["KEPT", "BadLine", "ImportReport", "Layout", "Line", "detect", "run"]
