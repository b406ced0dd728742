"""Where a server is asked, and what may be sent there."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass

from llmplan.errors import UsageError
from llmplan.web import is_this_machine

KNOWN_ENDS = ("/prometheus/metrics", "/metrics", "/v1/models", "/v1")
"""what people paste behind the address of the server itself"""
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The server's own address; `prefix` is what every path stands behind, without a slash at its end."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether everybody on the way can read along: no TLS, and not on this machine."""
        return self.scheme == "http" and not is_this_machine(self.host)

    def url(self, path: str) -> str:
        """A path of it, as people read it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.prefix}{path}"


def address(text: str) -> Address:
    """An address as it was typed: http only where it says so.

    >>> address("http://localhost:8000/v1/").url("/metrics"), address("https://llm.example/team/metrics").url("/v1/models")
    ('http://localhost:8000/metrics', 'https://llm.example/team/v1/models')
    """
    try:
        parts = urllib.parse.urlsplit(text.strip())
        port, host = parts.port, (parts.hostname or "").encode("idna").decode()
    except (ValueError, UnicodeError):
        raise UsageError("URL is no address of the web", hints=["http://localhost:8000"]) from None
    # what stands before an @ may be a password even where the rest is no address: it is not repeated
    if "@" in (parts.netloc or text):
        raise UsageError(
            "a URL with a password in it would be seen by everybody on this machine",
            hints=["--auth-env NAME reads it from an environment variable"],
        )
    shown = re.split(r"[?#]", text.strip(), maxsplit=1)[0]  # a query may hold a key
    if parts.scheme not in PORTS or not host or port == 0 or not text.strip().isprintable() or " " in text.strip():
        hint = f"http://{shown}" if "://" not in text and shown else "http://localhost:8000"
        raise UsageError(f"{shown!r} is no address of the web", hints=[hint])
    if parts.query or parts.fragment:
        raise UsageError(
            f"{shown!r}: an address without query and fragment is expected", hints=["http://localhost:8000"]
        )
    prefix = parts.path.rstrip("/")
    prefix = next((prefix.removesuffix(end) for end in KNOWN_ENDS if prefix.endswith(end)), prefix)
    return Address(scheme=parts.scheme, host=host, port=port or PORTS[parts.scheme], prefix=prefix)


def authorization(secret: str, name: str) -> str:
    """The header's value from an environment variable `name`: a scheme of its own stays, a bare token is a bearer's."""
    value = secret.strip()
    if not value:
        raise UsageError(
            f"the environment variable {name} is empty", hints=[f"export {name}=...", "leave --auth-env out"]
        )
    if not (value.isascii() and value.isprintable()):
        raise UsageError(f"the environment variable {name} holds characters that no header may have")
    return value if " " in value else f"Bearer {value}"


def refuse_open_secret(where: Address, *, insecure: bool) -> None:
    """A secret is not sent to another machine where everybody on the way can read it."""
    if where.is_plain and not insecure:
        raise UsageError(
            f"the secret of --auth-env would go to {where.host} in the clear",
            hints=[f"https://{where.host}", "--insecure sends it all the same"],
        )
