"""The body of an answer: unpacked, bounded, and known to be whole before anybody believes it."""

from __future__ import annotations

import http.client
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from llmplan.pricefeeds.live.limits import AgainError, FeedError, Limits
from llmplan.pricefeeds.live.transport import explained
from llmplan.web import Watch

_CHUNK: Final = 1 << 16
_GZIP: Final = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """An open answer. `count` is told of every byte that arrives and of every byte that it unpacks to."""

    url: str
    response: http.client.HTTPResponse
    limits: Limits
    watch: Watch
    count: Callable[[int], None]

    def chunks(self, limit_bytes: int | None = None) -> Iterator[bytes]:
        """The unpacked bytes. Ends only where the answer really ended."""
        most = min(limit_bytes or self.limits.answer_bytes, self.limits.answer_bytes)
        encoding = (self.response.headers.get("Content-Encoding") or "identity").strip().lower()
        if encoding in ("gzip", "x-gzip"):
            pieces = self._unpacked(most)
        elif encoding == "identity":
            pieces = self._raw()
        else:
            raise FeedError(f"{self.url}: packed as {encoding!r}, which was not asked for")
        total = 0
        for piece in pieces:
            total += len(piece)
            if total > most:
                raise FeedError(f"{self.url}: more than {most:,} bytes")
            yield piece

    def whole(self, limit_bytes: int | None = None) -> bytes:
        """All of it, in memory."""
        return b"".join(self.chunks(limit_bytes or self.limits.text_bytes))

    def json(self) -> Any:
        """The answer as JSON; NaN and infinities, which are not JSON, are refused."""
        self._not_a_web_page()
        data = self.whole()
        try:
            return json.loads(data, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise FeedError(f"{self.url}: not the JSON it should be: {error}") from None

    def lines(self) -> Iterator[str]:
        """The answer line by line, never more than one in memory."""
        self._not_a_web_page()
        rest = b""
        for chunk in self.chunks():
            *full, rest = (rest + chunk).split(b"\n")
            for line in full:
                yield self._text(line)
            if len(rest) > self.limits.line_bytes:
                raise FeedError(f"{self.url}: a line of more than {self.limits.line_bytes:,} bytes")
        if rest:
            yield self._text(rest)

    def _text(self, line: bytes) -> str:
        try:
            return line.decode("utf-8-sig").rstrip("\r")
        except UnicodeDecodeError as error:
            raise FeedError(f"{self.url}: not UTF-8: {error.reason}") from None

    def _not_a_web_page(self) -> None:
        kind = (self.response.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        if kind in ("text/html", "application/xhtml+xml"):
            raise FeedError(f"{self.url}: answered with a web page ({kind}), not with prices")

    def _raw(self) -> Iterator[bytes]:
        """The bytes as they came; fewer than were announced are an error."""
        announced = self.response.headers.get("Content-Length") or ""
        missing = int(announced) if announced.isdecimal() and len(announced) < 19 else None
        while True:
            with explained(self.url, self.watch):
                piece = self.response.read1(_CHUNK)
            if self.watch.is_over:
                raise FeedError(f"{self.url}: took longer than {self.watch.total_s:g} s")
            if not piece:
                break
            self.count(len(piece))
            missing = None if missing is None else missing - len(piece)
            yield piece
        if missing:
            raise AgainError(f"{self.url}: the answer was cut short, {missing:,} bytes are missing")

    def _unpacked(self, most: int) -> Iterator[bytes]:
        unpack = zlib.decompressobj(_GZIP)
        for piece in self._raw():
            while piece:
                try:
                    made = unpack.decompress(piece, min(_CHUNK, most + 1))
                except zlib.error as error:
                    raise FeedError(f"{self.url}: cannot be unpacked: {error}") from None
                self.count(len(made))
                yield made
                piece = unpack.unconsumed_tail
        if not unpack.eof:
            raise AgainError(f"{self.url}: the packed answer was cut short")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")
