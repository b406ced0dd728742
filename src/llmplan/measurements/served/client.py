"""Careful GETs: bounded in time and size, to one server and no other, with its certificate checked. Nothing is ever
written there; proxies of the environment are not used."""

from __future__ import annotations

import http.client
import shlex
import ssl
import urllib.parse
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from llmplan import __version__
from llmplan.errors import DataError
from llmplan.measurements.served.address import PORTS, Address
from llmplan.units import MIB
from llmplan.web import Watch

AGENT = f"llmplan/{__version__} (observe)"
STARTED_HEADER = "Process-Start-Time-Unix"
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 3
LEAST_KEY_BYTES = 8
"""shorter ones are no keys, and may stand anywhere"""
_CHUNK: Final = 1 << 16


class UnreachableError(DataError):
    """Nobody answered, or not in a way that can be read."""

    code = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on every answer. `connect_s`: until there is a connection; `quiet_s`: no byte for so long; `total_s`: from
    the connection to the last byte, redirects included."""

    connect_s: float = 5.0
    quiet_s: float = 10.0
    total_s: float = 30.0
    answer_bytes: int = 16 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    body: bytes = b""
    started: str = ""
    """when the process started, where a header says so (llama.cpp)"""

    @property
    def text(self) -> str:
        """The body as text; what is no UTF-8 is replaced."""
        return self.body.decode("utf-8", errors="replace")


@dataclass(slots=True)
class Client:
    """Asks one server."""

    address: Address
    authorization: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    limits: Limits = field(default_factory=Limits)

    def get(self, path: str) -> Answer:
        """The answer at a path, whatever its status; raises `UnreachableError` where there is none."""
        url = self.address.url(path)
        target = self.address.prefix + path
        with Watch(self.limits.total_s) as watch:
            for _ in range(MOST_REDIRECTS + 1):
                try:
                    answer, location = self._once(target, watch)
                except (OSError, http.client.HTTPException, ValueError) as error:
                    raise self._explained(url, error, watch) from None
                if location is None:
                    return answer
                target = self._followed(url, target, location)
        raise UnreachableError(f"{url}: is redirected again and again")

    def _once(self, target: str, watch: Watch) -> tuple[Answer, str | None]:
        connection = self._connection()
        try:
            connection.connect()
            connection.sock.settimeout(self.limits.quiet_s)
            watch.add(connection.sock)
            connection.request("GET", target, headers=self._headers())
            response = connection.getresponse()
            if response.status in REDIRECTS and (location := response.headers.get("Location")):
                return Answer(status=response.status), location
            started = (response.headers.get(STARTED_HEADER) or "")[:40]
            return Answer(status=response.status, body=self._body(response, watch), started=started), None
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        where, wait_s = self.address, self.limits.connect_s
        if where.scheme == "https":
            return http.client.HTTPSConnection(where.host, where.port, timeout=wait_s, context=self.tls or tls_of())
        return http.client.HTTPConnection(where.host, where.port, timeout=wait_s)

    def _headers(self) -> dict[str, str]:
        headers = {
            "User-Agent": AGENT,
            "Accept": "text/plain;version=0.0.4, application/json, */*;q=0.1",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        return headers if self.authorization is None else {**headers, "Authorization": self.authorization}

    def _body(self, response: http.client.HTTPResponse, watch: Watch) -> bytes:
        packed = (response.headers.get("Content-Encoding") or "identity").strip().lower()
        if packed != "identity":
            raise ValueError(f"packed as {packed[:40]!r}, which was not asked for")
        pieces, total = [], 0
        while piece := response.read1(_CHUNK):
            total += len(piece)
            if total > self.limits.answer_bytes:
                raise ValueError(f"more than {self.limits.answer_bytes:,} bytes")
            pieces.append(piece)
        if watch.is_over:
            raise TimeoutError
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        return self._without_secret(b"".join(pieces))

    def _without_secret(self, body: bytes) -> bytes:
        """The body as it came, but for the key, should a server repeat what it was sent."""
        key = (self.authorization or "").rsplit(" ", 1)[-1].encode()
        return body.replace(key, b"(key)") if len(key) >= LEAST_KEY_BYTES else body

    def _followed(self, url: str, target: str, location: str) -> str:
        """Where a redirect leads on the same server; the secret goes to no other."""
        mine = self.address
        base = f"{mine.scheme}://{mine.host}:{mine.port}{target}"
        try:
            parts = urllib.parse.urlsplit(urllib.parse.urljoin(base, location))
            there = (parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme))
        except ValueError:
            raise UnreachableError(f"{url}: is redirected to no address") from None
        if there != (mine.scheme, mine.host, mine.port):
            where = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
            what = f"{url}: redirects to {where[:200]}, which was not asked for"
            raise UnreachableError(
                what, hints=[f"if that is the server: {shlex.join(('llmplan', 'observe', where[:200]))}"]
            )
        return parts.path + (f"?{parts.query}" if parts.query else "")

    def _explained(self, url: str, error: Exception, watch: Watch) -> UnreachableError:
        plain = self.address.scheme == "http"
        other = replace(self.address, scheme="https" if plain else "http").url("")
        hints: list[str] = []
        if watch.is_over or isinstance(error, TimeoutError):
            what, hints = "no answer in time", ["--timeout 120s waits longer"]
        elif isinstance(error, ssl.SSLCertVerificationError):
            what = f"its certificate cannot be trusted: {error.verify_message}"
            hints = ["--ca-file FILE trusts another authority", "--insecure checks no certificate"]
        elif isinstance(error, ssl.SSLError):
            what, hints = f"no TLS there: {error.reason or error}", [other]
        elif isinstance(error, ConnectionRefusedError):
            what = "nobody listens there"
            hints = ["is the server running, and is this its port?", "kubectl port-forward POD 8000:8000"]
        elif isinstance(error, http.client.IncompleteRead):
            what = "the answer was cut short"
        elif isinstance(error, http.client.HTTPException):
            what = f"it does not speak HTTP ({type(error).__name__})"
            hints = [other] if plain else []
        else:
            what = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return UnreachableError(f"{url}: {what}", hints=hints)


def tls_of(ca_file: Path | None = None, *, insecure: bool = False) -> ssl.SSLContext:
    """How certificates are checked: by the system's authorities, or by those in a file; not at all if `insecure`."""
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        what = getattr(error, "strerror", None) or getattr(error, "reason", None) or error
        raise DataError(f"--ca-file {ca_file}: no certificates in it: {what}") from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
