"""Serving room: real OpenAI servers, single requests, load from one stream to saturation, what HTTP costs."""

from evalpress.serving.section import measure
from evalpress.serving.servers import prepare, start_ahead

__all__ = ["measure", "prepare", "start_ahead"]
