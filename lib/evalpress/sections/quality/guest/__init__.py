"""Programs that run inside the sandbox: standard library only, each passed as source text.

They import nothing of this package, because inside the sandbox the package does not exist.
"""
