"""Tables of prices (CSV rows) into the catalogue's dated provider documents, checked before they are believed.

`build_documents(folder)` reads the tables, `check_documents` judges them, `merge_documents` appends what is new to
what is known, `write_documents` puts YAML files in place atomically. Nothing here touches the network.
"""

from llmplan.pricefeeds.build import build_documents
from llmplan.pricefeeds.checking import Problem, check_documents
from llmplan.pricefeeds.merging import Change, list_changes, merge_documents
from llmplan.pricefeeds.tally import Tally
from llmplan.pricefeeds.writing import render, write_documents

__all__ = [
    "Change",
    "Problem",
    "Tally",
    "build_documents",
    "check_documents",
    "list_changes",
    "merge_documents",
    "render",
    "write_documents",
]
