"""The model card as a part of a page: readable, and nothing of it runs or loads anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from screening_node.admin.model_card import as_html

CARDS = sorted((Path(__file__).parents[3] / "models").glob("*/*/MODEL_CARD.md"))


def test_headings_lists_and_tables_are_drawn() -> None:
    html = as_html("# Card\n\nText with **weight** and `code`.\n\n- one\n\n| V | R |\n|---|---:|\n| L1 | 0.9 |\n")
    for part in ("<h1>Card</h1>", "<strong>weight</strong>", "<code>code</code>", "<li>one</li>", "<th>V</th>"):
        assert part in html
    assert '<td class="number">0.9</td>' in html
    assert '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>' in html


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[text](javascript:alert(1))",
        "[text](https://evil.example/)",
        "![picture](https://evil.example/x.png)",
        "![pic *t* <b>](x.png)",
        "<https://evil.example/>",
        "| a |\n|--:|\n| <b onclick=x> |",
        "[a]: javascript:x\n\n[a]",
        '```"><script>\nx\n```',
    ],
)
def test_nothing_runs_or_loads(hostile: str) -> None:
    html = as_html(hostile)
    assert set(re.findall(r"<(\w+)", html)) <= {
        "p",
        "pre",
        "code",
        "span",
        "em",
        "div",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    assert not re.search(r"<[^>]*\s(?:href|src|style|on\w+)=", html)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.parent.name)
def test_the_cards_of_this_repository_are_pages(card: Path) -> None:
    html = as_html(card.read_text(encoding="utf-8"))
    assert html.count("<h1>") == 1
    assert "ot for clinical use" in html
    assert "style=" not in html
