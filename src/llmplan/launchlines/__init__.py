"""Command lines, scripts, Compose and settings files that start an engine, read as what they ask for.

What is read was written by somebody else: it is parsed and never run, whatever it says.
"""

from __future__ import annotations

from llmplan.launchlines.compose import starts_in_compose
from llmplan.launchlines.flag_rules import FLAG_RULES
from llmplan.launchlines.launch import Launch, read_launch
from llmplan.launchlines.meaning import Meaning
from llmplan.launchlines.own_words import in_words_of
from llmplan.launchlines.shell import unclosed_line
from llmplan.launchlines.start import Start, start_of, starts_in_text

__all__ = [
    "FLAG_RULES",
    "Launch",
    "Meaning",
    "Start",
    "in_words_of",
    "read_launch",
    "start_of",
    "starts_in_compose",
    "starts_in_text",
    "unclosed_line",
]
