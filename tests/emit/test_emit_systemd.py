"""`systemd` units: what systemd's own checker says, what the program is called with, and where it may write."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import plan_samples as sample
from launch_readers import exec_words, unit_entries, unit_words
from llmplan.cli import _launch_text
from llmplan.emit import LaunchFile, Variant, emit, find_target
from llmplan.emit.systemd import WAIT
from llmplan.errors import UsageError
from llmplan.plan.deployment import Offload, Parallelism
from llmplan.plan.plan import Plan

LLAMA: dict[str, Any] = {"weights": "gguf-q4_k_m", "kv": "fp16", "engine": sample.engine("llama-cpp", host_layers=True)}


def files_of(plan: Plan | None = None, **variant: Any) -> dict[str, LaunchFile]:
    files = emit(plan or sample.plan(), strategy=None, target="systemd", variant=Variant(**variant))
    return {file.path: file for file in files}


def planned(start_s: float | None = None, **parts: Any) -> Plan:
    return sample.plan(sample.option(of=sample.replica(**parts), start_s=start_s))


def entries(file: LaunchFile) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in unit_entries(_launch_text.render(file)):
        found.setdefault(key, []).append(value)
    return found


def test_one_unit_that_calls_the_server_as_the_script_does() -> None:
    assert find_target("systemd").engine is None
    files = files_of(name="chat")
    assert list(files) == ["chat.service"]
    unit = entries(files["chat.service"])
    script = emit(sample.plan(), strategy=None, target="vllm")[0]
    (start,) = unit["ExecStart"]
    assert exec_words(start, {}) == ["/opt/chat/bin/vllm", *script.content.words[1:]]
    assert unit["EnvironmentFile"] == ["-/etc/chat/env"]
    environment = dict(word.split("=", 1) for line in unit["Environment"] for word in unit_words(line))
    assert environment["HF_HOME"] == "/var/lib/chat"
    assert not {"HF_TOKEN", "VLLM_API_KEY"} & set(environment)


def test_it_runs_as_nobody_in_particular_and_writes_only_its_own_folders() -> None:
    unit = entries(files_of()["llm.service"])
    wanted = {
        "DynamicUser": "yes", "ProtectSystem": "strict", "PrivateTmp": "yes", "NoNewPrivileges": "yes",
        "StateDirectory": "llm", "CacheDirectory": "llm", "Restart": "on-failure",
    }  # fmt: skip
    assert {key: unit[key] for key in wanted} == {key: [value] for key, value in wanted.items()}
    assert not {"User", "PrivateDevices", "MemoryDenyWriteExecute", "DeviceAllow"} & set(unit)


def test_the_start_may_take_three_times_the_planned_start_and_a_download() -> None:
    """3 x 100 s + 16,060,522,496 B / 100 MB/s = 460.6 s: 8 whole minutes; without a download 300 s, the least."""
    assert entries(files_of(planned(100.0))["llm.service"])["TimeoutStartSec"] == ["480s"]
    assert entries(files_of(planned(100.0), air_gapped=True)["llm.service"])["TimeoutStartSec"] == ["300s"]
    unknown = files_of(planned(None), air_gapped=True)["llm.service"]
    assert entries(unknown)["TimeoutStartSec"] == ["1800s"]
    assert "30.0 min assumed (no figure for a start is known)" in "\n".join(unknown.header)


def test_a_checkpoint_that_only_the_user_knows_is_demanded_before_the_start() -> None:
    unit = entries(files_of(planned(weights="awq-int4"))["llm.service"])
    assert unit["EnvironmentFile"] == ["/etc/llm/env"]
    (before,) = unit["ExecStartPre"]
    assert exec_words(before, {}) == ["/usr/bin/test", "-n", ""]
    assert exec_words(before, {"MODEL": "org/x y"}) == ["/usr/bin/test", "-n", "org/x y"]
    assert exec_words(unit["ExecStart"][0], {"MODEL": "org/x y"})[2] == "org/x y"


def test_memory_is_locked_only_where_the_host_holds_weights_or_machines_meet() -> None:
    assert "LimitMEMLOCK" not in entries(files_of()["llm.service"])
    offload = planned(offload=Offload(kind="weights", host_weight_bytes=2**30))
    assert entries(files_of(offload)["llm.service"])["LimitMEMLOCK"] == ["infinity"]


def test_every_machine_of_a_replica_has_a_unit() -> None:
    files = files_of(planned(parallel=Parallelism(tp=8, pp=2)))
    assert list(files) == ["llm.service", "llm-worker.service"]
    worker = entries(files["llm-worker.service"])
    words = exec_words(worker["ExecStart"][0], {"NODE_RANK": "1", "MASTER_ADDR": "10.0.0.1"})
    assert words[words.index("--node-rank") + 1] == "1"
    assert "ExecStartPost" not in worker  # no API there to wait for
    assert len(worker["ExecStartPre"]) == 2
    trt = planned(parallel=Parallelism(tp=8, pp=2), engine=sample.engine("tensorrt-llm", version="1.2.1"))
    with pytest.raises(UsageError, match="under MPI"):
        files_of(trt)


def test_files_that_the_engine_reads_come_along() -> None:
    files = files_of(planned(engine=sample.engine("tensorrt-llm", version="1.2.1")))
    assert list(files) == ["llm.service", "trtllm.yaml"]
    (start,) = entries(files["llm.service"])["ExecStart"]
    assert "--config /etc/llm/trtllm.yaml" in start
    assert "trtllm.yaml in /etc/llm" in "\n".join(files["llm.service"].header)


def test_waiting_ends_with_the_server_or_with_its_answer(tmp_path: Path) -> None:
    """The script of ExecStartPost, run by sh with a stand-in for curl."""
    (post,) = entries(files_of()["llm.service"])["ExecStartPost"]
    words = exec_words(post, {})
    assert words == ["/bin/sh", "-c", WAIT, "http://localhost:8000/health"]
    curl = tmp_path / "curl"
    for status, alive, expected in ((0, "1", 0), (1, "0", 1)):
        curl.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nexit {status}\n', encoding="utf-8")
        curl.chmod(0o755)
        gone = subprocess.Popen(["/bin/true"])
        gone.wait()
        pid = str(gone.pid) if alive == "0" else "1"
        done = subprocess.run(
            words,
            check=False,
            env={"PATH": f"{tmp_path}:/usr/bin:/bin", "MAINPID": pid},
            capture_output=True,
            timeout=9,
        )
        assert done.returncode == expected
        assert (tmp_path / "asked").read_text().split()[-1] == "http://localhost:8000/health"


@pytest.mark.parametrize(
    "plan",
    [
        planned(), planned(100.0, weights="awq-int4"), planned(parallel=Parallelism(tp=8, pp=2)), planned(**LLAMA),
        planned(offload=Offload(kind="weights", host_weight_bytes=2**30)),
        planned(engine=sample.engine("sglang")), planned(engine=sample.engine("tensorrt-llm", version="1.2.1")),
        planned(model=sample.model(id='odd "name" %n $HOME \\ ; x')),
    ],
    ids=["vllm", "asked", "machines", "llama", "host", "sglang", "trtllm", "odd"],
)  # fmt: skip
def test_systemd_takes_every_unit(plan: Plan, tmp_path: Path) -> None:
    checker = shutil.which("systemd-analyze")
    if checker is None:
        pytest.skip("no systemd-analyze on this machine")
    for file in emit(plan, strategy=None, target="systemd"):
        if file.kind != "unit":
            continue
        text = re.sub(r"^(ExecStart=)\S+", rf"\1{tmp_path}/server", _launch_text.render(file), flags=re.MULTILINE)
        (tmp_path / "server").write_text("#!/bin/sh\n", encoding="utf-8")
        (tmp_path / "server").chmod(0o755)
        unit = tmp_path / file.path
        unit.write_text(text, encoding="utf-8")
        done = subprocess.run([checker, "verify", str(unit)], check=False, capture_output=True, text=True)
        ours = [line for line in done.stderr.splitlines() if file.path in line or "Unknown" in line]
        assert (done.returncode, ours) == (0, [])


def test_stopping_asks_the_server_first() -> None:
    """A signal to every process at once would take the workers away from requests that the server still answers."""
    assert entries(files_of()["llm.service"])["KillMode"] == ["mixed"]
