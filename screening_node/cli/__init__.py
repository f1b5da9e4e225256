"""The command line. Each command imports what it needs when it runs, so that ``--help`` and the listings are quick."""

from __future__ import annotations

import sys

import typer

from screening_node import __version__
from screening_node.cli import (
    calibration,
    cohort,
    evaluation,
    experiments,
    judging,
    landmarks,
    listings,
    models,
    node,
    notify,
    pull,
    upkeep,
    users,
)
from screening_node.cli.console import fail
from screening_node.errors import Misconfigured, ScreeningNodeError

app = typer.Typer(
    name="screening-node",
    help="Estimates lumbar bone mineral density from chest films that pass through a PACS. "
    "The bundled weights are phantom-trained: not for clinical use.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its traceback shows local variables, and those hold patients' names
)
for room in (
    node,
    judging,
    listings,
    cohort,
    calibration,
    models,
    landmarks,
    experiments,
    evaluation,
    upkeep,
    users,
    notify,
    pull,
):
    room.add_to(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", help="Show the version.", callback=_show_version, is_eager=True),
) -> None:
    """Nothing to do before a command: options shared by all of them stand here."""


def main() -> None:
    """Run the command line; exit code 2 where a person has to change the configuration, 1 for other errors."""
    try:
        app()
    except Misconfigured as error:
        fail(error)
        sys.exit(2)
    except ScreeningNodeError as error:
        fail(error)
        sys.exit(1)
