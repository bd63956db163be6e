"""The demo model: the recipe that builds it (`python -m evalpress.demo`), kept in `models/demo/`."""
