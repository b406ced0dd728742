"""Write profiles/prices/*.yaml from the price tables in $LLMPLAN_DATA (default ../shared/data) and price_facts.csv.

    python scripts/make_price_profiles.py            # writes
    python scripts/make_price_profiles.py --check    # exit 1 if the files are not what the tables say
    python scripts/make_price_profiles.py --report   # what became of every row: used, or left out and why

Offers that are no longer in the tables stay: prices are append-only. `--fresh` starts from nothing.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, date, datetime

from own_price_facts import TABLE, add_own_facts
from profile_yaml import COLLECTED, DATA, ROOT

from llmplan.catalogs.prices import read_price_documents
from llmplan.pricefeeds import Tally, build_documents, check_documents, merge_documents, render, write_documents


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the files are up to date")
    parser.add_argument("--fresh", action="store_true", help="drop offers that the tables no longer have")
    parser.add_argument("--report", action="store_true", help="only count rows in, prices out and rows left out")
    parser.add_argument("--rows", type=int, default=0, metavar="N", help="show N rows of each reason in the report")
    arguments = parser.parse_args()
    if not (DATA / "gpu_prices.csv").exists():
        print(f"no price tables in {DATA}; set LLMPLAN_DATA", file=sys.stderr)
        return 1
    if arguments.report:
        tally = Tally()
        documents = build_documents(DATA, retrieved=date.fromisoformat(COLLECTED), tally=tally)
        print("\n".join(tally.lines(arguments.rows)))
        print(f"{TABLE.name}: {add_own_facts(documents)} figures of our own looking up")
        return 0
    known = {} if arguments.fresh else read_price_documents([ROOT / "profiles"])
    tables = build_documents(DATA, retrieved=date.fromisoformat(COLLECTED))
    add_own_facts(tables)
    problems = check_documents(tables, known, today=datetime.now(tz=UTC).date())
    for problem in problems:
        print(f"{problem.severity}: {problem.provider}: {problem.message}", file=sys.stderr)
    if any(problem.severity == "error" for problem in problems):
        return 1
    documents = merge_documents(known, tables)
    if arguments.check:
        stale = [provider for provider in documents if documents[provider] != known.get(provider)]
        print("up to date" if not stale else f"differs from the tables: {', '.join(stale)}")
        return 1 if stale else 0
    folder = ROOT / "profiles" / "prices"
    paths = write_documents(documents, folder)
    size = sum(len(render(document)) for document in documents.values())
    print(f"{len(paths)} files, {size / 1000:.0f} kB in {folder.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
