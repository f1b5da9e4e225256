"""``train``, ``evaluate`` and ``phantom``: making weights, and films whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from screening_node.cli.console import JsonOption, out, print_json
from screening_node.errors import Permanent

phantom = typer.Typer(help="Synthetic films, whose bone density is known exactly.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Hang these commands under the root."""
    app.add_typer(phantom, name="phantom")


@phantom.command("film")
def phantom_film(
    to: Annotated[Path, typer.Option("--out", help="The DICOM file to write.", dir_okay=False)],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same film.")] = 0,
    lateral: Annotated[bool, typer.Option("--lateral", help="A lateral view, which the node refuses.")] = False,
    size: Annotated[
        int | None, typer.Option(min=256, max=8192, help="Long side in pixels; drawn from the seed by default.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write one synthetic film as DICOM and say what is true of it."""
    from screening_node.phantom.dicom_film import write_film
    from screening_node.phantom.film import FRONTAL, LATERAL

    try:
        film = write_film(seed, to, kind=LATERAL if lateral else FRONTAL, size=size)
    except OSError as error:
        raise Permanent(f"{to} cannot be written: {error.strerror}.", fix="Name another place with --out.") from error
    truth = {vertebra.value: round(float(bmd), 4) for vertebra, bmd in film.patient.bmd.items()}
    if as_json:
        print_json({"file": str(to), "seed": seed, "bmd": truth})
    else:
        said = ", ".join(f"{vertebra} {bmd:.3f}" for vertebra, bmd in truth.items())
        out.print(f"{to}: true BMD in g/cm²: {said}", soft_wrap=True, highlight=False)
