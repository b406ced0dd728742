"""Documentation that a reader can follow: links lead somewhere, commands and flags exist, no page is lost."""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from llmplan.cli import _app
from llmplan.emit import llama_cpp
from llmplan.emit.vllm_flags import VLLM_FLAGS
from llmplan.plan.deployment import STRATEGY_IDS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
GENERATED = "docs/reference/cli.md"

FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
ENGINE_FLAGS = {
    "--config", "--cpu-offload-gb", "--fit", "--fit-target", "--lora-modules", "--n-gpu-layers", "--ubatch-size",
}  # fmt: skip
"""Flags of engines that pages name besides those that are emitted."""


@cache
def commands() -> dict[str, set[str]]:
    """Every command, subcommands as `catalog list`, with its flags."""
    found: dict[str, set[str]] = {}

    def walk(command: Any, path: str) -> None:
        found[path] = {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)}
        found[path] |= {"--help", "-h"}
        for name, child in getattr(command, "commands", {}).items():
            walk(child, f"{path} {name}".strip())

    walk(typer.main.get_command(_app.build()), "")
    return found


def written_commands(text: str) -> Iterator[str]:
    """Everything after `llmplan` in fenced lines and in code spans that start with it."""
    fenced = "".join(FENCE.findall(text)).replace("\\\n", " ").splitlines()
    spans = INLINE.findall(FENCE.sub("", text))
    for line in (*fenced, *spans):
        for part in re.split(r";|\|\||&&", line):
            words = re.match(r"^\s*(?:\$ )?llmplan(?:$|\s+(.*))", part)
            if words:
                yield (words[1] or "").split("   #")[0]


def complaint(written: str) -> str | None:
    """What is wrong with one written command."""
    words = [word for word in shlex.split(written, comments=True) if word.strip("….")]
    known = commands()
    path = " ".join(words[:2]) if " ".join(words[:2]) in known else "".join(words[:1])
    if words and words[0].startswith("-"):
        path = ""
    if path not in known:
        return f"no command {path!r}"
    flags = [word.strip("[]").split("=")[0] for word in words if word.strip("[").startswith("-")]
    unknown = [flag for flag in flags if flag not in known[path]]
    return f"llmplan {path} has no {', '.join(unknown)}" if unknown else None


def anchors(page: Path) -> set[str]:
    """GitHub's anchors of a page's headings."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("name", NAMES)
def test_commands_exist_with_their_flags(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    complaints = [f"{written}: {found}" for written in written_commands(text) if (found := complaint(written))]
    assert not complaints


@pytest.mark.parametrize("name", [name for name in NAMES if name != GENERATED])
def test_flags_that_are_named_exist(name: str) -> None:
    ours = set().union(*commands().values())
    engines = {*VLLM_FLAGS, *llama_cpp.OPTIONS, *ENGINE_FLAGS}
    spans = " ".join(INLINE.findall(FENCE.sub("", (ROOT / name).read_text(encoding="utf-8"))))
    assert set(FLAG.findall(spans)) <= ours | engines


def test_a_wrong_command_is_noticed() -> None:
    assert complaint("recomend MODEL") == "no command 'recomend'"
    assert complaint("recommend MODEL --ttft 3") == "llmplan recommend has no --ttft"
    assert complaint("catalog list gpus") is None


def test_no_page_is_lost() -> None:
    """Every page is reached by links from the README, the contributing guide or the overview."""
    starts = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", DOCS / "how-it-works" / "README.md")
    reached, waiting = set[Path](), list(starts)
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.is_file():
            continue
        reached.add(page)
        targets = LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
        waiting += [(page.parent / target.split("#")[0]).resolve() for target in targets if ":" not in target]
    assert not [name for name in NAMES if ROOT / name not in reached and name != "CHANGELOG.md"]


def test_one_page_per_strategy() -> None:
    assert {page.stem for page in (DOCS / "strategies").glob("*.md")} == set(STRATEGY_IDS)


def test_paths_of_the_source_exist() -> None:
    """A page never points at a file of ours that has gone."""
    missing = []
    for page in PAGES:
        for span in INLINE.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
            ours = re.fullmatch(r"(?:src/llmplan|tests|scripts|benchmarks|profiles|docs)/[\w./@-]+\.\w+", span)
            if ours and not (ROOT / span).exists():
                missing.append(f"{page.name}: {span}")
    assert not missing


def test_the_answer_in_the_readme_is_the_real_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("COLUMNS", "LLMPLAN_CATALOG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    updated = runpy.run_path(str(ROOT / "scripts" / "make_readme_example.py"))["updated"]
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert page == updated(page), "run python scripts/make_readme_example.py"
