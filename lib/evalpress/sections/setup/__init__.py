"""Setup: model, host, versions, run book, published claims."""
