"""Compose files: the specification's own reader takes them, and nothing runs as root, writes or is left open."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import yaml

import plan_samples as sample
from launch_readers import interpolated
from llmplan.cli import _launch_text
from llmplan.emit import LaunchFile, Variant, emit
from llmplan.plan.deployment import Offload, Parallelism, Tenancy
from llmplan.plan.plan import Plan
from llmplan.units import GIB

PLANS: dict[str, dict[str, Any]] = {
    "vllm": {},
    "asked": {"weights": "awq-int4"},
    "two GPUs": {"parallel": Parallelism(tp=2)},
    "machines": {"parallel": Parallelism(tp=8, pp=2)},
    "adapters": {"tenancy": Tenancy(tenants=3, adapters=2)},
    "host": {"offload": Offload(kind="weights", host_weight_bytes=GIB)},
    "sglang": {"engine": sample.engine("sglang", image="lmsysorg/sglang:v0.5.23")},
    "tensorrt-llm": {"engine": sample.engine("tensorrt-llm", version="1.2.1")},
    "llama-cpp": {"weights": "gguf-q4_k_m", "kv": "fp16", "engine": sample.engine("llama-cpp")},
}
ENVIRONMENT = {"MODEL": "org/x", "MASTER_ADDR": "10.0.0.1", "NODE_RANK": "1", "MODEL_DIR": "/data"}


def compose_files(plan: Plan, **variant: Any) -> list[LaunchFile]:
    files = emit(plan, strategy=None, target="docker-compose", variant=Variant(**variant))
    return [file for file in files if file.path.startswith("compose")]


def plan_of(name: str, start_s: float | None = None) -> Plan:
    return sample.plan(sample.option(of=sample.replica(**PLANS[name]), start_s=start_s))


def only_service(file: LaunchFile) -> dict[str, Any]:
    (service,) = file.content["services"].values()
    assert isinstance(service, dict)
    return service


@pytest.mark.parametrize("name", PLANS)
def test_the_specification_s_reader_takes_them(name: str) -> None:
    """compose_spec reads strictly: an unknown key, a bad port, duration or size is an error."""
    compose_spec = pytest.importorskip("compose_spec")
    for file in compose_files(plan_of(name, 120.0)):
        text = _launch_text.render(file)
        compose_spec.PyCompose.from_yaml(yaml.safe_dump(interpolated(yaml.safe_load(text), ENVIRONMENT)))
        broken = yaml.safe_load(text)
        only_service(LaunchFile(path="x", kind="yaml", content=broken))["comand"] = []
        with pytest.raises(Exception, match="comand"):
            compose_spec.PyCompose.from_yaml(yaml.safe_dump(interpolated(broken, ENVIRONMENT)))


@pytest.mark.parametrize("name", PLANS)
def test_no_root_and_nothing_to_write_but_mounts(name: str) -> None:
    for file in compose_files(plan_of(name)):
        service = only_service(file)
        assert interpolated(service["user"], {}) == "1000:1000"
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "exec" in service["tmpfs"][0].split(":")[1].split(",")  # Docker's default would be noexec
        assert not {"privileged", "ipc", "cap_add"} & set(service)
        tag = service["image"].rpartition(":")[2]
        assert tag
        assert tag != "latest"
        written = [volume for volume in service["volumes"] if not volume["read_only"]]
        assert [volume["target"] for volume in written] in ([], ["/models"])
        assert all(volume["bind"]["create_host_path"] is False for volume in written)  # Docker would make it root's


def test_caches_of_the_engine_lie_where_it_may_write() -> None:
    environment = only_service(compose_files(plan_of("vllm"))[0])["environment"]
    for name in ("HOME", "XDG_CACHE_HOME", "VLLM_CACHE_ROOT", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"):
        assert environment[name].startswith("/tmp"), name
    assert environment["HF_HOME"] == "/models"
    assert environment["USER"]


def test_shared_memory_grows_with_the_gpus() -> None:
    assert only_service(compose_files(plan_of("two GPUs"))[0])["shm_size"] == f"{2 * 4 * 1024}m"


def test_the_health_check_waits_for_a_download_and_a_start() -> None:
    """3 x 120 s + 16,060,522,496 B / 100 MB/s = 520.6 s: 9 minutes. From a folder: 360 s, 6 minutes."""
    file = compose_files(plan_of("vllm", 120.0))[0]
    assert only_service(file)["healthcheck"]["start_period"] == "9m"
    assert "14.96 GiB at 100 MB/s (assumed)" in file.comments[("services", "llm", "healthcheck", "start_period")]
    offline = compose_files(plan_of("vllm", 120.0), air_gapped=True)[0]
    assert only_service(offline)["healthcheck"]["start_period"] == "6m"


def test_an_air_gapped_server_gets_no_token_and_asks_nobody() -> None:
    offline = only_service(compose_files(plan_of("vllm"), air_gapped=True)[0])["environment"]
    assert (offline["HF_HUB_OFFLINE"], offline["VLLM_NO_USAGE_STATS"], offline["DO_NOT_TRACK"]) == ("1", "1", "1")
    assert "HF_TOKEN" not in offline
    online = only_service(compose_files(plan_of("vllm"), hub_mirror="https://hub.example/hf")[0])["environment"]
    assert online["HF_ENDPOINT"] == "https://hub.example/hf"
    assert online["HF_TOKEN"] is None


def test_names_and_reasons() -> None:
    file = compose_files(plan_of("vllm"), name="chat")[0]
    assert (file.content["name"], list(file.content["services"])) == ("chat", ["chat"])
    lines = _launch_text.render(file).splitlines()
    place = lines.index("    - --max-num-seqs")
    assert lines[place - 1].startswith("    # requests that run at once")
    assert lines[place + 1] == "    - '64'"


def test_machines_of_one_replica_share_the_network_of_their_hosts() -> None:
    head, worker = compose_files(plan_of("machines"))
    assert [file.path for file in (head, worker)] == ["compose.yaml", "compose-worker.yaml"]
    for file in (head, worker):
        service = only_service(file)
        assert (service["network_mode"], service["ulimits"]) == ("host", {"memlock": -1})
        assert "ports" not in service
    assert "healthcheck" in only_service(head)
    assert "healthcheck" not in only_service(worker)


def test_a_folder_of_gguf_files_is_only_read() -> None:
    service = only_service(compose_files(plan_of("llama-cpp"))[0])
    (folder,) = service["volumes"]
    assert (folder["source"].startswith("${MODEL_DIR:?"), folder["read_only"]) == (True, True)
    assert service["environment"]["LLAMA_API_KEY"] is None


def test_a_start_reads_what_is_converted_while_loading() -> None:
    """FP8 made from 16 bits: the published checkpoint is read, of which the plan's start counts the FP8 half."""
    replica = sample.replica(weights="fp8")
    published = 2 * (replica.model.total_parameters + replica.model.draft_parameters)
    memory = dataclasses.replace(sample.memory_budget(), checkpoint_bytes=published // 2)
    plan = sample.plan(sample.option(of=replica, memory=memory, start_s=100.0))
    (file,) = compose_files(plan)
    minutes = math.ceil((3 * 100.0 * 2 + published / 100e6) / 60)
    assert only_service(file)["healthcheck"]["start_period"] == f"{minutes}m"
    assert any("100 s planned, x 2 for weights that are converted" in text for text in file.comments.values())
    ready_made = sample.plan(sample.option(of=sample.replica(), start_s=100.0))
    assert not any("converted" in text for text in compose_files(ready_made)[0].comments.values())


def test_an_engine_that_reads_a_file_waits_for_no_download() -> None:
    unit = emit(plan_of("llama-cpp", 600.0), strategy=None, target="systemd")[0]
    (line,) = [line for line in unit.header if line.startswith("TimeoutStartSec")]
    assert "download" not in line
    assert line.endswith(f": {math.ceil(3 * 600.0 / 60)} min")
