"""An evaluation on disk: evaluation.html, evaluation.json, and a CSV file for each table."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from screening_node import __version__
from screening_node.laboratory.evaluation.contents import Contents
from screening_node.laboratory.evaluation.page import NEVER_RULES_OUT, About, render
from screening_node.laboratory.evaluation.table import Table
from screening_node.laboratory.predictions import writing

PAGE, DATA, TABLES = "evaluation.html", "evaluation.json", "tables"
FORMAT = "screening-node evaluation 1"


def write(folder: Path, about: About, contents: Contents) -> Path:
    """Everything into ``folder``; gives the page's path. DiskFull and Permanent where it cannot be written."""
    page = folder / PAGE
    with writing(folder):
        (folder / TABLES).mkdir(parents=True, exist_ok=True)
        for table in contents.tables:
            _write_csv(folder / TABLES / f"{table.key}.csv", table)
        text = json.dumps(to_dict(about, contents), indent=1, ensure_ascii=False, allow_nan=False)
        (folder / DATA).write_text(text + "\n", encoding="utf-8")
        page.write_text(render(about, contents), encoding="utf-8")
    return page


def to_dict(about: About, contents: Contents) -> Mapping[str, Any]:
    """The evaluation, ready for JSON; shares are between 0 and 1, None stands for what is not defined."""
    return {
        "format": FORMAT,
        "software": __version__,
        "title": about.title,
        "limits_of_use": [*about.limits, NEVER_RULES_OUT],
        "facts": dict(about.facts),
        "left_out": list(contents.left_out),
        "tables": {table.key: table.to_dict() for table in contents.tables},
    }


def _write_csv(path: Path, table: Table) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, table.keys, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table.records())
