"""Documentation that a reader can follow: links lead somewhere, commands and flags exist, no page is lost."""

from __future__ import annotations

import json
import re
import runpy
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer

from llmplan.catalogs.engine_flags import read_flags
from llmplan.cli import _app, main
from llmplan.emit import llama_cpp
from llmplan.emit.sglang_flags import SGLANG_FLAGS
from llmplan.emit.vllm_flags import VLLM_FLAGS
from llmplan.plan.deployment import STRATEGY_IDS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
GENERATED = "docs/reference/cli.md"

FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"^`([\w.-]+\.yaml)` is [^\n]*\n\n```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"\.(ya?ml|jsonl?|log|txt|csv)$")
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
ENGINE_FLAGS = {
    "--config", "--cpu-offload-gb", "--disable-cuda-graph", "--enable-dp-attention", "--enable-metrics", "--fit",
    "--fit-target", "--lora-modules", "--metrics", "--n-gpu-layers", "--ubatch-size",
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


def fenced_commands(text: str) -> Iterator[str]:
    """Commands that stand in blocks: what a reader pastes into a shell, not what a sentence mentions."""
    yield from written_commands("\n".join(match[0] for match in FENCE.finditer(text)))


def complaint(written: str) -> str | None:
    """What is wrong with one written command."""
    words = [word for word in shlex.split(written, comments=True) if word.strip("….")]
    words = words[: words.index("--")] if "--" in words else words  # behind it stand another program's
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
    lists = (read_flags(path) for path in (ROOT / "profiles" / "flags").glob("*.yaml"))
    listed = {name for each in lists for name in (*each.flags, *each.gone)}
    engines = {*VLLM_FLAGS, *SGLANG_FLAGS, *llama_cpp.OPTIONS, *ENGINE_FLAGS, *listed}
    spans = " ".join(INLINE.findall(FENCE.sub("", (ROOT / name).read_text(encoding="utf-8"))))
    assert set(FLAG.findall(spans)) <= ours | engines


NEEDS_A_MACHINE = {"hardware", "doctor", "observe"}
"""commands whose answer is about the machine that runs them, or about a server"""
DOCUMENTED_CODES = {"--max-usd-per-month": {0, 4}, "--strict": {0, 4}}
"""exit codes other than 0 with which a flag may answer"""
SMALL_CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "hidden_size": 2048,
    "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8,
    "vocab_size": 128256, "max_position_embeddings": 131072, "tie_word_embeddings": True,
}  # fmt: skip


def can_run(words: list[str]) -> bool:
    """Whether a written command needs nothing but what the page shows: no GPU, network, other file or placeholder."""
    files = [word for before, word in pairwise(["", *words]) if FILE.search(word) and before not in ("-o", "--output")]
    placeholders = [word for word in words if "…" in word or word[:1] in "<["]
    about_here = "--local" in words or bool(words and words[0] in NEEDS_A_MACHINE)
    away = "--source" in words and words[:2] == ["prices", "update"]
    return not about_here and not away and not placeholders and all(Path(file).is_file() for file in files)


def write_files_shown(text: str) -> None:
    """The YAML files that a page shows and names just before, and a model on disk."""
    for name, content in SHOWN.findall(text):
        Path(name).write_text(content, encoding="utf-8")
    config = Path("path/to/config.json")
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps(SMALL_CONFIG), encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in NAMES if any(fenced_commands((ROOT / name).read_text("utf-8")))])
def test_commands_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a page says to type works, in the order in which it stands there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LLMPLAN_CATALOG", raising=False)
    for home in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(home, str(tmp_path))
    text = (ROOT / name).read_text(encoding="utf-8")
    write_files_shown(text)
    failed, ran = [], 0
    for written in dict.fromkeys(fenced_commands(text)):
        words = shlex.split(written, comments=True)
        if not can_run(words):
            continue
        allowed = next((codes for flag, codes in DOCUMENTED_CODES.items() if flag in words), {0})
        code, ran = main(words), ran + 1
        if code not in allowed:
            failed.append(f"{written}: exit {code}: {capsys.readouterr().err}")
    assert not failed
    assert ran >= (12 if name == "README.md" else 0)


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
