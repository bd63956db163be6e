"""Mechanisms that know no section: results files, statistics, hashing, YAML, paths, errors, progress, units."""
