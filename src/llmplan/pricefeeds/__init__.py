"""Prices from tables on disk and from price lists on the network, checked before they are believed.

`build_documents(folder)` reads tables, `live.collect(...)` asks sources; `judge` says row by row what may be used,
`append` adds it to what is cached and `write_snapshot` puts that in force, whole or not at all. Only `live` touches the
network, and only when it is called.
"""

from llmplan.pricefeeds.appending import append, other_rates
from llmplan.pricefeeds.build import build_documents
from llmplan.pricefeeds.checking import Held, Problem, Verdict, check_documents, judge
from llmplan.pricefeeds.diffing import differences, moved
from llmplan.pricefeeds.fitness import SellerFitness, findings, sellers_fitness
from llmplan.pricefeeds.merging import Change, list_changes, merge_documents
from llmplan.pricefeeds.snapshot import Snapshot, damages, history, read_snapshot, write_snapshot
from llmplan.pricefeeds.tally import Tally
from llmplan.pricefeeds.writing import render, write_documents

__all__ = [
    "Change",
    "Held",
    "Problem",
    "SellerFitness",
    "Snapshot",
    "Tally",
    "Verdict",
    "append",
    "build_documents",
    "check_documents",
    "damages",
    "differences",
    "findings",
    "history",
    "judge",
    "list_changes",
    "merge_documents",
    "moved",
    "other_rates",
    "read_snapshot",
    "render",
    "sellers_fitness",
    "write_documents",
    "write_snapshot",
]
