"""Parameters of a report: schema, layering and every error message about them."""

from evalpress.params.load import available_sets, find, load, referenced_files
from evalpress.params.overrides import parse as parse_overrides
from evalpress.params.schema import Params, Workload

__all__ = ["Params", "Workload", "available_sets", "find", "load", "parse_overrides", "referenced_files"]
