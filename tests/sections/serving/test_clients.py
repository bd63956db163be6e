"""The section with servers that already run and behave as real servers, gateways and routers do."""

from __future__ import annotations

import shutil
import time

import pytest
from evalpress import params
from evalpress.core.errors import MeasurementError, UserError
from evalpress.core.paths import ROOT
from evalpress.engine.endpoint import Endpoint
from evalpress.params import Params
from evalpress.sections import inputs
from evalpress.sections.job import Job
from evalpress.sections.registry import by_name
from evalpress.sections.serving import asking, client, section, servers
from evalpress.sections.serving.gates import gates
from evalpress.sections.serving.results import Results
from pretended_server import KEY, STEP_S, serving


def asked(base_url: str, **changed: object) -> Params:
    """The demo set, pointed at a running server, with little load."""
    demo = params.load("demo")
    small = {"base_url": base_url, "concurrency": (1, 2), "rate_shares": (0.5,), "repeats": 1, "slo_search": None}
    small |= {"requests_per_level": 4, "input_len": 8, "output_len": 4, "rate_seconds": 0.1}
    return demo.model_copy(update={"serving": demo.serving.model_copy(update=small | changed)})


def measure(tmp_path, set_: Params) -> Results:
    return Job(by_name("serving"), set_, tmp_path, "always").run(section.measure).data


READ = "good usage everyusage nousage preamble comment nospace nulltext emptyfirst utf8 crlf cr oneline event bom noend"
READ += " capital emptyreason"


@pytest.mark.parametrize("mode", READ.split())
def test_every_stream_that_the_formats_allow_is_read(mode):
    with serving(mode) as url:
        target = client.Target(Endpoint(url), "m", 5)
        load = client.closed_loop(target, [[1, 2, 3]] * 4, 2)
        shown = asking.stream(Endpoint(url), "m", asked(url), "running")
    assert [one.error for one in load.observations] == [None] * 4
    fewer = mode in ("nulltext", "emptyfirst")  # their first chunk has no text, so it sets no TTFT
    chunks = 4 - fewer
    assert {len(one.gaps_s) for one in load.observations} == {chunks}
    assert {one.output_tokens for one in load.observations} == {5 - fewer if mode == "nousage" else 5}
    assert {one.input_tokens for one in load.observations} == ({None} if mode == "nousage" else {3})
    slow = 10 * STEP_S if mode == "emptyfirst" else STEP_S * (1 + fewer)
    assert min(one.ttft_s for one in load.observations) >= slow
    assert (shown.chunks, shown.finish_reason) == (4 - fewer, "length")


def test_a_text_is_sent_as_a_text():
    with serving() as url:
        load = client.closed_loop(client.Target(Endpoint(url), "m", 5), ["a text", [1, 2, 3]], 1)
    assert [one.input_tokens for one in load.observations] == [5, 3]  # the pretended server counts a text as 5


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("miderror", "the server reported an error in the stream: EngineDeadError"),
        ("errorevent", "the server reported an error in the stream: EngineDeadError"),
        ("abort", r"the server gave up the answer \(finish_reason 'abort'\)"),
        ("cut", "the stream ended before the answer was finished"),
        ("emptyreason-cut", "the stream ended before the answer was finished"),
        ("err400", "HTTP 400: bad"),
        ("auth", "HTTP 401: Unauthorized"),
        ("posthtml", r"HTTP 200, but no event stream \(text/html\): <html><title>login"),
        ("postokerr", r"HTTP 200, but no event stream \(application/json\): model is loading"),
    ],
)
def test_what_is_no_answer_fails_the_request_with_the_servers_own_words(mode, told):
    with serving(mode) as url:
        load = client.closed_loop(client.Target(Endpoint(url), "m", 5), [[1]] * 2, 1)
        assert all(one.error and told.replace("\\", "") in one.error for one in load.observations)
        assert [(one.ttft_s, one.output_tokens) for one in load.observations] == [(None, 0)] * 2
        with pytest.raises(MeasurementError, match=told):
            asking.stream(Endpoint(url), "m", asked(url), "running")


def test_a_server_that_keeps_the_connection_open_after_the_last_event_has_answered():
    with serving("open") as url:
        start = time.monotonic()
        load = client.closed_loop(client.Target(Endpoint(url), "m", 5), [[1]], 1)
        assert asking.stream(Endpoint(url), "m", asked(url), "running").finish_reason == "length"
        assert time.monotonic() - start < 5
    assert load.observations[0].error is None and len(load.observations[0].gaps_s) == 4


def test_an_empty_chunk_of_vllm_is_a_token_whose_text_is_not_complete():
    with serving("emptyfirst") as url:
        load = client.closed_loop(client.Target(Endpoint(url), "m", 5, empty_chunks=True), [[1]], 1)
    assert len(load.observations[0].gaps_s) == 4


def test_a_running_server_is_measured_and_left_running(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with serving() as url:
        found = measure(tmp_path, asked(url, slo_search=params.schema.SloSearchParams(steps=1)))
        assert Endpoint(url).answers() is None
    assert found.servers["running"].ready_s_why == "the server was already running (serving.base_url)"
    assert [level.concurrency for level in found.levels] == [1, 2]
    assert [level.num_prompts for level in found.levels] == [6, 8]
    assert {one.status for one in found.identities} == {"ok", "n/a"}
    assert found.curl.ok and found.curl.output == "xxxxxxxx"
    assert found.rates[0].share_of_saturation == 0.5 and not found.http_cost
    assert found.slo_search is not None and found.slo_search["running"].request_rate is not None
    judged = {gate.id: gate.status for gate in gates(params.load("demo"), found)}
    assert judged["requests_failed"] == judged["identities"] == "pass"
    raw = tmp_path / "results" / "raw"
    assert (raw / "serving-running-concurrency-1.json").is_file() and (raw / "serving-evidence.json").is_file()


def test_one_output_token_has_no_tpot_and_keeps_no_slo(tmp_path):
    with serving() as url:
        found = measure(tmp_path, asked(url, output_len=1, concurrency=(1,)))
    for point in (*found.levels, *found.rates):
        assert point.mean_tpot_ms is point.p99_itl_ms is point.slo_attainment is point.request_goodput is None
        assert point.mean_tpot_ms_why == "no request gave more than one token"
        assert point.slo_attainment_why == "the SLO limits TPOT, and no request gave more than one token"
        assert point.mean_ttft_ms and point.mean_e2el_ms


def test_tokens_that_arrive_all_at_once_have_no_time_between_them(tmp_path):
    with serving("held") as url:
        found = measure(tmp_path, asked(url, concurrency=(1,)))
    why = "all tokens of an answer arrived at once: the server, or a proxy before it, holds the stream back"
    for point in (*found.levels, *found.rates):
        assert point.mean_tpot_ms is point.mean_itl_ms is point.slo_attainment is None
        assert point.mean_tpot_ms_why == point.mean_itl_ms_why == why and why in point.slo_attainment_why
        assert point.mean_ttft_ms == point.mean_e2el_ms > 0


def test_a_refusal_to_curl_is_told_with_its_status():
    with serving("err400") as url, pytest.raises(MeasurementError, match="curl: HTTP 400: bad"):
        asking.curl(Endpoint(url), "m", asked(url), "running")


def test_the_key_comes_from_the_environment_and_stands_in_no_file(tmp_path, monkeypatch):
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    with serving("auth") as url:
        with pytest.raises(MeasurementError, match="/v1/models: HTTP 401: Unauthorized"):
            measure(tmp_path, asked(url))
        monkeypatch.setenv("A_KEY", KEY)
        found = measure(tmp_path, asked(url, api_key_env="A_KEY"))
    assert '-H "Authorization: Bearer $A_KEY"' in found.curl.command
    assert f"Bearer {KEY}" not in "".join(path.read_text() for path in tmp_path.rglob("*.json"))


@pytest.mark.parametrize(("mode", "told"), [("nomodels", "offers no model"), ("html", "no JSON"), ("okerr", "loading")])
def test_a_server_without_a_model_is_told_as_such(tmp_path, mode, told):
    with serving(mode) as url, pytest.raises(MeasurementError, match=f"/v1/models.*{told}"):
        measure(tmp_path, asked(url))


def test_no_server_at_the_address_is_one_line(tmp_path):
    with pytest.raises(MeasurementError, match="serving.base_url: no server answers at http://127.0.0.1:9: Conn"):
        measure(tmp_path, asked("http://127.0.0.1:9"))


def test_another_name_than_the_first_can_be_asked_for():
    with serving() as url:
        assert asking.offered(Endpoint(url), "n").name == "n" and asking.offered(Endpoint(url)).name == "m"
        with pytest.raises(MeasurementError, match="serving.served_model: found 'x', allowed what .* offers: m, n"):
            asking.offered(Endpoint(url), "x")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{port: 65535}", "port: found 65535 for 2 modes, .*; allowed at most 65534, or 0 for any free ports"),
        ("{base_url: 'localhost:8000'}", "base_url: found 'localhost:8000', allowed http://host:port"),
        ("{base_url: 'http://[::1:80'}", "base_url|IPv6"),
    ],
)
def test_unusable_addresses_are_refused_before_anything_runs(tmp_path, given, told):
    for name in ("base", "demo"):
        shutil.copy(ROOT / "params" / f"{name}.yaml", tmp_path)
    (tmp_path / "x.yaml").write_text(f"extends: demo\nserving: {given}\n")
    with pytest.raises(UserError, match=told):
        params.load(str(tmp_path / "x.yaml"))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"host": "203.0.113.7"}, "serving.host: found '203.0.113.7' .*, allowed an address of this host"),
        ({"host": "no such host"}, "serving.host: found 'no such host'"),
        ({"host": "a\0b"}, "serving.host: found "),
        ({"host": "x" * 70 + ".example"}, "serving.host: found "),
        (
            {"base_url": "http://h:1", "api_key_env": "NOT_SET_HERE"},
            "serving.api_key_env: found 'NOT_SET_HERE', which is",
        ),
        ({"base_url": "https://h:1", "ca_file": "none.pem"}, "serving.ca_file: found 'none.pem', allowed a PEM file"),
    ],
)
def test_what_this_host_lacks_is_refused_before_anything_runs(changed, told):
    demo = params.load("demo")
    with pytest.raises(UserError, match=told):
        inputs.check(demo.model_copy(update={"serving": demo.serving.model_copy(update=changed)}), ["serving"])


def test_ports_are_the_sets_or_the_systems():
    demo = params.load("demo")
    fixed = demo.model_copy(update={"serving": demo.serving.model_copy(update={"port": 8100})})
    assert [servers._port(fixed, mode) for mode in ("compiled", "eager")] == [8100, 8101]
    assert servers._port(demo, "compiled") == 0
    card = params.load("qwen2-0.5b-ascend910")
    assert [servers._port(card, mode) for mode in ("compiled", "eager")] == [
        0,
        0,
    ]  # 8000 is the run book's
    assert servers.groups(card) == [("compiled",), ("eager",)]


def test_a_server_that_cannot_start_leaves_no_other_behind(monkeypatch, tmp_path):
    events: list[str] = []

    class Launched:
        def stop(self) -> None:
            events.append("stopped")

    def launch(job, mode):
        if mode == "eager":
            raise MeasurementError("no port is free")
        events.append("started")
        return Launched()

    monkeypatch.setattr(servers, "_launch_one", launch)
    with pytest.raises(MeasurementError, match="no port"):
        servers._launch(Job(by_name("serving"), params.load("demo"), tmp_path, "always"), ("compiled", "eager"))
    assert events == ["started", "stopped"]
