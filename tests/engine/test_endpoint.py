"""How a server is reached: proxies, keys, logins, IPv6, and what it answers instead of a completion."""

from __future__ import annotations

import socket

import pytest
from evalpress.core.errors import MeasurementError
from evalpress.engine import sse
from evalpress.engine.endpoint import Endpoint
from evalpress.launch import shown_url, url_of
from hypothesis import given
from hypothesis import strategies as st
from pretended_server import KEY, serving

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def test_no_proxy_comes_between_loopback_and_us(monkeypatch):
    for name in PROXIES:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as url:
        assert Endpoint(url).answers() is None
        assert Endpoint(url).get("/v1/models")["data"]
    own = ("[::1]", "localhost", "LOCALHOST.", "127.1", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]", socket.gethostname())
    for host in own:
        assert Endpoint(f"http://{host}:80").is_direct, host
    for host in ("10.0.0.1", "localhost.example.org", "1.1", "node7", "[2001:db8::1]"):
        assert not Endpoint(f"http://{host}:80").is_direct, host
    assert Endpoint("http://10.0.0.1:80", own=True).is_direct


def test_a_key_is_sent_and_never_shown():
    with serving("auth") as url:
        with pytest.raises(MeasurementError, match="/v1/models: HTTP 401: Unauthorized$"):
            Endpoint(url).get("/v1/models")
        assert Endpoint(url, KEY).get("/v1/models")["data"]
    assert "secret" not in repr(Endpoint.of("http://me:secret@h:1/v1/", "secret"))


def test_a_login_in_the_url_is_sent_and_never_shown():
    seen: list[dict[str, str]] = []
    with serving("good", seen) as url:
        endpoint = Endpoint.of(url.replace("//", "//me:p%40ss@") + "/v1/")
        endpoint.get("/v1/models")
    assert endpoint.base_url == url
    assert seen[-1]["Authorization"] == "Basic bWU6cEBzcw=="
    assert shown_url("https://me:secret@[::1]:8000/x/v1/") == "https://[::1]:8000/x"


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("html", r"HTTP 200, but no JSON \(text/html\): <html><title>login"),
        ("okerr", "HTTP 200 with an error: model is loading"),
    ],
)
def test_what_is_no_answer_is_told_with_status_and_body(mode, told):
    with serving(mode) as url, pytest.raises(MeasurementError, match=told):
        Endpoint(url).get("/v1/models")


def test_a_refused_request_is_one_line_without_control_characters():
    with serving("err400") as url, pytest.raises(MeasurementError, match="HTTP 400: bad") as caught:
        Endpoint(url).post("/v1/completions", {})
    assert str(caught.value).isprintable()


def test_addresses_put_ipv6_into_brackets():
    assert url_of("::1", 8000) == "http://[::1]:8000" and url_of("::", 1) == "http://[::1]:1"
    assert url_of("0.0.0.0", 1) == "http://127.0.0.1:1" and url_of("node7", 1) == "http://node7:1"


EVENTS = ['{"a": "é你"}', '{"b": 1}', "[DONE]"]


@given(st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["data:", "data: "]), st.booleans(), st.data())
def test_events_are_read_however_they_are_cut(end, field, comments, draw):
    parts = [(f": ping{end}" if comments else "") + f"event: x{end}{field}{event}{end}{end}" for event in EVENTS]
    raw = ("\ufeff" + "".join(parts)).encode()
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    events = sse.Events()
    found = [data for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True) for data in events.feed(raw[a:b])]
    assert [*found, *events.end()] == EVENTS


def test_an_event_over_several_lines_and_one_without_an_end():
    events = sse.Events()
    assert list(events.feed(b'data: {"a":\ndata: 1}\n\ndata: [DO')) == ['{"a":\n1}']
    assert list(events.feed(b"NE]")) == [] and list(events.end()) == ["[DONE]"]


def test_a_chunk_is_read_as_servers_send_it():
    assert sse.chunk('{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}').output_tokens == 2
    assert sse.chunk('{"choices": [{"text": null}]}').text == ""
    assert sse.chunk('{"choices": [{"delta": {"content": "x"}}]}').text == "x"
    assert not sse.chunk('{"usage": null}').has_choice
    assert sse.chunk('{"choices": [{"text": "x", "finish_reason": ""}]}').finish_reason is None
    for error in ('{"error": {"message": "dead"}}', '{"error": "dead"}', '{"object": "error", "message": "dead"}'):
        with pytest.raises(MeasurementError, match="error in the stream: dead$"):
            sse.chunk(error)
    with pytest.raises(MeasurementError, match="no JSON object"):
        sse.chunk("<html>")
