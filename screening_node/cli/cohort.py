"""``cohort``: paired films and DXA values in a folder, a hospital's or the phantom's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from screening_node.cli.console import JsonOption, err, out, print_json, printable

cohort = typer.Typer(help="Films with the DXA values of the same patients, in a folder.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Hang these commands under the root."""
    app.add_typer(cohort, name="cohort")


@cohort.callback()
def _root() -> None:
    """One command today; it keeps its name when others join it."""


@cohort.command("check")
def check(
    folder: Annotated[Path, typer.Argument(help="The cohort's folder (docs/bring-your-own-data.md).")],
    reference: Annotated[
        str | None,
        typer.Option(
            help="Reference table that the T-scores should be of: a name or a file.",
            show_default="the one that the manifest names",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Look at headers and lengths only; do not read the files whole.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Look a cohort through before any hour is spent on it; exit code 2 where something is wrong."""
    from screening_node.laboratory.folder import check_cohort
    from screening_node.laboratory.folder.problems import misconfigured
    from screening_node.laboratory.folder.tables import read_manifest
    from screening_node.settings import find_table, load_reference_table

    wanted = reference or (read_manifest(folder, []).reference or "").rpartition(" ")[0]
    path = find_table(wanted, Path(), "references") if wanted else None
    table = load_reference_table(path) if path is not None and (reference or path.exists()) else None
    checked = check_cohort(folder, verify=not quick, reference=table)
    if as_json:
        problems = [
            {"kind": problem.kind.words, "file": problem.file, "row": problem.row, "text": problem.text}
            for problem in checked.problems
        ]
        print_json({"folder": str(folder), "films": checked.films, "problems": problems, "notes": checked.notes})
        raise typer.Exit(2 if problems else 0)
    for note in checked.notes:
        err.print(f"Note: {printable(note)}", soft_wrap=True, markup=False, highlight=False)
    if checked.cohort is None:
        raise misconfigured(folder, checked.problems)
    patients = len(set(checked.cohort.patient_ids))
    against = f"; T-scores are those of {table.name} {table.version}" if table else ""
    out.print(f"{checked.films} films of {patients} patients; nothing is wrong{against}.", soft_wrap=True, markup=False)
