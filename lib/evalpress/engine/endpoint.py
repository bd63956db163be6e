"""An OpenAI-compatible server's address, and how this suite reaches it: key, certificate, proxy, errors in one line."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

from evalpress.core.errors import MeasurementError
from evalpress.launch import shown_url

_EXCERPT = 200


@dataclass(frozen=True)
class Endpoint:
    """Where a server answers.

    A server on this machine is reached directly, regardless of proxy variables in the environment.
    """

    base_url: str
    """Without a trailing slash, login or path `/v1`; IPv6 addresses in brackets."""
    api_key: str | None = field(default=None, repr=False)
    """Sent as a bearer token; never stored."""
    ca_file: str | None = None
    """A PEM file with the certificate authority of an https server; None: the system's."""
    login: str | None = field(default=None, repr=False)
    """`user:password` of a base URL that had one, sent as basic authentication where there is no key; never stored."""

    own: bool = False
    """Whether this suite started it, so that it is on this machine, whatever its address is."""

    @classmethod
    def of(cls, url: str, api_key: str | None = None, ca_file: str | None = None) -> Endpoint:
        """The endpoint of a URL as a person writes it."""
        login = urlsplit(url).netloc.rpartition("@")[0]
        return cls(shown_url(url), api_key, ca_file, unquote(login) or None)

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every request."""
        if self.api_key:
            return {"Authorization": f"Bearer {self.api_key}"}
        if self.login:
            return {"Authorization": "Basic " + base64.b64encode(self.login.encode()).decode()}
        return {}

    @property
    def is_direct(self) -> bool:
        """Whether it is reached without a proxy: a server of this suite, or one on loopback."""
        return self.own or is_loopback(urlsplit(self.base_url).hostname or "")

    def tls(self) -> ssl.SSLContext | bool:
        """The `ssl` argument of aiohttp."""
        return ssl.create_default_context(cafile=self.ca_file) if self.ca_file else True

    def answers(self, timeout_s: float = 2.0) -> str | None:
        """None when the health check succeeds, else why it does not."""
        try:
            reply = self._send("GET", "/health", None, timeout_s)
        except requests.RequestException as error:
            return f"{type(error).__name__}: {_one_line(str(error))}"
        return None if reply.status_code == 200 else f"HTTP {reply.status_code}: {message_of(reply.text)}"

    def get(self, path: str, timeout_s: float = 30.0) -> Any:
        """The JSON answer to a GET request.

        Raises:
            MeasurementError: no answer, an HTTP error, an error object in a 200 answer, or no JSON.
        """
        return self._json("GET", path, None, timeout_s)

    def post(self, path: str, body: Mapping[str, Any], timeout_s: float = 300.0) -> Any:
        """The JSON answer to a POST request; raises as `get`."""
        return self._json("POST", path, body, timeout_s)

    def text(self, path: str, timeout_s: float = 10.0) -> str | None:
        """The body of a 200 answer, None where there is none."""
        try:
            reply = self._send("GET", path, None, timeout_s)
        except requests.RequestException:
            return None
        return reply.text if reply.status_code == 200 else None

    @contextlib.contextmanager
    def stream(self, path: str, body: Mapping[str, Any], timeout_s: float = 300.0) -> Iterator[Iterator[bytes]]:
        """The bytes of a streamed answer to a POST request, as they arrive.

        Raises:
            MeasurementError: no answer, an HTTP error, or no event stream.
        """
        url = f"{self.base_url}{path}"
        try:
            with self._session() as session, self._sent(session, "POST", path, body, timeout_s, stream=True) as reply:
                kind = reply.headers.get("Content-Type", "no content type")
                if reply.status_code != 200:
                    raise MeasurementError(f"{url}: HTTP {reply.status_code}: {message_of(reply.text)}")
                if "event-stream" not in kind.lower():
                    raise MeasurementError(f"{url}: HTTP 200, but no event stream ({kind}): {message_of(reply.text)}")
                yield reply.iter_content(chunk_size=1)  # a larger piece would be held back until it is full
        except requests.RequestException as error:
            raise MeasurementError(f"{url}: {type(error).__name__}: {_one_line(str(error))}") from None

    def _json(self, method: str, path: str, body: Mapping[str, Any] | None, timeout_s: float) -> Any:
        url = f"{self.base_url}{path}"
        try:
            reply = self._send(method, path, body, timeout_s)
        except requests.RequestException as error:
            raise MeasurementError(f"{url}: {type(error).__name__}: {_one_line(str(error))}") from None
        if reply.status_code != 200:
            raise MeasurementError(f"{url}: HTTP {reply.status_code}: {message_of(reply.text)}")
        try:
            found = reply.json()
        except ValueError:
            kind = reply.headers.get("Content-Type", "no content type")
            raise MeasurementError(f"{url}: HTTP 200, but no JSON ({kind}): {_one_line(reply.text)}") from None
        told = error_of(found)
        if told is not None:
            raise MeasurementError(f"{url}: HTTP 200 with an error: {told}")
        return found

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None, timeout_s: float) -> requests.Response:
        with self._session() as session:
            return self._sent(session, method, path, body, timeout_s)

    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = not self.is_direct
        session.auth = _Headers(self.headers)  # else requests would take a login from the user's .netrc
        return session

    def _sent(
        self,
        session: requests.Session,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        timeout_s: float,
        stream: bool = False,
    ) -> requests.Response:
        url, verify = f"{self.base_url}{path}", self.ca_file or True
        return session.request(method, url, json=body, timeout=timeout_s, verify=verify, stream=stream)


class _Headers(requests.auth.AuthBase):
    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own: loopback, every address, or the host's own name."""
    name = host.lower().rstrip(".")
    if name in ("localhost", socket.gethostname().lower()) or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(_dotted(name))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


def _dotted(host: str) -> str:
    """An IPv4 address with its four numbers, also where it is written shorter (127.1); any other text as it is."""
    if ":" in host or not host.replace(".", "").isdigit():
        return host
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return host


def error_of(body: Any) -> str | None:
    """The message of an OpenAI-like error object, None where there is no error."""
    if not isinstance(body, dict):
        return None
    error = body.get("error")
    if error is None and body.get("object") == "error":
        error = body
    if not error:
        return None
    told = error.get("message") or error.get("detail") if isinstance(error, dict) else error
    return _one_line(told if isinstance(told, str) and told.strip() else json.dumps(error, ensure_ascii=False))


def message_of(text: str) -> str:
    """What the body of a refused request says, in one line."""
    try:
        body = json.loads(text)
    except ValueError:
        return _one_line(text) or "an empty body"
    if isinstance(body, dict) and isinstance(body.get("detail"), str):
        return _one_line(body["detail"])
    return error_of(body) or _one_line(text) or "an empty body"


def _one_line(text: str) -> str:
    """Text of another program in one line without control characters, cut to a readable length."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(plain.split())[:_EXCERPT]
