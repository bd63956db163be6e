"""Serving: OpenAI servers under load, from one stream to saturation, and the latency that HTTP adds."""
