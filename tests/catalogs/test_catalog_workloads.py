"""Named workloads and a user's own workload.yaml."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from llmplan.catalogs import packaged_profiles, read_workload_file, read_workload_slo
from llmplan.catalogs.workloads import workload_library
from llmplan.errors import DataError
from llmplan.spec.workload import Lengths, Slo


def user_file(folder: Path, text: str) -> Path:
    path = folder / "chat.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_users_file_needs_neither_id_nor_sources(tmp_path: Path) -> None:
    path = user_file(tmp_path, "requests_per_s: 15\ninput_tokens: 1000\noutput_tokens: 300\ntenants: 4\n")
    workload = read_workload_file(path)
    assert (workload.id, workload.requests_per_s, workload.tenants) == ("chat", 15.0, 4)
    assert workload.input_tokens == Lengths(mean=1000.0)
    assert workload.provenance["requests_per_s"].source.id == "user"
    assert read_workload_slo(path) == Slo()


def test_a_users_file_may_look_like_a_catalogue_entry_and_promise_latency(tmp_path: Path) -> None:
    text = (
        "id: Our Chat!\nname: Our chat\nslo: {ttft_p95_ms: 2000, tpot_p95_ms: 50}\nfigures:\n  concurrency: 40\n"
        "  input_tokens: {value: 900, source: logs}\n  input_p50_tokens: 700\n  input_p90_tokens: 2000\n"
        "  input_p99_tokens: 4000\n  output_tokens: 200\nsources:\n  logs: {title: our logs, retrieved: 2026-11-01}\n"
    )
    path = user_file(tmp_path, text)
    workload = read_workload_file(path)
    assert (workload.name, workload.concurrency, workload.requests_per_s) == ("Our chat", 40.0, None)
    assert workload.input_tokens == Lengths(mean=900.0, p50=700.0, p90=2000.0, p99=4000.0)
    assert workload.provenance["input_tokens"].source.title == "our logs"
    assert read_workload_slo(path) == Slo(ttft_p95_s=2.0, tpot_p95_s=0.05)


def test_a_users_workload_may_use_the_names_of_the_flags(tmp_path: Path) -> None:
    flags = "requests_per_second: 2\nisl: 1500\nosl: 250\nburstiness: 2\nttft_p95_ms: 1500\n"
    figures = (
        "requests_per_s: 2\ninput_tokens: 1500\noutput_tokens: 250\ncv_interarrival: 2\nslo: {ttft_p95_ms: 1500}\n"
    )
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = user_file(tmp_path / "a", flags), user_file(tmp_path / "b", figures)
    assert replace(read_workload_file(one), provenance={}) == replace(read_workload_file(other), provenance={})
    assert read_workload_slo(one) == read_workload_slo(other) == Slo(ttft_p95_s=1.5)


def test_an_unknown_key_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="input: unknown key") as caught:
        read_workload_file(user_file(tmp_path, "requests_per_second: 2\ninput: 1500\nosl: 250\n"))
    assert "isl, osl" in caught.value.hints[0]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("requests_per_s: -1\ninput_tokens: 1\noutput_tokens: 1\n", ":1:1", "negative"),
        ("requests_per_s: 0\ninput_tokens: 1\noutput_tokens: 1\n", ":1:1", "more than zero"),
        ("requests_per_s: 1\ninput_tokens: 1\n", ":1:1", "output_tokens: this figure is required"),
        ("rps: 1\ninput_tokens: 1\noutput_tokens: 1\n", ":1:1", "rps: unknown key"),
        ("input_tokens: 1\noutput_tokens: 1\nidle_share: 1.5\n", ":3:1", "between 0 and 1"),
        ("input_tokens: 1\noutput_tokens: 1\npeak_to_mean: 0.5\n", ":3:1", "1 or more"),
        ("input_tokens: 1\noutput_tokens: 1\nhours_per_day: 25\n", ":3:1", "24 hours"),
        ("input_tokens: 1\noutput_tokens: 1\nconcurrency: 1\nrequests_per_s: 2\n", ":3:1", "not both"),
        ("input_tokens: 1\ninput_p50_tokens: 9\ninput_p90_tokens: 5\noutput_tokens: 1\n", ":3:1", "less than"),
        ("input_tokens: many\noutput_tokens: 1\n", ":1:1", "a number is expected"),
        ("input_tokens: 1\noutput_tokens: 1\nslo: {ttft_ms: 5}\n", ":3:7", "unknown key"),
        ("input_tokens: 1\noutput_tokens: 1\nslo: {ttft_p95_ms: 0}\n", ":3:7", "greater than 0"),
        ("figures: 7\n", ":1:1", "a mapping"),
        ("aliases: [x]\ninput_tokens: 1\noutput_tokens: 1\n", ":1:1", "belong to catalogue entries"),
    ],
)
def test_what_is_refused_and_where(tmp_path: Path, text: str, where: str, what: str) -> None:
    with pytest.raises(DataError) as caught:
        read_workload_file(user_file(tmp_path, text))
    assert f"chat.yaml{where}: " in caught.value.message
    assert what in caught.value.message


@pytest.mark.parametrize(
    ("name", "rate", "input_lengths", "output_lengths"),
    [
        ("azure-code", 2.57, (1469, 5187, 7436), (13, 55, 251)),
        ("azure-conversation", 5.53, (1020, 2734, 4142), (129, 424, 601)),
        ("mooncake-conversation", 3.40, (6909, 27367, 85400), (350, 597, 1118)),
    ],
)  # fmt: skip
def test_workloads_agree_with_published_statistics_of_their_traces(
    name: str, rate: float, input_lengths: tuple[int, ...], output_lengths: tuple[int, ...]
) -> None:
    workload = workload_library((packaged_profiles(),))[name]
    assert workload.requests_per_s == pytest.approx(rate, abs=0.01)
    for lengths, stated in ((workload.input_tokens, input_lengths), (workload.output_tokens, output_lengths)):
        assert (lengths.p50, lengths.p90, lengths.p99) == pytest.approx(stated, abs=1)


def test_the_bursty_the_steady_and_the_prefix_sharing_workload_are_what_they_are_for() -> None:
    workloads = workload_library((packaged_profiles(),))
    assert len(workloads) >= 6
    assert workloads["bursty"].peak_to_mean == pytest.approx(34, abs=0.5)
    assert workloads["bursty"].idle_share == pytest.approx(0.40, abs=0.005)
    assert workloads["servegen-large"].peak_to_mean == pytest.approx(1.86, abs=0.01)
    assert workloads["servegen-large"].requests_per_s == pytest.approx(196, abs=0.5)
    assert workloads["mooncake"].prefix_share == pytest.approx(0.37, abs=0.005)
    assert workloads["azure-code"].cv_interarrival == pytest.approx(13.2, abs=0.06)
    assert workloads["chat"].requests_per_s is None
