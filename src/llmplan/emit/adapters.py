"""Which LoRA adapters a server loads at its start, by name; the plan knows how many, the user which."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from llmplan.emit.selection import Launch
from llmplan.errors import UsageError


def named_adapters(launch: Launch) -> Mapping[str, str]:
    """Name to repository or folder; a `UsageError` where the plan has no room for them."""
    named, tenancy = launch.variant.adapters, launch.replica.tenancy
    planned = tenancy.adapters if tenancy else 0
    if len(named) > planned:
        raise UsageError(
            f"{len(named)} adapter{'s' * (len(named) != 1)} named, the plan has memory for {planned}",
            hints=["llmplan recommend ... --tenants N --adapters N plans with more"],
        )
    for text in (*named, *named.values()):
        if text.startswith("-"):
            raise UsageError(f"an adapter cannot be named {text!r}: the engine would read it as an option")
    return named


def adapter_words(named: Mapping[str, str], name_key: str = "name", path_key: str = "path") -> tuple[str, ...]:
    """`NAME=PATH`, or JSON with these keys where the engine could read that wrongly.

    >>> adapter_words({"law": "org/law", "a=b": "org/c,d"})
    ('law=org/law', '{"name": "a=b", "path": "org/c,d"}')
    """
    return tuple(
        f"{name}={path}"
        if _PLAIN.fullmatch(name) and _PLAIN.fullmatch(path)
        else json.dumps({name_key: name, path_key: path})
        for name, path in named.items()
    )


def adapter_note(launch: Launch, how: str) -> tuple[str, ...]:
    """What is left to the user: `how` adapters are added."""
    tenancy = launch.replica.tenancy
    if tenancy is None or not tenancy.adapters or launch.variant.adapters:
        return ()
    return (f"no adapter is named: emit again with --adapter NAME=ID, or {how}",)


_PLAIN = re.compile(r"[A-Za-z0-9._/@:-]+")
