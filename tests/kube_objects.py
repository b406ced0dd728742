"""Emitted files as a cluster reads them: parsed from their text, and held against strict schemas."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import kubernetes_validate
import yaml

from crd_schemas import demand_valid
from llmplan import emit
from llmplan.cli import _launch_text
from llmplan.emit import LaunchFile, Variant
from llmplan.plan.plan import Plan

VERSION = "1.37"
CUSTOM = {"keda.sh", "leaderworkerset.x-k8s.io", "serving.kserve.io"}
UNCHECKED = {"monitoring.coreos.com", "nvidia.com"}
"""groups for which no definition is at hand"""


def files_of(plan: Plan, target: str, **variant: Any) -> tuple[LaunchFile, ...]:
    """The files of the recommended row."""
    return emit.emit(plan, strategy=None, target=target, variant=Variant(**variant))


def parsed(files: Iterable[LaunchFile]) -> list[dict[str, Any]]:
    """Every object of every file, from the text."""
    texts = (_launch_text.render(file) for file in files if file.kind == "yaml-documents")
    return [found for text in texts for found in yaml.load_all(text, Loader=yaml.CSafeLoader)]


def objects_of(plan: Plan, target: str, **variant: Any) -> list[dict[str, Any]]:
    """The objects of a target."""
    return parsed(files_of(plan, target, **variant))


def of_kind(objects: Iterable[Mapping[str, Any]], kind: str) -> Any:
    """The one object of this kind."""
    (found,) = [each for each in objects if each["kind"] == kind]
    return found


def demand_strict(found: Mapping[str, Any], *, custom: bool) -> bool:
    """Hold one object against its schema: a core object always, a custom resource if `custom` (it skips the test where
    the definitions are not at hand). Whether there was one."""
    group = found["apiVersion"].partition("/")[0]
    if group in UNCHECKED:
        return False
    if group in CUSTOM:
        if custom:
            demand_valid(found)
        return custom
    _validate(found)
    return True


def _validate(found: Mapping[str, Any]) -> None:
    _validate_text(json.dumps(found, sort_keys=True))


@cache
def _validate_text(text: str) -> None:
    """Once for each different object: reading the schemas takes longest."""
    kubernetes_validate.validate(json.loads(text), VERSION, strict=True)


def pods_of(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every pod specification within an object: a mapping with containers."""
    if isinstance(found, Mapping):
        if isinstance(found.get("containers"), list):
            yield dict(found)
        for value in found.values():
            yield from pods_of(value)
    elif isinstance(found, list):
        for value in found:
            yield from pods_of(value)


def containers_of(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Init containers and containers."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def texts_of(value: Any) -> Iterator[str]:
    """Every text within data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts_of(key)
            yield from texts_of(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_of(inner)
