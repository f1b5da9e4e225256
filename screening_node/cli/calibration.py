"""``calibrate``: a bundle's estimates, intervals and thresholds set right on a validation cohort."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from screening_node.cli.console import ConfigOption, JsonOption, err, out, piped, print_json
from screening_node.errors import Misconfigured

if TYPE_CHECKING:
    from screening_node.laboratory.calibration import Wanted


class By(StrEnum):
    """What lines are fitted by, beside the vertebra."""

    SCANNER = "scanner"


def add_to(app: typer.Typer) -> None:
    """Hang this command under the root."""
    app.command()(calibrate)


def calibrate(
    cohort: Annotated[Path, typer.Option("--cohort", help="Validation cohort (docs/bring-your-own-data.md).")],
    to: Annotated[Path, typer.Option("--out", help="Folder for the new bundle and thresholds.", file_okay=False)],
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="A bundle's folder.", show_default="the configured one")
    ] = None,
    sensitivity: Annotated[
        float | None, typer.Option(help="That thresholds reach for T <= -2.5.", show_default="0.9")
    ] = None,
    specificity: Annotated[float | None, typer.Option(help="That thresholds reach, instead of a sensitivity.")] = None,
    by: Annotated[By | None, typer.Option(help="Lines for each maker and model as well.")] = None,
    name: Annotated[str, typer.Option(help="Of the calibration.", show_default="the cohort's folder")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit lines, interval widths and thresholds on a cohort; write them as a new bundle. The old one stays as it is."""
    from screening_node import assembly
    from screening_node.laboratory.calibrated_bundle import Order, calibrate_bundle, table
    from screening_node.laboratory.folder import open_cohort
    from screening_node.laboratory.progress import bars
    from screening_node.pathways.chest_film.admission import AdmissionRules
    from screening_node.settings import load_reference_table, load_settings, load_threshold_set

    wanted = _wanted(sensitivity, specificity)
    settings = load_settings(config)
    section = settings.pathways.chest_film
    reference = load_reference_table(section.reference)
    order = Order(
        bundle=bundle or section.bundle,
        wanted=wanted,
        reference=reference,
        thresholds=load_threshold_set(section.thresholds),
        by_scanner=by is By.SCANNER,
        name=name,
        day=dt.datetime.now(dt.UTC).date(),
    )
    films = open_cohort(cohort, reference=reference)
    rules = AdmissionRules(age_range=section.age_range, reference=reference)
    with bars(err) as report:
        written = calibrate_bundle(
            films, order, to, rules=rules, device=assembly.device(settings.worker.device), report=report
        )
    if as_json:
        print_json({**written.summary, "bundle": str(written.bundle), "thresholds": str(written.thresholds)})
        return
    (out if out.is_terminal else piped).print(table(written.summary))
    out.print(
        f"Nothing in use was changed. To use it, set in [pathways.chest_film]:\n"
        f'bundle = "{written.bundle.resolve()}"\nthresholds = "{written.thresholds.resolve()}"',
        soft_wrap=True,
        markup=False,
        highlight=False,
    )
    out.print(written.limits_of_use, style="yellow", markup=False)


def _wanted(sensitivity: float | None, specificity: float | None) -> Wanted:
    from screening_node.laboratory.calibration import SENSITIVITY, SPECIFICITY, Wanted

    if sensitivity is not None and specificity is not None:
        raise Misconfigured("Thresholds reach either a sensitivity or a specificity.", fix="Give one of the two.")
    if specificity is not None:
        return Wanted(kind=SPECIFICITY, value=specificity)
    return Wanted(kind=SENSITIVITY, value=0.9 if sensitivity is None else sensitivity)
