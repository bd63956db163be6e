"""The schema of a point of the load curve in `results/serving.json`."""

from __future__ import annotations

from abc import abstractmethod

from evalpress.core.results import Model
from evalpress.core.stats import wilson_interval


class Bounds(Model):
    """A 95 % interval in the unit of its figure."""

    low: float | None
    low_why: str | None = None
    high: float | None
    high_why: str | None = None


class Latencies(Model):
    """Latencies in milliseconds, over the requests of the windows of all repeats together.

    TTFT: request sent to first token. TPOT: (E2EL - TTFT) / (output tokens - 1). ITL: gaps between chunks. E2EL:
    request sent to last token.
    """

    mean_ttft_ms: float | None
    mean_ttft_ms_why: str | None = None
    median_ttft_ms: float | None
    median_ttft_ms_why: str | None = None
    std_ttft_ms: float | None
    std_ttft_ms_why: str | None = None
    p90_ttft_ms: float | None
    p90_ttft_ms_why: str | None = None
    p99_ttft_ms: float | None
    p99_ttft_ms_why: str | None = None
    mean_tpot_ms: float | None
    mean_tpot_ms_why: str | None = None
    median_tpot_ms: float | None
    median_tpot_ms_why: str | None = None
    std_tpot_ms: float | None
    std_tpot_ms_why: str | None = None
    p90_tpot_ms: float | None
    p90_tpot_ms_why: str | None = None
    p99_tpot_ms: float | None
    p99_tpot_ms_why: str | None = None
    mean_itl_ms: float | None
    mean_itl_ms_why: str | None = None
    median_itl_ms: float | None
    median_itl_ms_why: str | None = None
    std_itl_ms: float | None
    std_itl_ms_why: str | None = None
    p90_itl_ms: float | None
    p90_itl_ms_why: str | None = None
    p99_itl_ms: float | None
    p99_itl_ms_why: str | None = None
    mean_e2el_ms: float | None
    mean_e2el_ms_why: str | None = None
    median_e2el_ms: float | None
    median_e2el_ms_why: str | None = None
    std_e2el_ms: float | None
    std_e2el_ms_why: str | None = None
    p90_e2el_ms: float | None
    p90_e2el_ms_why: str | None = None
    p99_e2el_ms: float | None
    p99_e2el_ms_why: str | None = None


class WholeRun(Model):
    """The same load with ramp and cool-down, all repeats together, under the definitions of `vllm bench serve`."""

    duration: float
    """Seconds."""
    completed: int
    failed: int
    total_input_tokens: int
    total_output_tokens: int
    request_throughput: float
    """Completed requests per second."""
    output_throughput: float
    """Output tokens per second."""
    total_token_throughput: float
    """Input and output tokens per second."""
    mean_ttft_ms: float | None
    mean_ttft_ms_why: str | None = None
    mean_tpot_ms: float | None
    mean_tpot_ms_why: str | None = None
    mean_e2el_ms: float | None
    mean_e2el_ms_why: str | None = None


class Run(Model):
    """One repeat of a point, in its window."""

    window_s: float
    window_requests: int
    request_throughput: float
    output_throughput: float
    slo_attainment: float | None
    slo_attainment_why: str | None = None
    mean_ttft_ms: float | None
    mean_ttft_ms_why: str | None = None
    mean_tpot_ms: float | None
    mean_tpot_ms_why: str | None = None
    mean_e2el_ms: float | None
    mean_e2el_ms_why: str | None = None


class Point(Latencies):
    """One point of the load curve: a load that was put on a server, once or several times.

    Throughput and latencies are those of the window in which the load was constant, over all repeats.
    """

    mode: str
    input_len: int
    """Prompt tokens per request."""
    output_len: int
    """Generated tokens per request."""
    repeats: int
    num_prompts: int
    """Requests sent, all repeats together."""
    failed: int
    """Requests that failed, of those sent."""
    failed_first: str | None = None
    """The error of the first failed request."""
    duration: float
    """Length of the windows in seconds, all repeats together."""
    completed: int
    """Requests whose last token arrived in a window."""
    total_input_tokens: int
    """Prompt tokens of the answered requests, each by its share in a window."""
    total_output_tokens: int
    """Output tokens that arrived in a window."""
    request_throughput: float
    """Answered requests per second, each by the share of its output tokens that arrived in a window."""
    output_throughput: float
    """total_output_tokens / duration, per second."""
    total_token_throughput: float
    """(total_input_tokens + total_output_tokens) / duration, per second."""
    request_goodput: float | None
    """As request_throughput, of the requests that kept the SLO."""
    request_goodput_why: str | None = None
    slo_attainment: float | None
    """Share of the window's requests that kept the SLO; a failed one did not."""
    slo_attainment_why: str | None = None
    slo_attainment_low: float | None = None
    """95 % interval of the share (Clopper and Pearson), for as many independent requests as the windows are worth."""
    slo_attainment_low_why: str | None = "measured before this figure was kept"
    slo_attainment_high: float | None = None
    slo_attainment_high_why: str | None = "measured before this figure was kept"
    window_requests: int
    """Requests whose latencies are counted: sent in a window and ended in it."""
    not_steady_why: str | None = None
    """Why the whole run counts instead of a window, where it does."""
    mean_in_flight: float
    """Requests in flight, averaged over the windows."""
    drift: float | None
    """How much longer requests took at a window's end than at its start, as a share; the largest of the repeats."""
    drift_why: str | None = None
    drifts: bool
    """Whether the drift shows that the load was not steady."""
    intervals: dict[str, Bounds] | None
    """95 % intervals of the mean over repeats, by key (Student's t)."""
    intervals_why: str | None = None
    percentile_intervals: dict[str, Bounds]
    """95 % intervals of the percentiles, by key (order statistics)."""
    whole_run: WholeRun
    runs: tuple[Run, ...]
    client_s: float
    """Seconds that the client ran, warm-up included."""
    client_cpu_share: float
    """The client's process time as a share of one core."""
    client_bound: bool
    """Whether the client was the bottleneck."""

    @property
    @abstractmethod
    def load_words(self) -> str:
        """The load in words."""

    @property
    @abstractmethod
    def load_key(self) -> tuple[int, float]:
        """The sorting key of points: closed loops first, then by load."""

    def keeps_slo(self, share: float) -> bool | None:
        """Whether at least `share` of all requests at this load keep the SLO; None where this run does not show it.

        Shown where the lower bound of Wilson's 95 % interval is not below `share` and the load was constant; refuted
        where fewer of the counted requests kept it.
        """
        if self.slo_attainment is None or self.window_requests < 1:
            return None
        if self.slo_attainment < share:
            return False
        low, _ = wilson_interval(round(self.slo_attainment * self.window_requests), self.window_requests)
        return True if low >= share and self.is_constant else None

    @property
    def is_constant(self) -> bool:
        """Whether the load was constant while requests were counted, and their times did not drift."""
        return not self.drifts and self.not_steady_why is None


class Level(Point):
    """A closed loop."""

    concurrency: int
    """Requests in flight."""
    max_concurrency: int
    warmups: int
    """Requests that were sent and answered before the first repeat."""

    @property
    def load_words(self) -> str:
        return f"{self.concurrency} at a time"

    @property
    def load_key(self) -> tuple[int, float]:
        return 0, self.concurrency


class Rate(Point):
    """An open loop: Poisson arrivals."""

    share_of_saturation: float | None
    """Share of the highest request throughput of the closed loops; null for a rate that the search tried."""
    share_of_saturation_why: str | None = None
    request_rate: float
    """Offered requests per second."""
    arrivals_s: float
    """How long requests arrived, per repeat."""
    answered_by_last_arrival: float
    """Share of the requests that was answered when the last one arrived."""
    late_ms: float
    """How long after its due time the client sent a request, 99th percentile, ms."""

    @property
    def load_words(self) -> str:
        return f"{self.request_rate:.3g} requests per second"

    @property
    def load_key(self) -> tuple[int, float]:
        return 1, self.request_rate
