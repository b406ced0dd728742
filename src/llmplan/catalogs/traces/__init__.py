"""Traces of requests, read as streams, and files of rates."""

from llmplan.catalogs.traces.rate_series import is_rate_series, read_rate_series
from llmplan.catalogs.traces.reader import Trace, TraceOptions
from llmplan.catalogs.traces.tally import BadRows, Problem, Tally
from llmplan.catalogs.traces.writer import whole_file, write_csv, write_json_lines

__all__ = [
    "BadRows",
    "Problem",
    "Tally",
    "Trace",
    "TraceOptions",
    "is_rate_series",
    "read_rate_series",
    "whole_file",
    "write_csv",
    "write_json_lines",
]
