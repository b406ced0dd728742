"""LeaderWorkerSet: groups of the planned size, ranks and addresses from the controller's own variables."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import plan_samples as sample
from crd_schemas import demand_valid
from kube_objects import files_of, objects_of, of_kind, parsed
from llmplan.errors import UsageError
from llmplan.plan.deployment import Parallelism
from llmplan.plan.plan import Plan


def planned(parallel: Parallelism, *, replicas: int = 2, peak: float = 1.0) -> Plan:
    option = sample.option(of=sample.replica(parallel=parallel))
    plan = sample.plan(replace(option, deployment=replace(option.deployment, replicas=replicas)))
    workload = replace(plan.question.workload, peak_to_mean=peak)
    return replace(plan, question=replace(plan.question, workload=workload))


def containers(plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    group = of_kind(objects_of(plan, "leaderworkerset"), "LeaderWorkerSet")["spec"]["leaderWorkerTemplate"]
    leader, worker = (group[name]["spec"]["containers"][0] for name in ("leaderTemplate", "workerTemplate"))
    return leader, worker


def after(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def test_a_group_has_the_machines_of_a_replica() -> None:
    plan = planned(Parallelism(tp=8, pp=2), replicas=3)
    found = of_kind(objects_of(plan, "leaderworkerset"), "LeaderWorkerSet")
    demand_valid(found)
    assert found["spec"]["replicas"] == 3
    assert found["spec"]["leaderWorkerTemplate"]["size"] == 2
    assert found["spec"]["leaderWorkerTemplate"]["restartPolicy"] == "RecreateGroupOnPodRestart"
    for container in containers(plan):
        assert container["resources"]["limits"] == {"nvidia.com/gpu": "8"}


def test_ranks_and_addresses_come_from_the_controller() -> None:
    leader, worker = containers(planned(Parallelism(tp=8, pp=2)))
    assert after(leader["args"], "--node-rank") == "0"
    assert after(worker["args"], "--node-rank") == "$(LWS_WORKER_INDEX)"
    assert {after(each["args"], "--master-addr") for each in (leader, worker)} == {"$(LWS_LEADER_ADDRESS)"}
    assert "--headless" in worker["args"]
    assert "--headless" not in leader["args"]
    assert "startupProbe" in leader
    assert "startupProbe" not in worker, "a worker answers no request"
    assert worker["lifecycle"] == leader["lifecycle"], "a worker that goes first ends what its leader still serves"


def test_the_first_data_parallel_rank_is_counted_by_the_shell(tmp_path: Path) -> None:
    """4 groups of 4 GPUs on 2 machines of 8: the second machine begins at rank 2. The script is run as the kubelet
    passes it on, which reads `$$` as one sign."""
    _, worker = containers(planned(Parallelism(tp=4, dp=4)))
    stand_in = tmp_path / "vllm"
    stand_in.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    stand_in.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "LWS_WORKER_INDEX": "1"}
    command = [word.replace("$$", "$") for word in (*worker["command"], *worker["args"])]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    words = done.stdout.splitlines()
    assert words[0] == "serve"
    assert words[1] == "meta-llama/Llama-3.1-8B-Instruct"
    assert words[-2:] == ["--data-parallel-start-rank", "2"]
    assert after(words, "--data-parallel-size-local") == "2"


def test_requests_go_to_leaders_and_machines_of_a_replica_may_talk() -> None:
    objects = objects_of(planned(Parallelism(tp=8, pp=2)), "leaderworkerset")
    group = of_kind(objects, "LeaderWorkerSet")["spec"]["leaderWorkerTemplate"]
    selector = of_kind(objects, "Service")["spec"]["selector"]
    assert selector.items() <= group["leaderTemplate"]["metadata"]["labels"].items()
    assert not selector.items() <= group["workerTemplate"]["metadata"]["labels"].items()
    policy = next(each for each in objects if each["kind"] == "NetworkPolicy")["spec"]
    peers = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "llm"}}}
    assert {"from": [peers]} in policy["ingress"]
    assert {"to": [peers]} in policy["egress"]


def test_what_scales_is_the_number_of_groups() -> None:
    objects = objects_of(planned(Parallelism(tp=8, pp=2), replicas=4, peak=2.0), "leaderworkerset")
    spec = of_kind(objects, "ScaledObject")["spec"]
    assert spec["scaleTargetRef"] == {
        "apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "name": "llm",
    }  # fmt: skip
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 4)


@pytest.mark.parametrize(
    ("parallel", "variant", "message"),
    [
        (Parallelism(), {}, "has one machine here"),
        (Parallelism(tp=8, pp=2), {"weights_volume": "per-replica"}, "share one volume"),
    ],
)
def test_what_it_is_not_for(parallel: Parallelism, variant: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        files_of(planned(parallel), "leaderworkerset", **variant)
    assert caught.value.hints


def test_the_network_between_machines_is_said_to_be_unknown() -> None:
    files = files_of(planned(Parallelism(tp=8, pp=2)), "leaderworkerset")
    assert any("InfiniBand or RoCE needs a device plugin" in line for line in files[0].header)
    assert "PersistentVolumeClaim" in [each["kind"] for each in parsed(files)]


def test_sglang_meets_at_the_leader_s_address_with_a_port() -> None:
    wide = sample.replica(parallel=Parallelism(tp=16), engine=sample.engine("sglang", image="lmsysorg/sglang:v0.5.23"))
    option = sample.option(of=wide)
    group = of_kind(objects_of(sample.plan(option), "leaderworkerset"), "LeaderWorkerSet")["spec"][
        "leaderWorkerTemplate"
    ]
    for name, rank in (("leaderTemplate", "0"), ("workerTemplate", "$(LWS_WORKER_INDEX)")):
        (container,) = group[name]["spec"]["containers"]
        assert after(container["args"], "--dist-init-addr") == "$(LWS_LEADER_ADDRESS):20000"
        assert after(container["args"], "--node-rank") == rank


def test_it_does_not_offer_what_it_refuses() -> None:
    """`--weights-volume per-replica` is refused here, so that no header may point to it."""
    files = files_of(planned(Parallelism(tp=8, pp=2)), "leaderworkerset")
    assert any("must offer ReadWriteMany" in line for line in files[0].header)
    assert not any("--weights-volume" in line for file in files for line in file.header)
