"""From a seller's model name to a Hub id: a normal form of both must agree exactly, else the row is left out.

The rule, in order: (1) only the last path segment counts; (2) a cloud's geography, maker prefix and API version
(`us.meta.` ... `-v1:0`) and a reseller's prefix go; (3) case, `_` and `.` do not count, `2p5` is `2.5`; (4) `llama-v3`,
`llama3` and `llama-3` are one spelling; (5) what a seller says about how it serves (`-maas`, `-turbo`, `-fp8`, ...)
goes to `weights`; (6) a listing that ends with owner and name of a Hub id is that model. Names without a version or a
size, floating names (`-latest`) and batch or preemptible listings match nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from llmplan.pricefeeds.hub_ids import HUB_IDS, NOT_WHAT_IT_SAYS, SHORT_NAMES, WHOLE_IDS

_GEOGRAPHY = re.compile(r"^(us-gov|us|eu|in|global|apac|jp|au)\.")
_MAKER = re.compile(r"^(meta|mistral|qwen|openai|google|nvidia|minimax|moonshotai|moonshot|zai)\.")
_RESELLER = re.compile(r"^(fw|databricks|snowflake)-")
_API_VERSION = re.compile(r"-v?[1-9]:0$")
_FAMILY = re.compile(r"^(?:meta-)?(llama|qwen|gemma|glm|phi)-?v?(?=\d)")
_SERVING = re.compile(r"-(maas|hf|turbo|ultra|fast|basic|lite|fp8|fp4|nvfp4|bf16|fp16|int8|int4|awq|dynamic)$")
_SAYS_NOTHING = ("maas", "hf")
_US_ONLY = re.compile(r"-us$")
_NOT_INTERACTIVE = re.compile(r":batch$|\bspot-|-spot$")
_FLOATING = re.compile(r"-latest$|/(deepseek-)?(chat|reasoner|coder|flash)$|^deepseek-(chat|reasoner|flash)$")


@dataclass(frozen=True, slots=True)
class ModelMatch:
    """The Hub id, and what the seller says about how it serves the model."""

    model_id: str
    weights: str | None


def normal_form(name: str) -> str:
    """The spelling that sellers' names and Hub ids are compared in.

    >>> normal_form("us.meta.llama3-1-8b-instruct-v1:0"), normal_form("Llama-3.1-8B-Instruct")
    ('llama3-1-8b-instruct', 'llama3-1-8b-instruct')
    >>> normal_form("accounts/fireworks/models/qwen2p5-72b-instruct"), normal_form("Qwen/Qwen2.5-72B-Instruct")
    ('qwen2-5-72b-instruct', 'qwen2-5-72b-instruct')
    """
    text = name.rsplit("/", 1)[-1].casefold()
    text = _MAKER.sub("", _GEOGRAPHY.sub("", text))
    text = re.sub(r"^deepseek\.", "deepseek-", text)
    text = _US_ONLY.sub("", _RESELLER.sub("", text))
    text = re.sub(r"-v0:(\d)$", r"-v0-\1", text)
    text = _API_VERSION.sub("", text)
    text = re.sub(r"(?<=\d)p(?=\d)", ".", text)
    text = re.sub(r"[._]", "-", text)
    return _FAMILY.sub(r"\1", text)


def _known() -> dict[str, str]:
    table = {normal_form(hub_id): hub_id for hub_id in HUB_IDS}
    return table | {normal_form(short): hub_id for short, hub_id in SHORT_NAMES.items()}


_KNOWN: Final = _known()
_WHOLE: Final = {hub_id.casefold(): hub_id for hub_id in WHOLE_IDS}


def hub_model(listed_as: str) -> ModelMatch | None:
    """The model that a seller's listing names, None if that takes a guess.

    >>> hub_model("together_ai/meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo")
    ModelMatch(model_id='meta-llama/Llama-3.1-8B-Instruct', weights='turbo')
    >>> hub_model("deepseek/deepseek-chat") is None, hub_model("cerebras/llama3.1-8b") is None
    (True, True)
    """
    if listed_as.rsplit("/", 1)[-1].casefold() in NOT_WHAT_IT_SAYS:
        return None
    whole = _WHOLE.get("/".join(listed_as.casefold().rsplit("/", 2)[-2:]))
    if whole is not None:
        return ModelMatch(whole, None)
    text = normal_form(listed_as)
    said: list[str] = []
    while text not in _KNOWN:
        suffix = _SERVING.search(text)
        if suffix is None:
            return None
        text = text[: suffix.start()]
        said.insert(0, suffix[1])
    weights = "-".join(word for word in said if word not in _SAYS_NOTHING)
    return ModelMatch(_KNOWN[text], weights or None)


def is_us_only(listed_as: str) -> bool:
    """Whether the listing's name ends with the mark of a service that stays in the United States.

    >>> is_us_only("fireworks_ai/glm-5p3-us"), is_us_only("fireworks_ai/glm-5p3")
    (True, False)
    """
    return _US_ONLY.search(listed_as) is not None


def why_no_model(listed_as: str) -> str:
    """Why `hub_model` knows no model for a listing.

    >>> why_no_model("openrouter/openai/gpt-oss-120b:batch"), why_no_model("deepseek/deepseek-chat")
    ('a batch or preemptible listing', 'a name that floats from model to model')
    """
    if _NOT_INTERACTIVE.search(listed_as):
        return "a batch or preemptible listing"
    if listed_as.startswith("~") or _FLOATING.search(listed_as):
        return "a name that floats from model to model"
    if listed_as.rsplit("/", 1)[-1].casefold() in NOT_WHAT_IT_SAYS:
        return "a name that reads as another model than the one served"
    return "no open checkpoint is known by this name beyond doubt"
