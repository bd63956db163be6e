"""The events of the passes as they arrive: logits are passed on as streams, the rest is kept until it is needed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from evalpress.core.errors import MeasurementError
from evalpress.core.progress import step
from evalpress.model.forward import TextLogits
from evalpress.sections.alignment import layer_limits, store
from evalpress.sections.alignment.baseline import NOISE_FLOOR
from evalpress.sections.alignment.passes import REFERENCE, Begun, Ended, Event, Logits, Request
from evalpress.sections.alignment.results import Arrangement, Layers, Source


class Passes:
    """What the passes have yielded so far.

    Args:
        events: the stream of `passes.every_pass`.
        described: run -> what it is; runs of transformers are added.
    """

    def __init__(self, events: Iterator[Event], described: dict[str, Source]) -> None:
        self._events = events
        self.described = described
        self.ended: dict[str, Ended] = {}

    def _begin(self, run: str) -> Begun:
        begun = next(self._events, None)
        if not isinstance(begun, Begun) or begun.run != run:
            raise MeasurementError(f"{run}: the passes of transformers gave {begun!r} in its place")
        source = begun.described
        step(f"transformers, {run.replace('_', ' ')}: {source.dtype}, attention {source.attention}")
        return begun

    def _logits(self, run: str) -> Iterator[tuple[str, TextLogits]]:
        for event in self._events:
            if isinstance(event, Logits):
                yield event.text, event.part
            elif isinstance(event, Ended):
                self.ended[run] = event
                if event.described is not None:
                    self.described[run] = event.described
                return

    def save(self, path: Path, identity: store.Identity, request: Request) -> Path:
        """The reference's logits as a file."""
        begun = self._begin(REFERENCE)
        origin = begun.described.model_dump(mode="json") | {"attention_reason": begun.attention_reason}
        store.save(path, identity, origin, request.positions, begun.vocabulary, self._logits(REFERENCE))
        return path

    def parts(
        self, run: str, texts: Collection[str], others: list[tuple[str, TextLogits]]
    ) -> Iterator[tuple[str, TextLogits]]:
        """A run's logits of these texts, as they arrive; those of other texts are added to `others`."""
        self._begin(run)
        for name, part in self._logits(run):
            if name in texts:
                yield name, part
            else:
                others.append((name, part))

    def routed(self) -> bool:
        """Whether the model is a mixture of experts; known when the noise floor has ended."""
        return self.ended[NOISE_FLOOR].routed

    def batching(self) -> dict[str, tuple[Arrangement, ...]]:
        """Run -> what batching changes."""
        return {run: tuple(ended.batching) for run, ended in self.ended.items() if ended.batching is not None}

    def layers(self) -> tuple[Layers | None, str | None]:
        """Where errors start, or None and why that is not known."""
        noise = self.ended[NOISE_FLOOR]
        if noise.errors is None or noise.correct is None:
            return None, self.ended[REFERENCE].layers_why
        others = {
            run: ended.errors
            for run, ended in self.ended.items()
            if run not in (NOISE_FLOOR, REFERENCE) and ended.errors is not None
        }
        return layer_limits.compare(noise.errors, noise.correct, others), None
