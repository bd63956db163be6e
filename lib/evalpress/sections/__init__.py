"""The sections of a report, one folder each: what it measures, its typed results, its gates, tables and figures."""
