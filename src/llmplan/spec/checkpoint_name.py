"""What the name of a checkpoint tells people of its format and of the model that it was made from.

Names are habit, not data: what is read here is offered as a hint, and nothing is computed with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_GGUF = r"(?:ud-)?(i?q\d(?:_[a-z0-9]+)*|f16|bf16|mxfp4)"
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_FILE = re.compile(rf"[-_.]{_GGUF}$", re.IGNORECASE)
_TAG = re.compile(rf":{_GGUF}$", re.IGNORECASE)
_SUFFIXES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"[-_.](?:{pattern})$", re.IGNORECASE), weights)
    for pattern, weights in (
        (r"awq(?:[-_](?:int4|4bit|w4a16|g128))?", "awq-int4"),
        (r"gptq[-_]?(?:int8|8bit)(?:[-_]g\d+)?", "gptq-int8"),
        (r"gptq(?:[-_]?(?:int4|4bit))?(?:[-_]g\d+)?", "gptq-int4"),
        (r"(?:quantized[-_.])?w4a16(?:[-_]g\d+)?", "w4a16"),
        (r"(?:quantized[-_.])?w8a16|int8[-_]w8a16", "w8a16"),
        (r"(?:quantized[-_.])?w8a8|(?:channel[-_])?int8", "int8"),
        (r"nvfp4(?:[-_]v\d)?|fp4", "nvfp4"),
        (r"mxfp4", "mxfp4"),
        (r"fp8[-_]block", "fp8-block"),
        (r"fp8(?:[-_]dynamic|[-_]kv)?", "fp8"),
        (r"(?:unsloth[-_])?bnb[-_]4bit|nf4", "nf4"),
        (r"gguf", "gguf-q4_k_m"),
        (r"bf16", "bf16"),
    )
)
"""how names end, and the format that this mostly means; longer endings first"""
_REVISION = re.compile(r"-\d{4}$")
AN_EXAMPLE = ("gguf-q4_k_m",)
"""formats of which a name says only that it is one of them"""


def format_in_name(name: str) -> tuple[str, str | None]:
    """The name without its format, and that format as `--weights` has it; None where the name says nothing.

    >>> format_in_name("Qwen/Qwen2.5-72B-Instruct-AWQ")
    ('Qwen/Qwen2.5-72B-Instruct', 'awq-int4')
    >>> format_in_name("RedHatAI/Llama-3.1-8B-Instruct-quantized.w4a16")
    ('RedHatAI/Llama-3.1-8B-Instruct', 'w4a16')
    >>> format_in_name("bartowski/Llama-3.2-3B-Instruct-GGUF:Q8_0")
    ('bartowski/Llama-3.2-3B-Instruct', 'gguf-q8_0')
    >>> format_in_name("/models/gpt-oss-120b-MXFP4-00001-of-00002.gguf"), format_in_name("Qwen/Qwen3-8B")
    (('/models/gpt-oss-120b', 'mxfp4'), ('Qwen/Qwen3-8B', None))
    """
    text, tag = name.rstrip("/"), None
    if (found := _TAG.search(text)) is not None:
        text, tag = text[: found.start()], _gguf(found[1])
    if text.casefold().endswith(".gguf"):
        text = _SHARD.sub("", text[:-5])
        found = _FILE.search(text)
        return (text[: found.start()], _gguf(found[1])) if found else (text, AN_EXAMPLE[0])
    for pattern, weights in _SUFFIXES:
        if (found := pattern.search(text)) is not None:
            return text[: found.start()], tag or weights
    return text, tag


def _gguf(quantization: str) -> str:
    folded = quantization.casefold()
    return folded if folded in ("bf16", "mxfp4") else f"gguf-{folded}"


def model_in_name(name: str, known: Iterable[str]) -> str | None:
    """The one known id that the name without its format is, or ends as; None where it is none or several.

    >>> model_in_name("/models/Qwen3-32B", ["Qwen/Qwen3-32B", "Qwen/Qwen3-8B"])
    'Qwen/Qwen3-32B'
    """
    base = format_in_name(name)[0].casefold()
    ids = [each for each in dict.fromkeys(known) if "/" in each]
    for wanted in (base, _REVISION.sub("", base)):
        same = [each for each in ids if each.casefold() == wanted]
        ending = same or [each for each in ids if _last(each) == _last(wanted)]
        if len({each.casefold() for each in ending}) == 1:
            return ending[0]
    return None


def same_name(one: str, other: str) -> bool:
    """Whether two names end alike: a repository, and its copy under a path of one's own.

    >>> same_name("/data/models/Qwen3-32B/", "Qwen/Qwen3-32B"), same_name("Qwen/Qwen3-32B-AWQ", "Qwen/Qwen3-32B")
    (True, False)
    """
    return _last(one) == _last(other)


def _last(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2].casefold()
