"""Where a source is asked: its own site, or a mirror that the user named. Nothing else is ever contacted."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass

from llmplan.errors import UsageError
from llmplan.web import is_this_machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The start of every address of one source, without a slash at its end."""

    base: str

    def url(self, path: str) -> str:
        """An address below the base. A path that names another host is one below the base all the same."""
        return f"{self.base}/{path.lstrip('/')}"


def endpoint(text: str, *, by_user: bool = False) -> Endpoint:
    """An endpoint, checked: https; http only on this machine, or where the user asked for it by name.

    >>> endpoint("https://prices.example/v1/").url("/list")
    'https://prices.example/v1/list'
    """
    try:
        parts = urllib.parse.urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{text!r} is not an address: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{text!r} is not an address of the web", hints=["https://mirror.example/prices"])
    if parts.username is not None or parts.query or parts.fragment or port == 0:
        raise UsageError(f"{text!r}: an address without user, query and fragment is expected")
    if parts.scheme == "http" and not by_user and not is_this_machine(parts.hostname):
        raise UsageError(f"{text!r}: prices are fetched over https", hints=[text.replace("http:", "https:", 1)])
    return Endpoint(base=urllib.parse.urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", "")))
