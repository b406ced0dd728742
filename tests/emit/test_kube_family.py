"""What holds for every target of the Kubernetes family, over random valid plans: strict schemas, no root, pinned
images, names that are valid, no secret, the planned values, the same bytes twice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

import plan_samples as sample
from crd_schemas import demand_valid_helm_values
from kube_objects import VERSION, containers_of, demand_strict, files_of, objects_of, of_kind, parsed, pods_of, texts_of
from llmplan.cli import _launch_text
from llmplan.emit import LaunchFile, engines
from llmplan.emit.kube.names import LABEL_CHARACTERS
from llmplan.emit.selection import select
from llmplan.errors import UsageError
from llmplan.plan.deployment import Parallelism
from llmplan.plan.plan import Plan
from random_plans import plans_of
from strange_names import NASTY

TARGETS = ("kubernetes", "leaderworkerset", "kserve", "helm", "dynamo")
PLANS = 120
SEED = 7
CHECKPOINT = "org/weights-0"
"""named, since most formats live in a repository that only the user knows"""
VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"air_gapped": True, "namespace": "serving"},
    {"autoscaler": "keda", "namespace": "serving", "storage_class": "nfs", "spot": True},
    {"autoscaler": "none", "weights_volume": "per-replica", "gpu_resource": "nvidia.com/mig-3g.40gb"},
    {"hub_mirror": "http://mirror.example:8081", "image_registry": "registry.example:5000/hub", "name": "a" * 40},
    {"autoscaler": "hpa"},
)
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")


def plans() -> tuple[Plan, ...]:
    return plans_of(PLANS, SEED)


@cache
def emitted(target: str) -> tuple[tuple[Plan, tuple[LaunchFile, ...], list[dict[str, Any]]], ...]:
    """Every plan in one of the variants, where the target takes it: its files, and the objects in their text."""
    return tuple(_emitted(target))


def _emitted(target: str) -> Iterator[tuple[Plan, tuple[LaunchFile, ...], list[dict[str, Any]]]]:
    for i, plan in enumerate(plans()):
        variant = VARIANTS[i % len(VARIANTS)]
        try:
            files = files_of(plan, target, checkpoint=CHECKPOINT, **variant)
        except UsageError:
            continue
        yield plan, files, parsed(files)


@pytest.mark.parametrize("target", TARGETS)
def test_enough_random_plans_are_taken(target: str) -> None:
    least = {"leaderworkerset": 10}.get(target, 25)
    assert sum(1 for _ in emitted(target)) >= least


@pytest.mark.parametrize("target", TARGETS)
def test_core_objects_pass_strict_validation(target: str) -> None:
    seen = Counter(
        found["kind"] for _, _, objects in emitted(target) for found in objects if demand_strict(found, custom=False)
    )
    assert target == "helm" or {"ServiceAccount", "PersistentVolumeClaim", "Job"} <= set(seen)


def test_the_validator_itself_says_the_same() -> None:
    """kubernetes-validate takes and refuses what the validators that are kept for speed do."""
    _, _, objects = emitted("kubernetes")[0]
    (pod,) = [each for each in objects if each["kind"] in ("Deployment", "StatefulSet")]
    kubernetes_validate.validate(pod, VERSION, strict=True)
    misspelt = {**pod, "spec": {**pod["spec"], "replica": 1}}
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(misspelt, VERSION, strict=True)
    with pytest.raises(jsonschema.ValidationError, match="replica"):
        demand_strict(misspelt, custom=False)


@pytest.mark.parametrize("target", TARGETS[:4])
def test_custom_resources_pass_their_own_definitions(target: str) -> None:
    for _, files, objects in emitted(target):
        for found in objects:
            demand_strict(found, custom=True)
        if target == "helm":
            demand_valid_helm_values(files[0].content)
            for found in files[0].content.get("extraObjects", []):
                demand_strict(found, custom=True)


@pytest.mark.parametrize("target", TARGETS)
def test_no_container_runs_as_root_or_from_an_image_that_can_change(target: str) -> None:
    seen = 0
    for _, files, objects in emitted(target):
        for found in objects:
            if found["kind"] == "LLMInferenceService":
                continue  # KServe's own pods: image and rights are KServe's
            for pod in pods_of(found):
                assert pod["securityContext"]["runAsNonRoot"] is True
                assert pod["securityContext"]["runAsUser"] > 0
                assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
                for container in containers_of(pod):
                    seen += 1
                    demand_safe(container["securityContext"])
                    tag = container["image"].rpartition("/")[2].partition(":")[2]
                    assert tag not in ("", "latest"), container["image"]
                    if target != "dynamo":
                        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert ":latest" not in " ".join(texts_of([file.content for file in files]))
    assert seen or target == "helm"


def demand_safe(security: dict[str, Any]) -> None:
    assert security["runAsNonRoot"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}


def test_the_chart_s_pods_have_no_rights_either() -> None:
    for _, files, _ in emitted("helm"):
        content = files[0].content
        demand_safe(content["servingEngineSpec"]["containerSecurityContext"])
        for part in ("servingEngineSpec", "routerSpec"):
            assert content[part]["securityContext"]["runAsNonRoot"] is True
        (model,) = content["servingEngineSpec"]["modelSpec"]
        assert model["tag"] not in ("", "latest")
        assert content["routerSpec"]["tag"] not in ("", "latest")


@pytest.mark.parametrize("target", TARGETS)
def test_names_and_labels_are_valid(target: str) -> None:
    for _, _, objects in emitted(target):
        for found in objects:
            name = found["metadata"]["name"]
            assert NAME.fullmatch(name), name
            assert len(name) <= LABEL_CHARACTERS
            for value in found["metadata"].get("labels", {}).values():
                assert LABEL.fullmatch(value), value
                assert len(value) <= LABEL_CHARACTERS


@pytest.mark.parametrize("target", TARGETS)
def test_the_same_plan_gives_the_same_bytes(target: str) -> None:
    for plan in plans()[:30]:
        try:
            first, second = (files_of(plan, target, checkpoint=CHECKPOINT) for _ in range(2))
        except UsageError:
            continue
        assert list(map(_launch_text.render, first)) == list(map(_launch_text.render, second))
        assert len({file.path for file in first}) == len(first)


@pytest.mark.parametrize("target", ["kubernetes", "kserve"])
def test_arguments_and_gpus_are_the_plan_s(target: str) -> None:
    """What the container is started with, read back from the text, is what the planned engine asks for."""
    seen = 0
    for plan in plans():
        try:
            objects = objects_of(plan, target, checkpoint=CHECKPOINT)
        except UsageError:
            continue
        served = [each for each in objects if each["kind"] in ("Deployment", "StatefulSet", "InferenceService")]
        if not served:
            continue
        launch = select(plan, None)
        launch = replace(launch, variant=replace(launch.variant, checkpoint=CHECKPOINT))
        asked = engines.engine_of(launch).container(launch)
        (pod,) = pods_of(served[0])
        (engine,) = pod["containers"]
        assert [word.replace("$$", "$") for word in engine["args"]] == list(asked.words)
        assert engine["command"] == list(asked.entrypoint)
        assert sum(map(int, engine["resources"]["limits"].values())) == launch.replica.parallel.gpus
        seen += 1
    assert seen >= 25


@pytest.mark.parametrize("target", ["kubernetes", "kserve", "helm", "dynamo"])
@pytest.mark.parametrize("name", NASTY)
def test_no_model_name_breaks_out(target: str, name: str) -> None:
    """Every text reads back; no argument holds what the kubelet would replace; names do not follow the model's."""
    plan = sample.plan(sample.option(of=sample.replica(model=sample.model(id=name))), made_with=name)
    files = files_of(plan, target, namespace="serving")
    for file in files:
        if file.kind == "yaml":
            assert yaml.safe_load(_launch_text.render(file)) == file.content
    objects = parsed(files)
    for found in objects:
        demand_strict(found, custom=False)
        for pod in pods_of(found):
            for container in containers_of(pod):
                for word in (*container.get("command", ()), *container.get("args", ())):
                    assert "$(" not in word.replace("$$", ""), word
    carried = [each for each in objects if each["metadata"].get("annotations", {}).get("llmplan/model") == name]
    assert carried or target == "helm"
    if target == "helm":
        (model,) = files[0].content["servingEngineSpec"]["modelSpec"]
        assert model["modelURL"].replace("$$", "$") == name
        assert "{{" not in str(files[0].content.get("extraObjects"))


def test_a_name_that_a_shell_would_read_gets_no_script_of_kserve_s() -> None:
    plan = sample.plan(sample.option(of=sample.replica(model=sample.model(id="org/$(x)"))))
    files = files_of(plan, "kserve")
    assert "llminferenceservice.yaml" not in [file.path for file in files]
    assert any("is not safe there" in line for line in files[0].header)
    assert "llminferenceservice.yaml" in [file.path for file in files_of(sample.plan(), "kserve")]


@pytest.mark.parametrize("target", TARGETS)
def test_no_secret_value_appears(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = "hf_PLANTED0123456789"
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(variable, planted)
    wide = sample.replica(parallel=Parallelism(tp=8, pp=2))
    plan = sample.plan(sample.option(of=wide if target == "leaderworkerset" else None))
    texts = [_launch_text.render(file) for file in files_of(plan, target)]
    assert not any(planted in text for text in texts)
    if target != "helm":
        found = of_kind(parsed(files_of(plan, target)), "Job")
        (container,) = found["spec"]["template"]["spec"]["containers"]
        (token,) = [each for each in container["env"] if each["name"] == "HF_TOKEN"]
        assert token["valueFrom"]["secretKeyRef"] == {"name": "llm-hub", "key": "HF_TOKEN", "optional": True}


@pytest.mark.parametrize("target", TARGETS)
def test_air_gapped_pods_reach_nothing(target: str) -> None:
    wide = sample.replica(parallel=Parallelism(tp=8, pp=2))
    plan = sample.plan(sample.option(of=wide if target == "leaderworkerset" else None))
    files = files_of(plan, target, air_gapped=True, image_registry="registry.example")
    objects = parsed(files)
    assert "Job" not in [each["kind"] for each in objects]
    text = "\n".join(map(_launch_text.render, files))
    assert "HF_HUB_OFFLINE" in text
    assert "fill the volume" in text
    for policy in (each for each in objects if each["kind"] == "NetworkPolicy"):
        for rule in policy["spec"]["egress"]:
            assert "to" in rule, "to anywhere"
            blocks = [peer["ipBlock"]["cidr"] for peer in rule["to"] if "ipBlock" in peer]
            assert all(block.startswith("169.254.") for block in blocks), "the node itself at most"
    images = [container["image"] for found in objects for pod in pods_of(found) for container in containers_of(pod)]
    assert all(image.startswith("registry.example/") for image in images)


@pytest.mark.parametrize("target", TARGETS)
def test_no_line_of_a_header_is_cut(target: str) -> None:
    """Commands stand in headers: with the longest names they must stay whole."""
    long = {"name": "n" * 40, "namespace": "s" * 40, "storage_class": "c" * 40}
    for plan in plans()[:20]:
        try:
            files = files_of(plan, target, checkpoint=CHECKPOINT, **long)
        except UsageError:
            continue
        own = [line for file in files for line in file.header if "kubectl" in line or "helm" in line]
        assert all(_launch_text.comment(line) == line for line in own)
