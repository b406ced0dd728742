"""Lengths where an engine counts tokens and no requests: those of the plan, if tokens are in that proportion."""

from __future__ import annotations

import pytest

import plan_samples
import served_samples as samples
from llmplan.measurements.served.reading import read_look
from llmplan.plan.load import Load
from llmplan.plan.served.comparing import compare
from llmplan.plan.served.expected import Expected
from llmplan.plan.served.points import rows
from llmplan.plan.served.remarks import remarks
from llmplan.plan.served.seen import Seen, see
from llmplan.spec.workload_lengths import Lengths
from served_samples import LLAMA_PROPS, Served

START = Served(requests=100.0, input_tokens=400.0, output_tokens=100.0, tpot_s=0.02)


def load(isl: float, osl: float) -> Load:
    return Load(kind="concurrency", value=8.0, input_tokens=Lengths.fixed(isl), output_tokens=Lengths.fixed(osl))


def llama(planned: Load | None, requests: float = 60.0) -> Seen:
    """A llama-server that answered so many requests in 30 s."""
    texts = (samples.llama_cpp(START), samples.llama_cpp(START.after(requests)))
    looks = [read_look(text, {"/props": LLAMA_PROPS}, at_s=30.0 * index) for index, text in enumerate(texts)]
    return see(looks).with_lengths(planned)


def expected(planned: Load | None) -> Expected:
    return Expected(name="plan", replica=plan_samples.replica(), load=planned)


def test_lengths_of_the_plan_where_the_tokens_fit() -> None:
    seen = llama(load(400, 100))
    assert seen.tokens_in_per_out == pytest.approx(4.0)
    # 60 requests of 100 tokens
    assert (seen.requests, seen.answered) == (None, pytest.approx(60.0))
    # Little's law: 6,000 tokens of 20 ms and 24,000 prompt tokens of 0.1 ms in 30 s
    assert seen.load is not None
    assert seen.load.value == pytest.approx((6000 * 0.02 + 24000 * 1e-4) / 30.0)
    assert (seen.load.input_tokens.mean, seen.load.output_tokens.mean) == (400, 100)
    # the first of 100 tokens comes with the prompt: 99 gaps took the time
    assert seen.tpot_after_first_s == pytest.approx(0.02 * 100 / 99)
    assert any(
        "assumed: requests of 400 tokens in and 100 out" in each for each in remarks(seen, expected(load(400, 100)))
    )


@pytest.mark.parametrize("isl", [200, 800])
def test_other_proportions_are_other_traffic(isl: float) -> None:
    seen = llama(load(isl, 100))
    assert (seen.lengths, seen.load, seen.answered) == (None, None, None)
    assert seen.tpot_after_first_s == seen.tpot_s == pytest.approx(0.02)
    said = " ".join(remarks(seen, expected(load(isl, 100))))
    assert "not of the planned lengths" in said
    assert "first ones included" in said
    found = {row.id: row for row in compare(seen, expected(load(isl, 100)), None)}
    assert found["tokens_in_per_out"].verdict == "differs"


def test_cached_prompt_tokens_are_prompt_tokens() -> None:
    """llama.cpp counts apart what its cache held: 24,000 tokens computed, and as many again half of that reused."""
    texts = [samples.llama_cpp(each) for each in (START, START.after(60.0, hits=0.5))]
    seen = see([read_look(text, {}, at_s=float(index)) for index, text in enumerate(texts)])
    assert seen.tokens_in_per_out == pytest.approx((24_000 + 12_000) / 6000)


def test_an_engine_that_counts_requests_keeps_its_own() -> None:
    looks = [read_look(samples.vllm(each), {}, at_s=float(n)) for n, each in enumerate((START, START.after(60.0)))]
    seen = see(looks)
    assert seen.with_lengths(load(400, 100)) is seen
    assert seen.tpot_after_first_s == seen.tpot_s


def test_a_row_for_a_calibration() -> None:
    (row,), skipped = rows([llama(load(400, 100))], None, "now")
    assert not skipped
    assert row["tpot_ms"] == pytest.approx(20.0 * 100 / 99)
    assert (row["isl"], row["osl"], row["requests"]) == (400, 100, 60)
    assert "ttft_ms" not in row
    none, (why,) = rows([llama(None)], None, "now")
    assert not none
    assert "--isl, --osl and --concurrency" in why
    assert rows([llama(load(400, 100), requests=0.0)], None, "now")[1] == ["interval 1: no request was answered"]


def test_what_a_server_does_not_say_is_listed() -> None:
    plan = Expected(name="plan", replica=plan_samples.replica())
    text = samples.vllm(START)
    (said,) = remarks(see([read_look(text, {}, at_s=0.0)]), plan)
    assert said.startswith("not compared, since vllm does not say it: ")
    for absent in ("sequences in a step", "tokens in a step", "weight format (bf16 planned)"):
        assert absent in said
    for stated in ("KV block", "memory fraction", "KV cache format"):
        assert stated not in said


def test_gaps_between_tokens_are_not_a_time_per_token_of_requests() -> None:
    """SGLang has a histogram of gaps: their 95th percentile is under its own name, and beside no prediction."""
    looks = [read_look(samples.sglang(each), {}, at_s=float(n)) for n, each in enumerate((START, START.after(60.0)))]
    found = {row.id: row for row in compare(see(looks), expected(load(400, 100)), None)}
    assert "tpot_p95" not in found
    assert (found["itl_p95"].name, found["itl_p95"].planned) == ("ITL, p95", None)
    assert found["tpot"].observed == pytest.approx(0.02)


def test_tpot_of_a_recorded_server_is_that_of_its_clients() -> None:
    """llama-server on an H200 (2026-11-26, 512 tokens in, 128 out): its counters after 6, 16 and 64 requests of 1, 4
    and 16 clients, whose own means from first to last token were 4.78, 6.50 and 23.63 ms; a short warm-up besides."""
    text = """
llamacpp:prompt_tokens_total 44160
llamacpp:prompt_tokens_cached_total 0
llamacpp:prompt_seconds_total 4.38251
llamacpp:tokens_predicted_total 11040
llamacpp:tokens_predicted_seconds_total 209.097
"""
    seen = see([read_look(text, {})]).with_lengths(load(512, 128))
    assert seen.answered == pytest.approx(6 + 16 + 64, rel=0.005)
    clients_s = (6 * 4.777e-3 + 16 * 6.502e-3 + 64 * 23.628e-3) / 86
    assert seen.tpot_after_first_s == pytest.approx(clients_s, rel=0.005)
    assert seen.tpot_s != pytest.approx(clients_s, rel=0.005), "first tokens counted along make it shorter"
