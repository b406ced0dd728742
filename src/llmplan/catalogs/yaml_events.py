"""The quick way through a YAML file that has nothing unusual in it: from the parser's events straight to values.

It builds no nodes and so knows no positions. Whatever it does not take, right or wrong, is left to the careful way of
`yaml_file`, which says what is wrong and where; what it does take has the same values there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import yaml

from llmplan.catalogs.yaml_scalars import value_of

MAX_DEPTH: Final = 16
_KEPT: Final = 2**16
"""plain scalars whose value is remembered: catalogue files repeat a few thousand"""
_RESOLVER: Any = yaml.resolver.Resolver()


class UnusualError(Exception):
    """Something that the careful way has to look at."""


def quick_mapping(text: str, loader: Any) -> dict[str, Any] | None:
    """The mapping that the document is, or None where it has to be read the careful way.

    loader: the yaml loader whose events are read.
    """
    parser = loader(text)
    try:
        before = [type(parser.get_event()) for _ in range(3)]
        if before != [yaml.StreamStartEvent, yaml.DocumentStartEvent, yaml.MappingStartEvent]:
            return None
        found = _mapping(parser.get_event, 0)
        after = [type(parser.get_event()) for _ in range(2)]
    except (yaml.YAMLError, UnusualError, ValueError):
        return None
    finally:
        parser.dispose()
    return found if after == [yaml.DocumentEndEvent, yaml.StreamEndEvent] else None


def _value(following: Callable[[], Any], event: Any, depth: int) -> Any:
    kind = type(event)
    if kind is yaml.AliasEvent or event.anchor is not None or event.tag is not None:
        raise UnusualError
    if kind is yaml.ScalarEvent:
        return _plain(event.value) if event.implicit[0] else event.value
    if depth >= MAX_DEPTH:
        raise UnusualError
    return _mapping(following, depth) if kind is yaml.MappingStartEvent else _sequence(following, depth)


def _mapping(following: Callable[[], Any], depth: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    while type(event := following()) is not yaml.MappingEndEvent:
        key = _value(following, event, MAX_DEPTH)
        if type(key) is not str or key in result:
            raise UnusualError
        result[key] = _value(following, following(), depth + 1)
    return result


def _sequence(following: Callable[[], Any], depth: int) -> list[Any]:
    result = []
    while type(event := following()) is not yaml.SequenceEndEvent:
        result.append(_value(following, event, depth + 1))
    return result


@lru_cache(maxsize=_KEPT)
def _plain(text: str) -> Any:
    """The value of a scalar that is written without quotes."""
    return value_of(_RESOLVER.resolve(yaml.ScalarNode, text, (True, False)), text, is_plain=True)
