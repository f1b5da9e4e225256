"""The table of films at the width of a small terminal."""

from __future__ import annotations

import io

from rich.console import Console

from screening_node.admin.film_table import FilmLine, film_table

ESTIMATE = {"vertebra": "L1", "bmd": 0.7123, "sd": 0.0612, "t_score": -2.69, "threshold": -2.2, "below": True}


def shown(*lines: FilmLine, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(film_table(lines))
    return out.getvalue()


def test_a_crossing_vertebra_names_its_threshold() -> None:
    text = shown(FilmLine(title="a.dcm", estimates=[ESTIMATE], category="osteoporosis", alarm="raised"))
    assert "L1 0.712 ± 0.061 T -2.7 < -2.2" in text
    assert "alarm raised" in text


def test_a_refusal_has_no_numbers_and_its_reason() -> None:
    text = shown(FilmLine(title="b.dcm", trouble="refused (not-frontal)", report="pacs/x.dcm"))
    assert "refused (not-frontal)" in text
    assert "pacs/x.dcm" in text
    assert "g/cm" not in text.split("report")[-1]
    assert "│ -" in text


def test_titles_are_text_and_no_markup() -> None:
    assert "[bold]x[/bold]" in shown(FilmLine(title="[bold]x[/bold]"))


def test_it_fits_eighty_columns() -> None:
    text = shown(FilmLine(title="osteoporotic.dcm", estimates=[ESTIMATE], report="var/demo/pacs/" + "x" * 60))
    assert max(map(len, text.splitlines())) <= 80
