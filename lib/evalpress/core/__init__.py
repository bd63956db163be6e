"""Mechanisms that depend on no section: results files, statistics, hashing, YAML, paths, errors, progress, units."""
