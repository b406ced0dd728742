"""Write docs/reference/engine-rules.md: every rule that `llmplan check` knows.

python scripts/make_engine_rules.py            writes the page
python scripts/make_engine_rules.py --check    exits 1 if the page is not up to date
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from llmplan import checks, launchlines
from llmplan.plan.engine_rule import EngineRule

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "engine-rules.md"
INTRODUCTION = """# Engine rules

What an engine refuses or does badly, known before anything is rented. `python scripts/make_engine_rules.py` writes this
page from the rules themselves, and a test keeps it up to date.

Rules on a replica run on every deployment before it is priced (an error becomes the strategy's rejection), and with
`llmplan memory`, `predict` and `emit-config`; all of them run with `llmplan check`, which reviews a launch that exists:

```
llmplan check --gpu l40s -- vllm serve meta-llama/Llama-3.1-8B-Instruct --max-model-len 8192
llmplan check --gpu h100-sxm-80gb --gpus 8 --explain -- vllm serve MODEL --tensor-parallel-size 8 …
llmplan check --gpu h100-sxm-80gb --compose compose.yaml
llmplan check --gpu h100-sxm-80gb --script … --strict
llmplan check --list --engine vllm@0.33
```

An *error* stops the engine, or makes it start otherwise than meant; a *warning* is something that it does badly, or of
which nobody is sure; *advice* is what would be better. "The engine says" is its own text, with `{...}` for what varies.
*Basis* says how the rule is known: read in its code or documents, told in an issue, found in the built package,
measured, derived by arithmetic, stated in a profile of the catalogue, or tried on the engine.
"""


def section(title: str, rules: Iterable[EngineRule]) -> list[str]:
    """One part of the page."""
    lines = ["", f"## {title}", ""]
    for rule in rules:
        scope = [", ".join(rule.engines) or "every engine"]
        scope += [f"versions {rule.versions}"] if rule.versions else []
        scope += [f"GPUs {rule.gpus}"] if rule.gpus else []
        lines += [f"### {rule.id}", "", f"{rule.title}", "", f"- for {'; '.join(scope)}"]
        lines += [f"- can be: {', '.join(rule.severities)}"]
        lines += [f"- the engine says: `{rule.says.replace('`', chr(39))}`"] if rule.says else []
        lines += [f"- source: {rule.source}", f"- basis: {', '.join(rule.basis)}", ""]
    return lines


def page() -> str:
    """The text of the page."""
    count = len(checks.RULES) + len(launchlines.FLAG_RULES)
    lines = [INTRODUCTION.rstrip(), "", f"There are {count} rules."]
    lines += section("On replicas and their launches", checks.RULES)
    lines += section("On how a launch is written", launchlines.FLAG_RULES)
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Write or compare."""
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page() else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
