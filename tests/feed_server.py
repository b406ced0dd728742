"""A web server on this machine that plays price lists: as they are documented, and as the world breaks them."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from llmplan.pricefeeds.live import Client, Endpoint, Limits, endpoint

Answer = Callable[[BaseHTTPRequestHandler], None]
QUICK = Limits(quiet_s=1.0, total_s=2.0, answer_bytes=2_000_000, text_bytes=2_000_000, run_bytes=20_000_000)


def reply(body: bytes | str = b"", status: int = 200, **headers: str) -> Answer:
    """A whole answer. `Content_Type="..."` and the like become headers."""
    data = body.encode() if isinstance(body, str) else body

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in ({"Content-Length": str(len(data))} | named).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def as_json(value: Any, **headers: str) -> Answer:
    """A JSON answer; NaN is written as Python writes it."""
    return reply(json.dumps(value), Content_Type="application/json", **headers)


def packed(body: bytes, *, cut: int = 0) -> Answer:
    """A gzip answer, `cut` bytes of it missing in a way that the length does not show."""
    data = gzip.compress(body)
    return reply(data[: len(data) - cut], Content_Encoding="gzip", Content_Type="application/json")


def cut_short(body: bytes, missing: int = 10) -> Answer:
    """Fewer bytes than were announced."""
    return reply(body, Content_Length=str(len(body) + missing), Content_Type="application/json")


def dripping(body: bytes, every_s: float = 0.05) -> Answer:
    """One byte at a time, so that no single wait is long."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        for index in range(len(body)):
            handler.wfile.write(body[index : index + 1])
            handler.wfile.flush()
            time.sleep(every_s)

    return answer


def endless(chunk: bytes = b"0" * 65536) -> Answer:
    """A body without a length and without an end."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        while True:
            handler.wfile.write(chunk)

    return answer


def redirect(location: str, status: int = 302) -> Answer:
    """The address is elsewhere."""
    return reply(status=status, Location=location)


def in_turn(*answers: Answer) -> Answer:
    """One answer after the other, the last one for ever."""
    left = list(answers)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        chosen = left.pop(0) if len(left) > 1 else left[0]
        chosen(handler)

    return answer


@dataclass
class FeedServer:
    """`routes` by path; `seen` are the paths with their queries, `agents` who asked."""

    routes: dict[str, Answer] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def at(self, path: str = "") -> Endpoint:
        return endpoint(self.url + path)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = urllib.parse.urlsplit(handler.path).path
        self.seen.append(urllib.parse.unquote_plus(handler.path))
        self.agents.add(handler.headers.get("User-Agent", ""))
        found = self.routes.get(path) or reply("no such thing", 404)
        with contextlib.suppress(ConnectionError, socket.timeout):
            found(handler)


@contextlib.contextmanager
def serving() -> Iterator[FeedServer]:
    """A server for the time of a test."""
    server = FeedServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        http.block_on_close = False
        server.port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        http.shutdown()


def quick_client(limits: Limits = QUICK, waits: list[float] | None = None) -> Client:
    """A client that never sleeps; what it would have slept goes to `waits`."""
    return Client(limits, sleep=(waits if waits is not None else []).append)


def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail on any connection to another machine, and let no proxy of the environment stand between."""
    plain = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> Any:
        host = address[0] if isinstance(address, tuple) else ""
        if host not in ("127.0.0.1", "::1", "localhost", ""):
            raise AssertionError(f"a test went to {host}")
        return plain(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def azure_item(sku: str, region: str, price: float, **change: Any) -> dict[str, Any]:
    """An item of Azure's list, shaped as the page shows them."""
    short = sku.removeprefix("Standard_").replace("_", " ")
    return {
        "currencyCode": "USD", "tierMinimumUnits": 0.0, "retailPrice": price, "unitPrice": price,
        "armRegionName": region, "location": region, "effectiveStartDate": "2025-03-01T00:00:00Z",
        "meterId": "000a794b", "meterName": short, "productId": "DZH318Z0BQ35", "skuId": "DZH318Z0BQ35/00H1",
        "productName": "Virtual Machines NDv5 Series", "skuName": short, "serviceName": "Virtual Machines",
        "serviceId": "DZH313Z7MMC8", "serviceFamily": "Compute", "unitOfMeasure": "1 Hour", "type": "Consumption",
        "isPrimaryMeterRegion": True, "armSkuName": sku,
    } | change  # fmt: skip


def azure_list(items: list[dict[str, Any]], page: int = 100, foreign: str = "") -> Answer:
    """Azure's list: the items of the machine type that the filter names, in pages."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(handler.path).query))
        wanted = [item for item in items if f"armSkuName eq '{item['armSkuName']}'" in query["$filter"]]
        start = int(query.get("$skip", 0))
        shown, link = wanted[start : start + page], None
        if start + page < len(wanted):
            rest = urllib.parse.urlencode(query | {"$skip": str(start + page)}, safe="$")
            link = f"{foreign or 'https://prices.azure.com:443'}/api/retail/prices?{rest}"
        as_json(
            {"BillingCurrency": "USD", "CustomerEntityId": "Default", "CustomerEntityType": "Retail", "Items": shown,
             "NextPageLink": link, "Count": len(shown)}
        )(handler)  # fmt: skip

    return answer


def priced(document: Mapping[str, Any]) -> dict[str, float]:
    """Every price of a document by its name."""
    from llmplan.pricefeeds.atoms import split

    return {atom.name_of(side): price for atom in split(document) for side, price in atom.usd.items()}
