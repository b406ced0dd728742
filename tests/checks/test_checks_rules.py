"""Every rule fires on a minimal bad replica and is silent on its mended twin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

import plan_samples as sample
from llmplan import checks
from llmplan.plan.deployment import Offload, Parallelism, Replica, Tenancy
from llmplan.spec.engine import FormatSupport
from llmplan.spec.model import CompressedAttention, LayerGroup, ModelSpec

TP2, TP4, TP8 = (Parallelism(tp=n) for n in (2, 4, 8))
TURING, AMPERE, ADA, BLACKWELL = sample.gpu((7, 5)), sample.gpu((8, 6)), sample.gpu((8, 9)), sample.gpu((12, 0))
VOLTA, OTHER = sample.gpu((7, 0)), sample.gpu(None, vendor="AMD")
SGLANG, LLAMA = sample.engine("sglang"), sample.engine("llama-cpp", tensor_parallel=False, multi_lora=False)
TRT = sample.engine("tensorrt-llm", min_compute_capability=(8, 0), compute_capabilities=((8, 0), (8, 6), (9, 0)))
FP8_SINCE_ADA = {"fp8": FormatSupport(min_compute_capability=(8, 9))}
TRT_AMPERE = replace(TRT, weight_formats=FP8_SINCE_ADA)
SMALL_MOE = sample.model(feed_forward=sample.experts(128, 8, 1536, 4096), intermediate=1536)
QWEN_72B = sample.model(heads=64, kv_heads=8, intermediate=29568, layers=80)
MLA = sample.model(latent=True)
BOUNDLESS = sample.model(states_context=False, max_context_tokens=2**20, default_context_tokens=2048)
PUBLISHED_FP8 = sample.model(checkpoint_format="fp8", quantization_method="fbgemm_fp8")
FBGEMM_UNKNOWN = sample.engine("sglang", quantization_methods=("fp8", "compressed-tensors"))
COMPRESSED = sample.model()
COMPRESSED = replace(
    COMPRESSED,
    layers=(
        replace(
            COMPRESSED.layers[0],
            mixers=(
                CompressedAttention(
                    query_heads=32, head_dim=512, rope_dim=64, window_tokens=128, compress_tokens=4, tensors=()
                ),
            ),
        ),
    ),
)


def tiny_kv(kv_heads: int) -> Replica:
    return sample.replica(model=sample.model(kv_heads=kv_heads), parallel=TP8)


def adapters(rank: int, **parts: object) -> Replica:
    return sample.replica(tenancy=Tenancy(tenants=9, adapters=9, lora_rank=rank), **parts)


@dataclass(frozen=True, kw_only=True)
class Case:
    rule: str
    severity: str
    bad: Replica
    good: Replica
    says: str


R = sample.replica
CASES: tuple[Case, ...] = (
    Case(
        rule="S-7",
        severity="error",
        bad=R(engine=SGLANG, model=COMPRESSED, kv="bf16"),
        good=R(engine=SGLANG, model=COMPRESSED, kv="fp8"),
        says="bf16 is not supported for LlamaForCausalLM",
    ),
    Case(
        rule="S-7",
        severity="error",
        bad=R(model=COMPRESSED, kv="bf16"),
        good=R(model=COMPRESSED, kv="fp8-ds-mla"),
        says="stored as fp8",
    ),
    Case(
        rule="S-8",
        severity="error",
        bad=R(engine=SGLANG, model=BOUNDLESS, settings=sample.settings(max_model_len=2049)),
        good=R(engine=SGLANG, model=BOUNDLESS, settings=sample.settings(max_model_len=2048)),
        says="context_length (2049) is greater than the derived context_length (2048)",
    ),
    Case(
        rule="V-Q10",
        severity="error",
        bad=R(engine=FBGEMM_UNKNOWN, model=PUBLISHED_FP8, weights="fp8"),
        good=R(engine=FBGEMM_UNKNOWN, model=replace(PUBLISHED_FP8, quantization_method="fp8"), weights="fp8"),
        says="Unknown quantization method: fbgemm_fp8.",
    ),
    Case(
        rule="T-7",
        severity="error",
        bad=R(engine=TRT, parallel=Parallelism(tp=2, dp=4)),
        good=R(engine=TRT, parallel=Parallelism(tp=1, dp=8)),
        says="4 groups of 2 GPUs",
    ),
    Case(
        rule="V-TP1",
        severity="error",
        bad=R(model=sample.model(heads=28, kv_heads=4), parallel=TP8),
        good=R(model=sample.model(heads=28, kv_heads=4), parallel=TP4),
        says="Total number of attention heads (28) must be divisible by tensor parallel size (8).",
    ),
    Case(
        rule="S-1",
        severity="error",
        bad=R(engine=SGLANG, model=sample.model(heads=28, kv_heads=4), parallel=TP8),
        good=R(engine=SGLANG, parallel=TP8),
        says="(28)",
    ),
    Case(
        rule="T-2",
        severity="error",
        bad=R(engine=TRT, model=sample.model(heads=28, kv_heads=4), parallel=TP8),
        good=R(engine=TRT, parallel=TP8),
        says="(28)",
    ),
    Case(rule="V-TP2", severity="error", bad=tiny_kv(6), good=tiny_kv(8), says="6 KV heads"),
    Case(rule="V-TP2", severity="advice", bad=tiny_kv(4), good=tiny_kv(8), says="stored 2 times"),
    Case(rule="V-TP3", severity="advice", bad=R(model=MLA, parallel=TP8), good=R(parallel=TP8), says="latent KV cache"),
    Case(
        rule="V-P5",
        severity="error",
        bad=R(parallel=Parallelism(tp=8, dcp=2)),
        good=R(model=MLA, parallel=Parallelism(tp=8, dcp=8)),
        says="8 KV heads over tensor parallel size 8 have 1, not 2",
    ),
    Case(
        rule="L-DCP",
        severity="error",
        bad=R(engine=sample.engine("sglang"), parallel=Parallelism(tp=8, dcp=2)),
        good=R(engine=sample.engine("sglang"), parallel=TP8),
        says="not known to share a KV cache",
    ),
    Case(
        rule="V-TP5",
        severity="error",
        bad=R(model=sample.model(intermediate=14338), parallel=TP4),
        good=R(model=sample.model(intermediate=14340), parallel=TP4),
        says="14338 is not divisible by 4",
    ),
    Case(
        rule="V-Q1",
        severity="error",
        bad=R(model=QWEN_72B, weights="gptq-int4", parallel=TP2),
        good=R(model=QWEN_72B, weights="gptq-int4"),
        says="input_size_per_partition = 14784 is not divisible by group_size = 128",
    ),
    Case(
        rule="V-Q1",
        severity="error",
        bad=R(model=sample.model(feed_forward=sample.experts(8, 2, 768, 4096)), weights="awq-int4", parallel=TP8),
        good=R(model=sample.model(feed_forward=sample.experts(8, 2, 1024, 4096)), weights="awq-int4", parallel=TP8),
        says="96",
    ),
    Case(
        rule="V-Q2",
        severity="warning",
        bad=R(model=sample.model(intermediate=14336 + 32), weights="awq-int4", parallel=TP2),
        good=R(weights="awq-int4", parallel=TP2),
        says="Marlin",
    ),
    Case(
        rule="V-Q3",
        severity="error",
        bad=R(model=SMALL_MOE, weights="fp8-block", parallel=TP8),
        good=R(model=SMALL_MOE, weights="fp8-block", parallel=Parallelism(tp=8, ep=True)),
        says="The output_size of gate's and up's weight = 192 is not divisible by weight quantization block_n = 128.",
    ),
    Case(
        rule="V-Q3",
        severity="error",
        bad=R(model=sample.model(intermediate=18432), weights="fp8-block", parallel=Parallelism(tp=32)),
        good=R(model=sample.model(intermediate=18432), weights="fp8-block", parallel=TP8),
        says="= 576",
    ),
    Case(
        rule="V-D1",
        severity="error",
        bad=R(gpu=TURING),
        good=R(gpu=TURING, weights="fp16", kv="fp16"),
        says="Bfloat16 is only supported on GPUs with compute capability of at least 8.0.",
    ),
    Case(
        rule="V-ARCH1",
        severity="error",
        bad=R(model=sample.model(architecture="MptForCausalLM")),
        good=R(model=sample.model(architecture="MptForCausalLM"), engine=sample.engine(version="0.28.0")),
        says="Model architecture MptForCausalLM was supported in vLLM until v0.28.0",
    ),
    Case(
        rule="V-ARCH2",
        severity="error",
        bad=replace(adapters(16), model=sample.model(architecture="FalconForCausalLM")),
        good=adapters(16),
        says="LoRA is not supported for FalconForCausalLM.",
    ),
    Case(
        rule="V-ARCH3",
        severity="error",
        bad=R(gpu=TURING, model=sample.model(model_type="gemma2"), weights="fp16", kv="fp16"),
        good=R(model=sample.model(model_type="gemma2")),
        says="The model type 'gemma2' does not support float16.",
    ),
    Case(
        rule="V-A1",
        severity="error",
        bad=R(gpu=VOLTA, weights="fp16", kv="fp16"),
        good=R(gpu=TURING, weights="fp16", kv="fp16"),
        says="no kernel image is available",
    ),
    Case(
        rule="T-3",
        severity="error",
        bad=R(engine=TRT, gpu=TURING, weights="fp16"),
        good=R(engine=TRT),
        says="no kernel image",
    ),
    Case(
        rule="T-3",
        severity="advice",
        bad=R(engine=TRT, gpu=AMPERE),
        good=R(engine=TRT),
        says="not in NVIDIA's own tests",
    ),
    Case(rule="GPU-1", severity="warning", bad=R(gpu=OTHER), good=R(), says="no CUDA compute capability"),
    Case(rule="GPU-1", severity="error", bad=R(engine=TRT, gpu=OTHER), good=R(engine=TRT), says="built on CUDA"),
    Case(
        rule="V-Q4",
        severity="error",
        bad=R(
            gpu=TURING,
            weights="mxfp4",
            engine=sample.engine(weight_formats={"mxfp4": FormatSupport(min_compute_capability=(8, 0))}),
        ),
        good=R(weights="mxfp4"),
        says="Minimum capability: 80. Current capability: 75.",
    ),
    Case(rule="V-Q4", severity="error", bad=R(weights="fp32"), good=R(), says="does not run weights in fp32"),
    Case(rule="S-2", severity="error", bad=R(engine=SGLANG, weights="fp32"), good=R(engine=SGLANG), says="fp32"),
    Case(
        rule="T-4",
        severity="error",
        bad=R(engine=TRT_AMPERE, gpu=AMPERE, weights="fp8"),
        good=R(engine=TRT_AMPERE, weights="fp8"),
        says="fp8 is not supported for the current GPU. Minimum capability: 89",
    ),
    Case(
        rule="V-Q5",
        severity="warning",
        bad=R(gpu=AMPERE, weights="fp8"),
        good=R(gpu=ADA, weights="fp8"),
        says="Weight-only FP8 compression will be used leveraging the Marlin kernel",
    ),
    Case(
        rule="V-Q6",
        severity="warning",
        bad=R(gpu=BLACKWELL, weights="nvfp4"),
        good=R(gpu=sample.gpu((10, 0)), weights="nvfp4"),
        says="per kernel",
    ),
    Case(rule="V-Q7", severity="error", bad=R(weights="nf4"), good=R(weights="awq-int4"), says="vllm-bnb-plugin"),
    Case(
        rule="V-Q7",
        severity="error",
        bad=R(weights="gguf-q4_k_m"),
        good=R(weights="gguf-q4_k_m", engine=LLAMA),
        says="vllm-gguf-plugin",
    ),
    Case(
        rule="V-Q8",
        severity="advice",
        bad=R(weights="awq-int4", settings=sample.settings(max_num_seqs=256)),
        good=R(weights="awq-int4"),
        says="slower than 16 bit",
    ),
    Case(
        rule="V-KV4",
        severity="error",
        bad=R(gpu=TURING, weights="fp16", kv="fp8"),
        good=R(kv="fp8"),
        says="FP8 KV cache is not supported",
    ),
    Case(
        rule="V-KV4", severity="warning", bad=R(gpu=AMPERE, kv="fp8"), good=R(gpu=ADA, kv="fp8"), says="FlashInfer only"
    ),
    Case(rule="V-KV4", severity="error", bad=R(kv="int8"), good=R(), says="no KV cache in int8"),
    Case(
        rule="V-P1",
        severity="error",
        bad=R(parallel=Parallelism(pp=33)),
        good=R(parallel=Parallelism(pp=4)),
        says="exceeds the 32 layers",
    ),
    Case(
        rule="V-P1",
        severity="advice",
        bad=R(parallel=Parallelism(pp=3)),
        good=R(parallel=Parallelism(pp=2)),
        says="do not divide evenly",
    ),
    Case(
        rule="V-P2",
        severity="error",
        bad=R(parallel=Parallelism(tp=4, pp=3)),
        good=R(parallel=Parallelism(tp=8, pp=2)),
        says="World size (12) is larger than the number of available GPUs (8)",
    ),
    Case(
        rule="V-P2",
        severity="warning",
        bad=R(parallel=Parallelism(tp=16)),
        good=R(parallel=Parallelism(tp=8, pp=2)),
        says="crosses nodes of 8 GPUs",
    ),
    Case(
        rule="V-P3",
        severity="warning",
        bad=R(parallel=TP4, gpu=sample.gpu((8, 9), link="none", link_bytes_per_s=0.0)),
        good=R(parallel=TP2, gpu=sample.gpu((8, 9), link="none", link_bytes_per_s=0.0)),
        says="PCIe-only",
    ),
    Case(
        rule="V-P3", severity="warning", bad=R(parallel=Parallelism(tp=3)), good=R(parallel=TP4), says="world size: 3"
    ),
    Case(
        rule="V-P4",
        severity="error",
        bad=R(parallel=Parallelism(tp=2, ep=True)),
        good=R(model=SMALL_MOE, parallel=Parallelism(tp=2, ep=True)),
        says="Number of experts in the model must be greater than 0",
    ),
    Case(
        rule="L-TP",
        severity="error",
        bad=R(engine=LLAMA, parallel=TP2),
        good=R(engine=LLAMA, parallel=Parallelism(pp=2)),
        says="no tensor parallelism",
    ),
    Case(
        rule="V-S2",
        severity="error",
        bad=R(settings=sample.settings(max_num_batched_tokens=63)),
        good=R(settings=sample.settings(max_num_batched_tokens=64)),
        says="max_num_batched_tokens (63) must be greater than or equal to max_num_seqs (64).",
    ),
    Case(
        rule="V-S3",
        severity="error",
        bad=R(settings=sample.settings(max_model_len=131073)),
        good=R(settings=sample.settings(max_model_len=131072)),
        says="User-specified max_model_len (131073) is greater than the derived max_model_len (131072).",
    ),
    Case(
        rule="V-L1",
        severity="error",
        bad=adapters(600),
        good=adapters(64),
        says="LoRA rank 600 is greater than max_lora_rank 512.",
    ),
    Case(rule="V-L1", severity="advice", bad=adapters(24), good=adapters(32), says="set aside for rank 32"),
    Case(rule="V-L1", severity="error", bad=adapters(16, engine=LLAMA), good=adapters(16), says="no LoRA adapters"),
    Case(
        rule="V-O1",
        severity="warning",
        bad=R(offload=Offload(kind="weights", host_weight_bytes=2**33)),
        good=R(),
        says="8.0 GiB of weights cross PCIe",
    ),
    Case(
        rule="V-O1",
        severity="error",
        bad=R(offload=Offload(kind="weights"), engine=sample.engine(host_weights=False)),
        good=R(engine=sample.engine(host_weights=False)),
        says="keeps no weights",
    ),
    Case(
        rule="O-1",
        severity="error",
        bad=R(offload=Offload(kind="layers", host_layers=4)),
        good=R(offload=Offload(kind="layers", host_layers=4), engine=sample.engine("llama-cpp", host_layers=True)),
        says="no layers on the CPU",
    ),
    Case(
        rule="O-1",
        severity="error",
        bad=R(offload=Offload(kind="layers", host_layers=40), engine=sample.engine(host_layers=True)),
        good=R(offload=Offload(kind="layers", host_layers=32), engine=sample.engine(host_layers=True)),
        says="the model has 32",
    ),
    Case(
        rule="O-1",
        severity="error",
        bad=R(offload=Offload(kind="kv"), engine=sample.engine(host_kv=False)),
        good=R(offload=Offload(kind="kv")),
        says="no KV blocks",
    ),
    Case(
        rule="L-1",
        severity="advice",
        bad=R(engine=LLAMA),
        good=R(engine=LLAMA, settings=sample.settings(max_num_seqs=1)),
        says="needs -c 524288",
    ),
    Case(
        rule="L-Q",
        severity="error",
        bad=R(engine=replace(LLAMA, weight_formats=sample.engine().weight_formats), weights="gguf-q4_k_m"),
        good=R(engine=replace(LLAMA, weight_formats=sample.engine().weight_formats), weights="bf16"),
        says="does not run weights in gguf-q4_k_m",
    ),
    Case(
        rule="T-5",
        severity="error",
        bad=R(engine=replace(TRT, weight_formats={}), weights="gguf-q4_k_m"),
        good=R(engine=TRT),
        says="does not read GGUF",
    ),
    Case(
        rule="T-5",
        severity="warning",
        bad=R(engine=TRT, model=MLA, gpu=AMPERE),
        good=R(engine=TRT, model=MLA),
        says="KV reuse and chunked prefill",
    ),
    Case(
        rule="model-note",
        severity="warning",
        bad=R(model=replace(sample.model(), notes=("no tower", "no drafts"))),
        good=R(),
        says="no tower; no drafts.",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.severity}")
def test_rule_fires_on_the_bad_one_and_not_on_its_mended_twin(case: Case) -> None:
    found = [result for result in checks.run(case.bad) if (result.id, result.severity) == (case.rule, case.severity)]
    assert any(case.says in result.message for result in found), checks.run(case.bad)
    assert all(result.fix and result.source for result in found)
    mended = [result for result in checks.run(case.good) if (result.id, result.severity) == (case.rule, case.severity)]
    assert not mended


def test_the_good_replica_is_silent() -> None:
    assert checks.run(sample.replica()) == ()
    assert checks.run(sample.replica(parallel=TP8)) == ()


def test_errors_come_first() -> None:
    bad = sample.replica(weights="awq-int4", settings=sample.settings(max_num_seqs=256, max_num_batched_tokens=128))
    severities = [result.severity for result in checks.run(bad)]
    assert severities == ["error", "advice"]


def test_later_chips_of_a_built_generation_run() -> None:
    for capability in ((8, 7), (10, 3), (12, 1)):
        assert not [result for result in checks.run(sample.replica(gpu=sample.gpu(capability))) if result.id == "V-A1"]


def test_modules_kept_in_16_bit_need_not_divide_into_groups() -> None:
    group = LayerGroup(count=80, mixers=(sample.gqa(64, 8, 128, 8192),), feed_forward=sample.dense(29568, 8192))
    kept = sample.model(layers=80)
    kept = replace(kept, layers=(group,), checkpoint_format="awq-int4", unquantized_modules=("mlp.down_proj",))

    def found(model: ModelSpec, weights: str = "awq-int4") -> set[str]:
        return {result.id for result in checks.run(sample.replica(model=model, weights=weights, parallel=TP2))}

    assert "V-Q1" not in found(kept)
    assert "V-Q1" in found(replace(kept, unquantized_modules=()))
    assert "V-Q1" in found(kept, "gptq-int4"), "another format than the checkpoint's converts every module"
    assert "V-Q1" in found(replace(kept, unquantized_modules=("mlp.down",))), "a path is not part of another's name"


def test_an_unknown_engine_gets_the_rules_for_all() -> None:
    other = sample.replica(engine=sample.engine("new-engine"), settings=sample.settings(max_model_len=200_000))
    assert [result.id for result in checks.run(other)] == ["V-S3"]
    noted = replace(other, model=replace(other.model, notes=("a part is not counted",)))
    assert [result.id for result in checks.run(noted)] == ["V-S3", "model-note"]
