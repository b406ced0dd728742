"""`catalog list|show|check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmplan.cli import catalog as command
from llmplan.cli import main
from llmplan.spec.catalog import Catalog
from tests_support import write_uncounted


@pytest.mark.parametrize("kind", command.KINDS)
def test_every_kind_lists(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["catalog", "list", kind]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) > 4
    assert max(map(len, out.splitlines())) <= 80
    assert main(["catalog", "list", kind, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == kind
    assert found["ids"]


def test_the_singular_is_understood_and_a_misspelling_helped(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalog", "list", "GPU"]) == 0
    capsys.readouterr()
    assert main(["catalog", "list", "modles"]) == 2
    assert "did you mean models?" in capsys.readouterr().err


def test_show_gives_each_figure_its_source(capsys: pytest.CaptureFixture[str], catalog: Catalog) -> None:
    assert main(["catalog", "show", "h100"]) == 0
    out = capsys.readouterr().out
    assert "h100-sxm-80gb" in out
    assert "3,350 GB/s" in out
    assert "Sources" in out
    assert main(["catalog", "show", "h100", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["fields"]["memory_bytes"] == catalog.gpus["h100"].memory_bytes
    assert set(found["provenance"]) == set(catalog.gpus["h100"].provenance)


@pytest.mark.parametrize(
    "name", ["vllm", "hgx-8-h100", "meta-llama/llama-3.1-8b-instruct", "azure-conversation", "aws"]
)
def test_show_finds_every_kind(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["catalog", "show", name]) == 0
    out = capsys.readouterr().out
    assert "–" not in out.split("Sources")[0]


def test_show_of_a_format_gives_its_quality_with_sources(capsys: pytest.CaptureFixture[str], catalog: Catalog) -> None:
    assert main(["catalog", "show", "AWQ"]) == 0
    out = capsys.readouterr().out
    assert "format awq-int4" in out
    assert "[2] ModelOpt" in out.split("Sources")[1]
    assert "-5.66 % MMLU of Llama3.1-8B-Instruct" in " ".join(out.split())
    assert "0.75× on H200 with 8 requests of 2048/128" in " ".join(out.split())
    assert main(["catalog", "show", "awq-int4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    quality = catalog.qualities["awq-int4"]
    assert found["kind"] == "format"
    assert found["fields"]["median_quality_change"] == quality.relative_change
    assert found["fields"]["worst_quality_change"] == quality.worst_change
    cited = {each["url"] for each in found["provenance"].values()}
    assert cited == {each.source.url for each in (*quality.figures, *quality.speeds)}


def test_show_of_a_format_without_figures_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalog", "show", "nf4", "--json"]) == 0
    fields = json.loads(capsys.readouterr().out)["fields"]
    assert (fields["median_quality_change"], fields["measurements"]) == (None, 0)
    assert fields["quality"] == "no figures known"
    assert main(["catalog", "show", "awq-int5"]) == 2
    assert "did you mean awq-int4" in capsys.readouterr().err


def test_check_is_of_the_day_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    stale = []
    for day in ("2026-10-20", "2026-11-24"):
        assert main(["catalog", "check", "--as-of", day, "--json"]) == 0
        messages = [each["message"] for each in json.loads(capsys.readouterr().out)["problems"]]
        stale.append([each for each in messages if "days old" in each])
    assert stale[0] != stale[1]


def test_show_of_something_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalog", "show", "h100-smx-80gb"]) == 2
    error = capsys.readouterr().err
    assert "did you mean h100-sxm-80gb" in error


def test_a_layer_of_ones_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "gpus").mkdir()
    (tmp_path / "gpus" / "a10-24gb.yaml").write_text(
        "id: a10-24gb\nextends: a10-24gb\n"
        "figures:\n  tdp_w: {value: 99, source: bench, as_of: 2026-11-01, kind: measured}\n"
        "sources:\n  bench: {title: our own bench}\n"
    )
    assert main(["catalog", "show", "a10", "--catalog", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "99" in out
    assert "our own bench" in out


def test_check_names_the_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "gpus").mkdir()
    broken = tmp_path / "gpus" / "mine.yaml"
    broken.write_text("id: mine\nmemry: 3\n")
    assert main(["catalog", "check", "--catalog", str(tmp_path), "--json"]) == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert any(each["severity"] == "error" and str(broken) in (each["path"] or each["message"]) for each in problems)


def test_a_catalogue_folder_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalog", "list", "gpus", "--catalog", "nowhere"]) == 2
    assert "nowhere is not a folder" in capsys.readouterr().err


def test_show_says_what_of_a_model_is_not_counted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A profile of a model with an encoder of a kind that is not read states its size."""
    write_uncounted(tmp_path)
    assert main(["catalog", "show", "acme/sees", "--catalog", str(tmp_path)]) == 0
    assert "676,550,144 parameters of the vision or audio tower" in " ".join(capsys.readouterr().out.split())
    assert main(["catalog", "show", "acme/sees", "--json", "--catalog", str(tmp_path)]) == 0
    fields = json.loads(capsys.readouterr().out)["fields"]
    assert fields["uncounted_parameters"] == 676_550_144
    assert "tower" in fields["notes"][0]
