"""Alignment: logits of the engine against a float32 reference and the noise floor of the dtype."""
