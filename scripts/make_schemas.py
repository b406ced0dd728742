"""Write profiles/schema/*.schema.json from the models that read the catalogue's files.

python scripts/make_schemas.py
"""

from __future__ import annotations

import json
from pathlib import Path

from llmplan.catalogs.schemas import schemas

FOLDER = Path(__file__).resolve().parents[1] / "profiles/schema"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        (FOLDER / f"{name}.schema.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
