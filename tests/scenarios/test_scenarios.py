"""Six end-to-end cases: what an expert accepts, and what an answer must never say.

The cases are public situations (a seed startup, a bank with A10s, one RTX 4090, DeepSeek-R1, a steady product, a
student's T4); the accepted answers and the limits in numbers are an expert's, with the sources that he names.
"""

from __future__ import annotations

import pytest

from llmplan.plan.outcome import Option, Rejection
from llmplan.plan.plan import Plan
from llmplan.planner import recommend
from llmplan.spec.catalog import Catalog
from llmplan.spec.inventory import Inventory, NodeGroup
from llmplan.units import GB, GIB
from tests_support import Ask, chosen_replica, options_of, with_gpus


class TestBurstyChatOfASeedStartup:
    """Two requests a minute, 1000 in, 300 out, TTFT p95 of 2 s (runpod/docs PR 253, vllm-serverless cold starts)."""

    @pytest.fixture(scope="class")
    @classmethod
    def plan(cls, catalog: Catalog, ask: Ask) -> Plan:
        return recommend(ask("meta-llama/Llama-3.1-8B-Instruct", requests_per_s=2 / 60, ttft_p95_s=2.0), catalog)

    def test_a_token_api_or_one_small_warm_gpu(self, plan: Plan) -> None:
        option = plan.chosen
        assert option is not None
        if option.deployment.replica is not None:
            assert option.deployment.gpus == 1
            assert option.deployment.replica.gpu.memory_bytes <= 25 * GIB
        else:
            assert plan.recommended == "serverless"
            assert option.deployment.purchase.kind == "tokens"

    def test_scale_to_zero_is_never_both_cheap_and_quick(self, catalog: Catalog, ask: Ask) -> None:
        """Two requests an hour: whoever may wait pays for the minutes of use, whoever may not for every hour."""
        model, own = "meta-llama/Llama-3.1-8B-Instruct", {"requests_per_s": 2 / 3600, "privacy": "private"}
        quick, patient = (
            recommend(ask(model, ttft_p95_s=ttft_p95_s, **own), catalog).outcomes["serverless"]
            for ttft_p95_s in (2.0, None)
        )
        assert isinstance(quick, Option)
        assert isinstance(patient, Option)
        assert {quick.deployment.purchase.kind, patient.deployment.purchase.kind} == {"serverless"}
        assert quick.cold["cold_request_share"] <= 0.05
        assert patient.cold["cold_request_share"] > 0.05
        assert patient.quote.usd_per_month < quick.quote.usd_per_month

    def test_a_gpu_of_ones_own_is_not_priced_per_token_as_if_full(self, plan: Plan) -> None:
        row = plan.outcomes["dedicated"]
        assert isinstance(row, Option)
        tokens_per_month = 2 / 60 * 1300 * 730 * 3600
        assert row.quote.input_tokens_per_month + row.quote.output_tokens_per_month == pytest.approx(tokens_per_month)

    def test_own_weights_get_one_warm_small_gpu(self, catalog: Catalog, ask: Ask) -> None:
        plan = recommend(
            ask("meta-llama/Llama-3.1-8B-Instruct", requests_per_s=2 / 60, ttft_p95_s=2.0, privacy="private"), catalog
        )
        option = plan.chosen
        assert option is not None
        assert option.deployment.replica is not None
        assert option.deployment.gpus == 1
        assert option.deployment.replica.parallel.tp == 1
        assert not option.deployment.replica.gpu.id.startswith(("h100", "h200", "b200"))


class TestBankWithSixteenA10:
    """Air-gapped, four nodes of four A10 24 GB over PCIe and Ethernet; 70B, 40 in flight, 8k context."""

    @pytest.fixture(scope="class")
    @classmethod
    def plan(cls, catalog: Catalog, ask: Ask) -> Plan:
        have = Inventory(groups=(NodeGroup(nodes=4, gpus_per_node=4, gpu_id="a10-24gb"),))
        return recommend(
            ask(
                "meta-llama/Llama-3.3-70B-Instruct", concurrency=40, isl=7168, osl=1024, context_tokens=8192,
                inventory=have, privacy="air-gapped",
            ),
            catalog,
        )  # fmt: skip

    def test_four_bits_tp4_one_replica_per_node(self, plan: Plan) -> None:
        replica = chosen_replica(plan)
        assert replica.weights.bits == 4
        assert replica.weights.family == "int4"
        assert (replica.parallel.tp, replica.parallel.pp) == (4, 1)
        assert plan.chosen is not None
        assert plan.chosen.deployment.replicas == 4

    def test_weights_and_cache_per_gpu(self, plan: Plan) -> None:
        """9.3 GiB of weights and 80 KiB of cache per token on each GPU; 14 to 16 requests of 8k on a node."""
        assert plan.chosen is not None
        memory = plan.chosen.memory
        assert memory is not None
        assert memory.weights_bytes / GIB == pytest.approx(9.3, abs=0.25)
        assert memory.kv_bytes_per_token == 80 * 1024
        assert 13 <= memory.capacity_tokens / 8192 <= 17

    def test_nothing_that_the_hardware_cannot_do(self, plan: Plan) -> None:
        for option in options_of(plan):
            replica = option.deployment.replica
            assert replica is not None, "a hosted API for an air-gapped bank"
            assert replica.weights.id not in ("nvfp4", "mxfp4")
            assert replica.kv.id != "fp8"
            assert replica.parallel.gpus <= 4, "a replica across Ethernet"
            if not replica.weights.is_quantized:
                assert replica.offload is not None, "16-bit 70B on 96 GB"

    def test_serverless_is_rejected_for_a_reason(self, plan: Plan) -> None:
        row = plan.outcomes["serverless"]
        assert isinstance(row, Rejection)
        assert "own hardware" in row.reason


class TestOneConsumerGpu:
    """One RTX 4090 24 GB with 64 GB of dual-channel DDR5; 70B for one user."""

    @pytest.fixture(scope="class")
    @classmethod
    def plan(cls, catalog: Catalog, ask: Ask) -> Plan:
        have = with_gpus(1, 1, "rtx-4090-24gb", ram_bytes=64 * GIB, ram_bytes_per_s=75 * GB)
        return recommend(
            ask("meta-llama/Llama-3.3-70B-Instruct", concurrency=1, inventory=have),
            catalog,
        )

    def test_hybrid_with_llama_cpp(self, plan: Plan) -> None:
        assert plan.recommended == "hybrid_offload"
        replica = chosen_replica(plan)
        assert replica.engine.id == "llama-cpp"
        assert replica.weights.id == "gguf-q4_k_m"
        assert replica.offload is not None
        assert replica.offload.kind == "layers"
        assert 0.4 <= 1 - replica.offload.host_layers / replica.model.layer_count <= 0.55

    def test_two_to_five_tokens_per_second(self, plan: Plan) -> None:
        assert plan.chosen is not None
        estimate = plan.chosen.estimate
        assert estimate is not None
        assert 2 <= 1 / estimate.tpot_s.mid <= 5
        assert 1 / estimate.tpot_s.low <= 6

    def test_it_is_never_said_to_fit_at_four_bits(self, plan: Plan) -> None:
        assert isinstance(plan.outcomes["quantized"], Rejection)
        assert isinstance(plan.outcomes["dedicated"], Rejection)


class TestDeepSeekR1:
    """671B in FP8 on 8 x H200, on 2 x 8 x H100 with InfiniBand, and on 8 x H100."""

    def ask_on(self, catalog: Catalog, ask: Ask, have: Inventory, network: float | None = None) -> Plan:
        return recommend(
            ask(
                "deepseek-ai/DeepSeek-R1",
                concurrency=16,
                isl=2000,
                osl=1000,
                inventory=have,
                network_bytes_per_s=network,
            ),
            catalog,
        )

    def test_one_node_of_h200(self, catalog: Catalog, ask: Ask) -> None:
        replica = chosen_replica(self.ask_on(catalog, ask, with_gpus(1, 8, "h200-sxm-141gb")))
        assert replica.weights.family == "fp8"
        assert replica.parallel.gpus == 8

    def test_two_nodes_of_h100_with_infiniband(self, catalog: Catalog, ask: Ask) -> None:
        replica = chosen_replica(self.ask_on(catalog, ask, with_gpus(2, 8, "h100-sxm-80gb"), network=400 * GB / 8))
        if replica.weights.family == "fp8":
            assert replica.parallel.gpus == 16
            assert replica.parallel.tp <= 16
        else:
            assert replica.weights.bits == 4

    def test_eight_h100_do_not_hold_it_in_fp8(self, catalog: Catalog, ask: Ask) -> None:
        plan = self.ask_on(catalog, ask, with_gpus(1, 8, "h100-sxm-80gb"))
        for option in options_of(plan):
            replica = option.deployment.replica
            assert replica is not None
            assert replica.weights.bits == 4 or replica.offload is not None
        row = plan.outcomes["dedicated"]
        assert isinstance(row, Rejection)

    def test_latent_cache_is_not_divided_by_tp(self, catalog: Catalog, ask: Ask) -> None:
        """61 layers x 576 elements x 2 bytes = 68.6 KiB per token, on every rank."""
        plan = self.ask_on(catalog, ask, with_gpus(1, 8, "h200-sxm-141gb"))
        assert plan.chosen is not None
        memory = plan.chosen.memory
        assert memory is not None
        assert memory.kv_bytes_per_token == pytest.approx(61 * 576 * 2, rel=1e-9)


class TestSteadyProduct:
    """Llama-3.3-70B around the clock at 15 requests a second, 1000 in, 300 out, TTFT p95 of 1.5 s."""

    @pytest.fixture(scope="class")
    @classmethod
    def plan(cls, catalog: Catalog, ask: Ask) -> Plan:
        return recommend(ask("meta-llama/Llama-3.3-70B-Instruct", requests_per_s=15, ttft_p95_s=1.5), catalog)

    def test_a_dedicated_fleet_of_hopper_replicas_in_fp8_with_a_spare(self, plan: Plan) -> None:
        assert plan.recommended == "dedicated"
        replica = chosen_replica(plan)
        assert replica.gpu.architecture == "Hopper"
        assert replica.weights.family == "fp8"
        assert replica.parallel.tp in (2, 4)
        assert plan.chosen is not None
        assert plan.chosen.deployment.replicas is not None
        assert plan.chosen.deployment.replicas >= 3

    def test_sized_below_seventy_per_cent_and_below_the_bandwidth_bound(self, plan: Plan) -> None:
        assert plan.chosen is not None
        estimate, memory = plan.chosen.estimate, plan.chosen.memory
        replica = chosen_replica(plan)
        assert estimate is not None
        assert memory is not None
        assert estimate.utilization <= 0.7 + 1e-6
        bound_s = memory.weights_bytes / replica.gpu.memory_bandwidth_bytes_per_s
        assert estimate.tpot_s.low >= bound_s

    def test_committed_and_on_demand_are_compared(self, plan: Plan) -> None:
        assert plan.chosen is not None
        terms = {
            line.figure.term for line in (*plan.chosen.quote.lines, *plan.chosen.quote.alternatives) if line.figure
        }
        assert "on-demand" in terms
        assert any(term.startswith("reserved") for term in terms)


class TestStudentWithAT4:
    """Serve an 8B on one T4 16 GB: FP16, 4-bit weights, FP16 cache; never bf16, FP8 cache or TensorRT-LLM."""

    @pytest.fixture(scope="class")
    @classmethod
    def plan(cls, catalog: Catalog, ask: Ask) -> Plan:
        return recommend(
            ask("meta-llama/Llama-3.1-8B-Instruct", concurrency=1, inventory=with_gpus(1, 1, "t4-16gb")), catalog
        )

    def test_four_bit_weights_or_llama_cpp(self, plan: Plan) -> None:
        replica = chosen_replica(plan)
        assert replica.engine.id in ("vllm", "llama-cpp")
        assert replica.weights.bits < 5

    def test_nothing_that_turing_lacks(self, plan: Plan) -> None:
        for option in options_of(plan):
            replica = option.deployment.replica
            assert replica is not None
            assert replica.kv.id == "fp16"
            assert replica.weights.id not in ("bf16", "mxfp4", "nvfp4")
            assert replica.engine.id != "tensorrt-llm"
