"""The machine against what is to run on it: a model's files, and the replica of a plan."""

from __future__ import annotations

from dataclasses import replace

from llmplan.hardware.diagnosis import Finding, ModelFiles, Planned, Subject, diagnose
from llmplan.hardware.errors import status
from llmplan.hardware.report import (
    DiskReading,
    GpuReading,
    HardwareReport,
    HostReading,
    LimitsReading,
    MemoryReading,
    MigReading,
    Visibility,
)
from llmplan.plan.deployment import Parallelism
from plan_samples import gpu, host, replica

GIB = 1024**3
SPEC = gpu(aliases=("NVIDIA H100 80GB HBM3",))
H100 = GpuReading(
    index=0,
    name="NVIDIA H100 80GB HBM3",
    memory=MemoryReading(total_bytes=SPEC.memory_bytes, used_bytes=0, free_bytes=SPEC.memory_bytes, source="nvml-v2"),
)
HUB = "/models/hub"


def machine(*gpus: GpuReading, free: int = 100 * GIB, **host_fields: object) -> HardwareReport:
    here = HostReading(
        memory_total_bytes=512 * GIB,
        memory_available_bytes=500 * GIB,
        model_disk=DiskReading(path="/models", total_bytes=1000 * GIB, free_bytes=free),
    )
    return HardwareReport(
        nvml=status("ok"),
        gpus=gpus,
        host=replace(here, **host_fields),  # type: ignore[arg-type]
        visible=Visibility(variable=None, indexes=tuple(one.index for one in gpus if not one.mig_enabled)),
    )


def files(needed: int, present: int | None = 0) -> ModelFiles:
    return ModelFiles(name="org/model", needed_bytes=needed, present_bytes=present, folder=HUB)


def found(check: str, report: HardwareReport, subject: Subject) -> list[Finding]:
    return [finding for finding in diagnose(report, {SPEC.id: SPEC}, subject) if finding.check == check]


def test_weights_want_room_for_what_is_not_there_yet() -> None:
    def weigh(needed: int, present: int | None, **fields: object) -> Finding:
        (finding,) = found("weights", machine(**fields), Subject(files=files(needed, present)))  # type: ignore[arg-type]
        return finding

    assert weigh(90 * GIB, 0).status == "ok"
    assert weigh(110 * GIB, 0).status == "fail"
    assert weigh(110 * GIB, None).status == "fail"
    half = weigh(110 * GIB, 50 * GIB)  # 60 of 100 GiB
    assert (half.status, "of which 50.00 GiB are there" in half.message) == ("ok", True)
    there = weigh(110 * GIB, 110 * GIB, free=0)
    assert (there.status, "only its size was compared" in there.message) == ("ok", True)
    assert weigh(90 * GIB, 0, model_disk=None).status == "warn"


def test_whether_weights_fit_at_all_and_which_command_says_the_rest() -> None:
    def fit(needed: int, *gpus: GpuReading) -> Finding:
        (finding,) = found("fit", machine(*gpus), Subject(files=files(needed)))
        return finding

    two = (H100, replace(H100, index=1))
    assert fit(20 * GIB, H100).advice == (
        "how many requests fit beside them: llmplan memory org/model --gpu h100-sxm-80gb"
    )
    assert (fit(100 * GIB, H100).status, fit(100 * GIB, *two).status) == ("warn", "ok")
    assert (fit(100 * GIB, *two).advice or "").endswith("--gpu h100-sxm-80gb --tp 2")
    small = MigReading(
        index=0, uuid="MIG-1", name=None, profile="3g.40gb", gpu_instance_id=1, compute_instance_id=0,
        memory_bytes=40 * GIB, multiprocessors=60, memory=None,
    )  # fmt: skip
    split = replace(H100, mig_enabled=True, mig_enabled_after_reset=True, mig=(small,))
    assert "40.00 GiB on the largest MIG instance" in fit(50 * GIB, split).message
    assert fit(20 * GIB).message == "no GPU here to fit them on"


def test_a_plan_wants_its_gpus() -> None:
    pair = replica(parallel=Parallelism(tp=2), gpu=SPEC)
    wanted = Subject(planned=Planned(replica=pair, replicas=2))
    (short,) = found("plan", machine(H100), wanted)
    assert (short.status, "wants 2 x h100-sxm-80gb; here: 1 x h100-sxm-80gb" in short.message) == ("fail", True)
    (enough,) = found("plan", machine(H100, replace(H100, index=1)), wanted)
    assert (enough.status, "room for 1 of 2 replicas" in enough.message) == ("ok", True)
    (other,) = found("plan", machine(replace(H100, name="NVIDIA Other")), wanted)
    assert (other.status, "1 x NVIDIA Other" in other.message) == ("fail", True)
    (none,) = found("plan", machine(), wanted)
    assert "here: no GPU" in none.message


def test_a_plan_over_nodes_wants_its_share_of_each_and_locked_memory() -> None:
    wide = replica(parallel=Parallelism(tp=2, pp=2), gpu=SPEC, host=host(gpus=2))
    wanted = Subject(planned=Planned(replica=wide, replicas=1))
    limited = machine(H100, replace(H100, index=1), limits=LimitsReading(open_files=None, locked_memory_bytes=65536))
    (plan,) = found("plan", limited, wanted)
    assert (plan.status, "2 x h100-sxm-80gb on each of its nodes" in plan.message) == ("ok", True)
    (limits,) = found("limits", limited, wanted)
    assert limits.status == "warn"


def test_less_gpu_memory_than_planned_is_told() -> None:
    less = MemoryReading(total_bytes=70 * GIB, used_bytes=0, free_bytes=70 * GIB, source="nvml-v2")
    wanted = Subject(planned=Planned(replica=replica(gpu=SPEC), replicas=1))
    report = machine(replace(H100, name="NVIDIA H100 80GB HBM3", memory=less))
    assert [finding.status for finding in found("plan", report, wanted)] == ["ok", "warn"]


def test_offload_wants_host_memory_within_the_control_groups_limit() -> None:
    wanted = Subject(planned=Planned(replica=replica(gpu=SPEC), replicas=1, host_bytes=64 * GIB))
    assert [f.status for f in found("plan", machine(H100), wanted)] == ["ok", "ok"]
    tight = machine(H100, cgroup_memory_limit_bytes=60 * GIB)
    _, short = found("plan", tight, wanted)
    assert (short.status, "keeps 64.00 GiB in host memory; 60.00 GiB can be had here" in short.message) == (
        "fail",
        True,
    )
    unread = machine(H100, memory_total_bytes=None, memory_available_bytes=None)
    assert [f.status for f in found("plan", unread, wanted)] == ["ok", "warn"]


def test_a_checkpoint_larger_than_the_control_group_is_read_again_by_each_gpus_process() -> None:
    limited = {"cgroup_memory_limit_bytes": 100 * GIB}
    two = (H100, replace(H100, index=1))

    def statuses(needed: int, *gpus: GpuReading) -> list[str]:
        return [f.status for f in found("host memory", machine(*gpus, **limited), Subject(files=files(needed)))]  # type: ignore[arg-type]

    assert (statuses(140 * GIB, *two), statuses(90 * GIB, *two), statuses(140 * GIB, H100)) == (
        ["warn"],
        ["ok"],
        ["ok"],
    )


def test_a_hosted_api_wants_nothing_here() -> None:
    (finding,) = found("plan", machine(), Subject(hosted="the serverless row of plan.yaml is a hosted API"))
    assert (finding.status, "nothing of it runs on this machine" in finding.message) == ("ok", True)


def held(index: int) -> GpuReading:
    """An H100 of which somebody holds three quarters."""
    free = SPEC.memory_bytes // 4
    memory = MemoryReading(
        total_bytes=SPEC.memory_bytes, used_bytes=SPEC.memory_bytes - free, free_bytes=free, source="nvml-v2"
    )
    return replace(H100, index=index, memory=memory)


def of_four(*gpus: GpuReading, wanted: int = 4) -> Subject:
    planned = Planned(replica=replica(parallel=Parallelism(tp=wanted)), replicas=1)
    return Subject(engines=(planned.replica.engine,), certain=True, planned=planned)


def test_held_gpus_that_the_plan_does_not_need_break_nothing() -> None:
    eight = [replace(H100, index=index) for index in range(8)]
    first, last = [held(0), held(1), *eight[2:]], [*eight[:6], held(6), held(7)]
    assert [each.status for each in found("memory", machine(*last), of_four()) if each.gpu in (6, 7)] == ["warn"] * 2
    # an engine takes the first GPUs that it is shown
    broken = [each for each in found("memory", machine(*first), of_four()) if each.status == "fail"]
    assert [each.gpu for each in broken] == [0, 1]
    assert "CUDA_VISIBLE_DEVICES=2,3,4,5,6,7" in (broken[0].advice or "")
    assert "--gpu-memory-utilization" not in (broken[0].advice or ""), "the plan was made with its own"
    for gpus in (first, last):
        (plan,) = found("plan", machine(*gpus), of_four())
        assert (plan.status, plan.message.partition("; here: ")[2]) == (
            "ok", "8 x h100-sxm-80gb, 2 of them held by others, room for 1 of 1 replica",
        )  # fmt: skip


def test_a_plan_for_all_gpus_has_no_room_beside_others() -> None:
    gpus = [held(0), *(replace(H100, index=index) for index in range(1, 4))]
    (plan,) = found("plan", machine(*gpus), of_four())
    assert plan.status == "warn"
    assert plan.message.endswith("1 of them held by others, room for 0 of 1 replica")
    (broken,) = [each for each in found("memory", machine(*gpus), of_four()) if each.status == "fail"]
    assert "CUDA_VISIBLE_DEVICES" not in (broken.advice or ""), "the free ones are too few"


def test_a_gpu_in_mig_mode_is_named_where_the_plan_misses_it() -> None:
    split = replace(H100, index=3, mig_enabled=True)
    (plan,) = found("plan", machine(*(replace(H100, index=index) for index in range(3)), split), of_four())
    assert plan.status == "fail"
    assert plan.message.endswith("3 x h100-sxm-80gb (and GPU 3 in MIG mode, no whole one)")


def test_gpus_of_another_vendor_are_not_read() -> None:
    other = replica(gpu=replace(SPEC, id="mi300x-192gb", vendor="AMD"))
    (plan,) = found("plan", machine(), Subject(planned=Planned(replica=other, replicas=1)))
    assert plan.status == "warn"
    assert "GPUs of AMD are not read here" in plan.message
    assert "amd-smi" in (plan.advice or "")
