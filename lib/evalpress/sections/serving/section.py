"""The serving section: servers in both modes, the run book's own curl, a streaming client, load, HTTP's cost."""

from __future__ import annotations

from dataclasses import dataclass, field

from evalpress import engine
from evalpress.core.plain import Fields
from evalpress.core.progress import step
from evalpress.params.schema import Params
from evalpress.platforms.host import usable_cores
from evalpress.platforms.power import Meter
from evalpress.sections.evidence import server_answers
from evalpress.sections.job import Job, Stages, completed
from evalpress.sections.serving import (
    asking,
    energy,
    http_cost,
    invariants,
    knee,
    left_out,
    load,
    replicas,
    search,
    servers,
    starts,
    window,
)
from evalpress.sections.serving.load import Loads
from evalpress.sections.serving.point import Repeat
from evalpress.sections.serving.points import Level, Rate
from evalpress.sections.serving.prompts import Prompts
from evalpress.sections.serving.results import (
    Curl,
    HttpCost,
    LoadEnergy,
    Results,
    Saturation,
    Search,
    Server,
    Stream,
)
from evalpress.sections.serving.servers import Target

CLIENT = "this suite's load client, under the definitions of vllm bench serve"
_ALONE = "this process's engines were released before the servers took the device or the memory"
_NO_SEARCH = "the set asks for none (serving.slo_search)"
_NO_SLO = "the set gives no serving.slo"


@dataclass
class _Found:
    """What was measured so far, all groups of servers one after the other."""

    servers: dict[str, Server] = field(default_factory=dict)
    single: list[tuple[Curl, Stream]] = field(default_factory=list)
    """curl and the streaming completion, of the first server."""
    levels: tuple[Level, ...] = ()
    rates: tuple[Rate, ...] = ()
    http_cost: tuple[HttpCost, ...] = ()
    saturation: dict[str, Saturation] = field(default_factory=dict)
    searched: dict[str, Search] = field(default_factory=dict)
    energy: tuple[LoadEnergy, ...] = ()
    meters: list[Meter] = field(default_factory=list)
    repeats: dict[tuple[str, str], list[Repeat]] = field(default_factory=dict)
    """By mode and name of the point."""

    def add(self, loads: Loads, peak: dict[str, Saturation], meter: Meter) -> None:
        """The load on one group."""
        self.repeats |= loads.repeats
        self.meters.append(meter)
        self.energy += energy.of_loads(meter, loads.repeats)
        self.levels += tuple(loads.levels)
        self.rates += tuple(loads.rates)
        self.saturation |= peak


def measure(job: Job) -> Results:
    """Start (or reach) the servers, send single requests and load, stop them; observations go to `results/raw`.

    Raises:
        MeasurementError: a server does not start or answer, or all requests of a point fail.
    """
    return completed(stages(job))


def stages(job: Job) -> Stages[Results]:
    """`measure` in stages, each with what it found: the servers, then the load; servers of all modes at once or not."""
    params = job.params
    if not params.serving.base_url:
        engine.import_vllm(params)
    prompts = Prompts.of(params)
    found = _Found()
    for group in servers.groups(params):
        with servers.targets(job, group) as targets:
            existing = targets[0].endpoint if params.serving.base_url else None
            before = replicas.counted(params, existing) if existing else {}
            _ask(job, targets, found)
            yield "seconds until ready", {target.mode: target.facts.ready_s for target in targets}
            inside = http_cost.Inside(job, targets, prompts)
            loads = Loads(job, targets, prompts, inside.around)
            with energy.meter(params) as meter:
                loads.measure()
            peak = load.saturation(loads.levels, params.engine.max_num_seqs)
            yield "highest throughput, tok/s", {mode: round(at.output_throughput, 1) for mode, at in peak.items()}
            found.searched |= _searched(params, loads, peak)
            after = replicas.counted(params, existing) if existing else {}
        found.add(loads, peak, meter)
        found.http_cost += http_cost.compare(loads.levels, loads.repeats, inside.found)
    again, no_starts = starts.or_why(job)
    each, no_each = replicas.shares(before, after) if params.serving.base_url else (None, replicas.OWN)
    knees, no_knees = knee.knees(found.levels, found.saturation)
    curl, stream = found.single[0]
    return Results(
        servers=found.servers,
        levels=found.levels,
        rates=found.rates,
        curl=curl,
        stream=stream,
        http_cost=found.http_cost,
        saturation=found.saturation,
        energy=found.energy,
        replicas=each,
        replicas_why=no_each,
        knees=knees,
        knees_why=no_knees,
        starts=again,
        starts_why=no_starts,
        **_absent(job, found),
        **energy.described(found.meters),
        identities=invariants.check(found.repeats, params.serving.input_len, params.serving.output_len),
        slo_ms={str(name): limit for name, limit in params.serving.slo.items()},
        windows={"levels": window.RULE_CLOSED, "rates": window.RULE_OPEN},
        client=CLIENT,
        cores=usable_cores(),
    )


def _searched(params: Params, loads: Loads, peak: dict[str, Saturation]) -> dict[str, Search]:
    """The highest rates that keep the SLO, where the set asks for them."""
    asked = params.serving.slo_search
    if not asked or not params.serving.slo:
        return {}
    return search.search(loads, asked, {mode: at.request_throughput for mode, at in peak.items()})


def _absent(job: Job, found: _Found) -> Fields:
    """Figures that were not measured, with the reason."""
    params, not_asked = job.params, left_out.why(job, (left_out.SEARCH,), _NO_SEARCH)
    absent: Fields = {"slo_search": found.searched or None}
    if not found.searched:
        absent["slo_search_why"] = _NO_SLO if params.serving.slo_search else not_asked
    if not found.http_cost:
        absent["http_cost_why"] = _no_http_cost(params)
    return absent


def _no_http_cost(params: Params) -> str:
    if params.serving.base_url:
        return "the server is not this suite's own"
    return _ALONE if 1 in params.serving.concurrency else "no level of one request at a time (serving.concurrency)"


def _ask(job: Job, targets: list[Target], found: _Found) -> None:
    for target in targets:
        found.servers[target.mode] = target.facts
    if not found.single:
        first = targets[0]
        curl = asking.curl(first.endpoint, first.offers.name, job.params, first.mode)
        step("the evidence prompts")
        server_answers.ask(job, first.endpoint, first.offers.name)
        found.single.append((curl, asking.stream(first.endpoint, first.offers.name, job.params, first.mode)))
