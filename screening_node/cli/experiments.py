"""``reproduce``: the papers' comparisons, from nothing to a page of results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from screening_node.cli.console import err, out


def add_to(app: typer.Typer) -> None:
    """Hang these commands under the root."""
    app.command()(reproduce)


def reproduce(
    to: Annotated[Path, typer.Option("--out", help="Folder for cohorts, networks and results.md.", file_okay=False)],
    plan: Annotated[
        Path | None, typer.Option("--plan", help="The experiment.", show_default="config/experiments/two-cores.toml")
    ] = None,
    detector: Annotated[
        Path | None,
        typer.Option(
            "--detector",
            help="A bundle, or the folder of `landmarks`, whose detector places ROIs.",
            show_default="the configured bundle",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto (every GPU there is, else the CPU), cpu or cuda.")] = "auto",
    jobs: Annotated[int, typer.Option(min=1, help="Networks trained at a time on each device.")] = 1,
    difficulty: Annotated[
        bool, typer.Option("--difficulty", help="Only train the single-ROI networks, and say how hard the phantom is.")
    ] = False,
) -> None:
    """Repeat the papers' comparisons on a phantom cohort and write results.md; a killed run goes on."""
    from screening_node.laboratory.experiment.plan import load_plan
    from screening_node.laboratory.experiment.reproduce import Bench, check_difficulty, draw_cohorts
    from screening_node.laboratory.experiment.reproduce import reproduce as run
    from screening_node.laboratory.landmarks.locate import detector_of
    from screening_node.laboratory.progress import bars
    from screening_node.settings import (
        REPOSITORY,
        find_table,
        load_reference_table,
        load_settings,
        load_threshold_set,
    )

    wanted = load_plan(plan or REPOSITORY / "config" / "experiments" / "two-cores.toml")
    tables = REPOSITORY / "config"
    reference = load_reference_table(find_table(wanted.reference, tables, "references"))
    thresholds = load_threshold_set(find_table(wanted.thresholds, tables, "thresholds"))
    found = detector_of(detector or load_settings(None).pathways.chest_film.bundle)
    to.mkdir(parents=True, exist_ok=True)
    with bars(err) as report:
        bench = Bench.at(to, device, jobs, report)
        if difficulty:
            measured = check_difficulty(wanted, draw_cohorts(wanted, bench, reference), found, bench)
            said = [f"{name:<10} R {ours:.3f}, Wang 2021 {paper:.3f}" for name, (ours, paper) in measured.items()]
        else:
            command = f"scripts/reproduce --plan {wanted.source} --out OUT --jobs {jobs}"
            page = run(wanted, found, bench, reference=reference, thresholds=thresholds, command=command)
            said = [f"The results lie in {page}."]
    out.print(*said, sep="\n", soft_wrap=True, markup=False, highlight=False)
