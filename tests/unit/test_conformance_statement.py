"""The conformance statement is what the code does; the integration statement names tests that exist."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

from screening_node.reporting.language import Language
from screening_node.settings.sections import IntakeSection, NodeSection

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conformance", ROOT / "scripts" / "conformance.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_table_is_what_the_code_negotiates_answers_and_makes() -> None:
    """Mend with scripts/conformance."""
    page = (DOCS / "conformance.md").read_text(encoding="utf-8")
    conformance = script()
    assert {found[2] for found in conformance.BLOCK.finditer(page)} == set(conformance.BLOCKS)
    assert conformance.renewed(page) == page
    assert page.count("\n| ") > 200, "the tables have their rows"


def test_the_defaults_that_it_names_are_the_nodes() -> None:
    page = (DOCS / "conformance.md").read_text(encoding="utf-8")
    node = NodeSection()
    assert f"AE title `{node.ae_title}`, port {node.port}" in page
    assert f"`[node] max_associations` ({node.max_associations})" in page
    assert f"`[intake] max_pdu` ({IntakeSection().max_pdu})" in page
    assert f"{', '.join(language.value for language in Language)}." in page


def test_every_test_that_the_integration_statement_names_exists() -> None:
    page = (DOCS / "ihe-air.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", page)
    assert len(named) > 20
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    claims = rows[rows.index("| Requirement | What the node does | Shown by |") + 1 :]
    assert all("`tests/" in row for row in claims), "a claim without a test"
