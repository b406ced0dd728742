"""Emitted files as a cluster reads them: parsed from their text, and held against strict schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema
import yaml
from kubernetes_validate.utils import all_versions, major_minor, schema_contents
from referencing import Registry, Resource

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
    validator_of(str(found["apiVersion"]), str(found["kind"])).validate(json.loads(json.dumps(found)))
    return True


@cache
def validator_of(api_version: str, kind: str) -> jsonschema.Draft202012Validator:
    """What kubernetes-validate checks objects of a kind with, built once: it reads all schemas again for each."""
    name = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    schema = _contents(f"{kind.lower()}-{name}")
    return jsonschema.Draft202012Validator(schema, registry=_definitions())


def _contents(name: str) -> Any:
    found = next(each for each in reversed(all_versions()) if major_minor(each) <= VERSION)
    return schema_contents(f"kubernetes-json-schema/v{found}-local-strict/{name}.json", VERSION)


@cache
def _definitions() -> Registry[Any]:
    return (Resource.from_contents(_contents("_definitions")) @ Registry()).crawl()


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
