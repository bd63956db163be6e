"""Tables, text escaping, number formats and figure style. Depends on no section."""
