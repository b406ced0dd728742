"""Custom resources against their own definitions, as strictly as the API server with `--validate=strict`.

A structural schema drops what it does not know; here an unknown field is an error, so that a misspelt one fails.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema
import pytest

from tests_support import DATA

FOLDER = DATA / "crds"
HELM_VALUES = "production-stack-values.schema.json"
PASSED_ON = (("servingEngineSpec", "containerSecurityContext"),)
"""values that the chart's template writes into the pod as they are, of which its schema names only some fields"""


def demand_valid(resource: Mapping[str, Any]) -> None:
    """Fail with every problem of one custom resource; skip where its definition is not at hand."""
    api_version, kind = str(resource["apiVersion"]), str(resource["kind"])
    problems = [
        _shown(error) for error in jsonschema.Draft202012Validator(schema_of(api_version, kind)).iter_errors(resource)
    ]
    assert not problems, f"{kind}: " + "; ".join(problems)


def demand_valid_helm_values(values: Mapping[str, Any]) -> None:
    """The same for values of the vLLM production-stack chart."""
    problems = [_shown(error) for error in jsonschema.Draft202012Validator(_helm_schema()).iter_errors(values)]
    assert not problems, "; ".join(problems)


@cache
def _helm_schema() -> dict[str, Any]:
    schema: dict[str, Any] = closed(json.loads(_text(HELM_VALUES)))
    for part, field in PASSED_ON:
        del schema["properties"][part]["properties"][field]["additionalProperties"]
    return schema


@cache
def schema_of(api_version: str, kind: str) -> dict[str, Any]:
    """The closed schema of one version of one kind."""
    group, _, version = api_version.partition("/")
    for path in sorted(FOLDER.glob(f"*.{group}.json.gz")):
        spec = json.loads(gzip.decompress(path.read_bytes()))["spec"]
        if spec["names"]["kind"] != kind:
            continue
        versions = {each["name"]: each["schema"]["openAPIV3Schema"] for each in spec["versions"]}
        assert version in versions, f"{kind} is at {', '.join(versions)}, not at {version}"
        schema: dict[str, Any] = closed(versions[version])
        schema["properties"]["metadata"] = METADATA
        return schema
    if FOLDER.is_dir():
        raise AssertionError(f"no definition of {kind} in {group} at {FOLDER}")
    pytest.skip(f"no definitions of custom resources at {FOLDER} (set LLMPLAN_DATA)")


METADATA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63},
        "namespace": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63},
        "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["name"],
    "additionalProperties": False,
}
"""what a definition leaves to the API server"""


def closed(schema: Any) -> Any:
    """The schema in which an object with named properties has no others, unless unknown fields are preserved or have
    a schema of their own. Kubernetes' int-or-string is either; its formats say nothing that jsonschema checks."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    found = {key: _closed_part(key, value) for key, value in schema.items()}
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("x-kubernetes-embedded-resource")
    if schema.get("properties") and not open_ended:
        found.setdefault("additionalProperties", False)
    return found


def _closed_part(key: str, value: Any) -> Any:
    if key in ("properties", "patternProperties", "$defs"):
        return {name: closed(each) for name, each in value.items()}
    if key in ("anyOf", "allOf", "oneOf", "not", "enum", "default", "example", "required"):
        return value
    return closed(value)


def _text(name: str) -> str:
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"no {name} at {FOLDER} (set LLMPLAN_DATA)")
    return path.read_text(encoding="utf-8")


def _shown(error: jsonschema.ValidationError) -> str:
    return f"{'/'.join(map(str, error.absolute_path)) or 'top'}: {error.message[:300]}"
