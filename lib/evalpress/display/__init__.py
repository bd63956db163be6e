"""Tables, text escaping, number formats and figure style. Knows no section."""
