"""Serving: OpenAI servers under load, from one stream to saturation, and what HTTP costs."""
