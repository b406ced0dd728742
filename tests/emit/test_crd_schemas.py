"""The strict reader of custom resources itself: it must refuse what the API server would drop."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from crd_schemas import closed, demand_valid

SCALED: dict[str, Any] = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledObject",
    "metadata": {"name": "llm"},
    "spec": {
        "scaleTargetRef": {"name": "llm"},
        "minReplicaCount": 1,
        "triggers": [{"type": "prometheus", "metadata": {"threshold": "4"}}],
    },
}


def changed(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    found = copy.deepcopy(SCALED)
    inner = found
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return found


def test_a_valid_resource_passes() -> None:
    demand_valid(SCALED)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "minReplicas"), 1),
        (("spec", "scaleTargetRef", "nmae"), "llm"),
        (("spec", "minReplicaCount"), "1"),
        (("spec", "triggers"), {}),
        (("metadata", "name"), "Not A Name"),
        (("metadata", "nam"), "llm"),
        (("specs",), {}),
    ],
)
def test_a_misspelt_field_or_a_wrong_type_fails(path: tuple[str, ...], value: Any) -> None:
    demand_valid(SCALED)  # skips where there is no definition
    with pytest.raises(AssertionError, match="ScaledObject"):
        demand_valid(changed(path, value))


def test_a_version_that_is_not_served_fails() -> None:
    demand_valid(SCALED)
    with pytest.raises(AssertionError, match="not at v9"):
        demand_valid({**SCALED, "apiVersion": "keda.sh/v9"})


def test_what_is_closed_and_what_stays_open() -> None:
    inner = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert closed(inner)["additionalProperties"] is False
    assert "additionalProperties" not in closed({**inner, "x-kubernetes-preserve-unknown-fields": True})
    assert closed({"type": "object", "properties": {"properties": inner}})["properties"]["properties"] == closed(inner)
    assert closed({"x-kubernetes-int-or-string": True, "anyOf": []}) == {"type": ["integer", "string"]}
    assert closed({"items": inner})["items"]["additionalProperties"] is False
