"""Checkpoints on disk or in a repository: their headers give every tensor's exact bytes, their data is never read."""

from __future__ import annotations

from llmplan.catalogs.checkpoint.header import Read
from llmplan.catalogs.checkpoint.reader import is_checkpoint, read_checkpoint

__all__ = ["Read", "is_checkpoint", "read_checkpoint"]
