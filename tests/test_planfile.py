"""`plan.yaml`: written whole or not at all, read back equal, and anything else refused in one sentence."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import plan_samples as sample
from llmplan import planfile
from llmplan.errors import DataError, LlmplanError
from llmplan.plan.document import to_document
from llmplan.planfile import digest, read_plan, render_plan_text, write_plan

LAUGHS = b"a: &a [x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (n, n, b", ".join([b"*%c" % (n - 1)] * 9)) for n in b"bcdefgh"
)
"""a few lines that stand for nine million values"""


def written(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    write_plan(sample.plan(), path)
    return path


def test_a_plan_is_read_back_equal(tmp_path: Path) -> None:
    assert read_plan(written(tmp_path)) == sample.plan()
    assert [file.name for file in tmp_path.iterdir()] == ["plan.yaml"]


def test_the_same_plan_is_the_same_bytes() -> None:
    assert render_plan_text(sample.plan()) == render_plan_text(sample.plan())


def test_question_and_rows_come_first_entities_and_digest_last(tmp_path: Path) -> None:
    text = written(tmp_path).read_text(encoding="utf-8")
    keys = [line.split(":")[0] for line in text.splitlines() if line[:1].isalpha()]
    assert keys[:3] == ["schema", "question", "strategies"]
    assert keys[-2:] == ["entities", "digest"]
    assert text.startswith("#")
    assert "&id" not in text


def test_the_json_of_recommend_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(to_document(sample.plan())), encoding="utf-8")
    assert read_plan(path) == sample.plan()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.text(max_size=40))
def test_any_text_survives_yaml(text: str, tmp_path: Path) -> None:
    plan = sample.plan(reasons=(text,), made_with=text)
    path = tmp_path / "any.yaml"
    write_plan(plan, path, force=True)
    assert read_plan(path) == plan


def test_an_existing_file_is_kept_without_force(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(LlmplanError, match="is there already") as caught:
        write_plan(sample.plan(), path)
    assert "--force" in caught.value.hints[0]
    assert path.read_text(encoding="utf-8") == "mine"
    write_plan(sample.plan(), path, force=True)
    assert read_plan(path) == sample.plan()


def test_file_mode_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert stat.S_IMODE(written(tmp_path).stat().st_mode) == 0o640
    finally:
        os.umask(before)


def test_a_missing_folder_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(LlmplanError, match="there is no folder") as caught:
        write_plan(sample.plan(), tmp_path / "no" / "plan.yaml")
    assert caught.value.hints[0].startswith("mkdir -p")
    with pytest.raises(LlmplanError, match="is a folder"):
        write_plan(sample.plan(), tmp_path, force=True)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("old", encoding="utf-8")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(planfile.os, step, full)
    with pytest.raises(LlmplanError, match="No space left on device") as caught:
        write_plan(sample.plan(), path, force=True)
    assert "df -h" in caught.value.hints[0]
    assert [(file.name, file.read_text(encoding="utf-8")) for file in tmp_path.iterdir()] == [("plan.yaml", "old")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("force", [False, True])
def test_a_device_is_written_to_and_not_replaced(force: bool) -> None:
    with pytest.raises(LlmplanError, match="No space left") as caught:
        write_plan(sample.plan(), "/dev/full", force=force)
    assert "df -h" in caught.value.hints[0]
    assert Path("/dev/full").is_char_device()


def test_a_link_keeps_pointing_at_the_file_that_it_names(tmp_path: Path) -> None:
    link, target = tmp_path / "link.yaml", tmp_path / "plan.yaml"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target.name)
    write_plan(sample.plan(), link, force=True)
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == render_plan_text(sample.plan())


def test_a_hand_edited_plan_is_refused_unless_allowed(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("max_num_seqs: 64", "max_num_seqs: 32"), encoding="utf-8")
    with pytest.raises(DataError, match="changed by hand") as caught:
        read_plan(path)
    assert "--force" in caught.value.hints[0]
    chosen = read_plan(path, allow_edited=True).chosen
    assert chosen is not None
    assert chosen.deployment.replica is not None
    assert chosen.deployment.replica.settings.max_num_seqs == 32


def test_comments_and_key_order_are_no_edits(tmp_path: Path) -> None:
    path = written(tmp_path)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text("# mine\n" + yaml.safe_dump(document, sort_keys=True), encoding="utf-8")
    assert read_plan(path) == sample.plan()


def test_every_truncation_is_one_clear_error(tmp_path: Path) -> None:
    path = written(tmp_path)
    whole = path.read_bytes()
    for length in (*range(0, len(whole) - 1, max(1, len(whole) // 60)), len(whole) - 10):
        path.write_bytes(whole[:length])
        with pytest.raises(LlmplanError) as caught:
            read_plan(path)
        assert str(path) in caught.value.message
        assert caught.value.hints


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a plan"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"kind: Deployment\n", "not a plan"),
        (b"schema: llmplan.recommend/v2\n", "does not know"),
        (b"schema: llmplan.recommend/v1\nquestion: {\n", r"plan\.yaml:3:1: not valid YAML"),
        (b"a: !!python/object:os.system {}\n", "not valid YAML"),
        (b"schema: llmplan.recommend/v1\ndigest: sha256:0\nwhen: 2026-01-01\n", "a value that no plan has"),
        (LAUGHS, "more than"),
        (b"[" * 5000, "not valid"),
        (b"a: &a [*a]\n", "nested|not a plan"),
    ],
)
def test_what_is_not_a_plan_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_plan(path)
    assert str(path) in caught.value.message


def test_a_missing_and_an_oversized_file(tmp_path: Path) -> None:
    with pytest.raises(LlmplanError, match="there is no plan file") as caught:
        read_plan(tmp_path / "plan.yaml")
    assert "llmplan recommend" in caught.value.hints[0]
    with pytest.raises(LlmplanError, match="cannot read"):
        read_plan(tmp_path)
    large = tmp_path / "large.yaml"
    with large.open("wb") as stream:
        stream.truncate(planfile.MAX_BYTES + 1)
    with pytest.raises(DataError, match="larger than 16 MiB"):
        read_plan(large)


def test_digest_ignores_key_order() -> None:
    assert digest({"a": 1, "b": [1.5, None]}) == digest({"b": [1.5, None], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
