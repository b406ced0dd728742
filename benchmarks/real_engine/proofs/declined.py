"""Plans that a target cannot hold, as llmplan says when asked: counted, and each kind of reason once."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any


def figures(folder: Path) -> dict[str, Any]:
    """How many plans were declined, and why, with names and numbers left out."""
    intents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*/intent.json"))]
    declined = [intent for intent in intents if "not_emitted" in intent]
    return {"declined": len(declined), "reasons to decline": sorted({_kind(intent) for intent in declined})}


def _kind(intent: dict[str, Any]) -> str:
    said = intent["not_emitted"].partition(":")[0].replace(intent["model"], "MODEL").replace(intent["gpu"], "GPU")
    return re.sub(r"\b\d+\b", "N", said)
