"""Plan to launch files, as data: one module per target, listed in `targets.TARGETS`. Text is made at the shell."""

from llmplan.emit.launch_file import Command, Env, LaunchFile, PythonModule, Setting, UnitFile, Word
from llmplan.emit.targets import TARGETS, Target, emit, find_target, launched, notes, target_of
from llmplan.emit.variant import Variant

__all__ = [
    "TARGETS",
    "Command",
    "Env",
    "LaunchFile",
    "PythonModule",
    "Setting",
    "Target",
    "UnitFile",
    "Variant",
    "Word",
    "emit",
    "find_target",
    "launched",
    "notes",
    "target_of",
]
