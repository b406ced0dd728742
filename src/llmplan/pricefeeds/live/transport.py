"""One request over the standard library's HTTP: proxies from the environment, redirects only within the host, and a
watch that ends the connection when its time is up, however slowly bytes drip."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import IO, Any, Final

from llmplan.pricefeeds.live.limits import AgainError, FeedError, Limits
from llmplan.web import Watch

_RETRIED: Final = (408, 425, 429, 500, 502, 503, 504)
_HEADERS: Final = {"Accept": "application/json, text/csv, */*;q=0.5", "Accept-Encoding": "gzip, identity"}


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows a redirect within the host that was asked, and refuses any other."""

    max_redirections = 4
    max_repeats = 4

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        old, new = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if (old.scheme, old.netloc) != (new.scheme, new.netloc):
            raise FeedError(f"{old.netloc} redirects to {new.scheme}://{new.netloc}, which was not asked for: refused")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, req)

    def _connection(self, host: str, **how: Any) -> http.client.HTTPConnection:
        return _shown(http.client.HTTPConnection(host, **how), self._watch)


class _Encrypted(urllib.request.HTTPSHandler):
    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, req)

    def _connection(self, host: str, **how: Any) -> http.client.HTTPConnection:
        return _shown(http.client.HTTPSConnection(host, context=ssl.create_default_context(), **how), self._watch)


def _shown(connection: http.client.HTTPConnection, watch: Watch) -> http.client.HTTPConnection:
    """The connection, whose socket the watch gets to see as soon as there is one."""
    plain_connect = connection.connect

    def connect() -> None:
        plain_connect()
        watch.add(connection.sock)

    connection.connect = connect  # type: ignore[method-assign]
    return connection


@contextlib.contextmanager
def opened(url: str, limits: Limits, agent: str, watch: Watch) -> Iterator[http.client.HTTPResponse]:
    """The answer to a GET, its headers read. What may work later raises `AgainError`, the rest `FeedError`."""
    opener = urllib.request.build_opener(_SameHost(), _Plain(watch), _Encrypted(watch))
    request = urllib.request.Request(url, headers={**_HEADERS, "User-Agent": agent})
    with explained(url, watch):
        response = opener.open(request, timeout=min(limits.quiet_s, watch.total_s))
    try:
        yield response
    finally:
        response.close()


@contextlib.contextmanager
def explained(url: str, watch: Watch) -> Iterator[None]:
    """What goes wrong below, said in words that name the address."""
    try:
        yield
    except urllib.error.HTTPError as error:
        with error:
            if error.code in _RETRIED:
                raise AgainError(f"{url}: {error.code} {error.reason}", retry_after_s(error.headers)) from None
            raise FeedError(f"{url}: {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        _reraise(url, error.reason if isinstance(error.reason, OSError) else OSError(str(error.reason)), watch)
    except (OSError, http.client.HTTPException, ValueError) as error:
        _reraise(url, error, watch)


def _reraise(url: str, error: Exception, watch: Watch) -> None:
    if watch.is_over:
        raise FeedError(f"{url}: took longer than {watch.total_s:g} s") from None
    if isinstance(error, ssl.SSLCertVerificationError):
        raise FeedError(f"{url}: its certificate cannot be trusted: {error.verify_message}") from None
    if isinstance(error, TimeoutError):
        raise AgainError(f"{url}: nothing came for a while") from None
    if isinstance(error, http.client.IncompleteRead):
        raise AgainError(f"{url}: the answer was cut short") from None
    if isinstance(error, ConnectionResetError | http.client.RemoteDisconnected):
        raise AgainError(f"{url}: the connection was closed") from None
    raise FeedError(f"{url}: {getattr(error, 'strerror', None) or str(error) or type(error).__name__}") from None


def retry_after_s(headers: Any) -> float | None:
    """What `Retry-After` asks for, in seconds; a date or nothing as None.

    >>> retry_after_s({"Retry-After": "7"}), retry_after_s({})
    (7.0, None)
    """
    text = (headers.get("Retry-After") or "").strip()
    return float(text) if text.isdecimal() and len(text) < 10 else None
