"""``evaluate``: how good bundles are on a cohort whose truth is known."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from screening_node.cli.console import ConfigOption, JsonOption, err, out, print_json
from screening_node.errors import Misconfigured

if TYPE_CHECKING:
    from screening_node.laboratory.progress import Report
    from screening_node.settings import Settings

#: First seed of the films that are drawn for an evaluation without a cohort: far from every training cohort's.
UNSEEN_SEED = 9_000_000


def add_to(app: typer.Typer) -> None:
    """Hang this command under the root."""
    app.command()(evaluate)


def evaluate(
    cohort: Annotated[
        Path | None,
        typer.Option("--cohort", help="Folder of films with DXA values.", show_default="unseen films are drawn"),
    ] = None,
    bundle: Annotated[
        list[str] | None,
        typer.Option("--bundle", help="A bundle's folder, or its name below models/; may be repeated."),
    ] = None,
    true_landmarks: Annotated[
        bool, typer.Option("--true-landmarks", help="Judge once more with the ROIs at the cohort's true landmarks.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the page, tables and predictions; an unfinished one is gone on with."),
    ] = None,
    films: Annotated[int, typer.Option(min=1, help="Without a cohort: how many unseen films are drawn.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Without a cohort: seed of the first film.")] = UNSEEN_SEED,
    size: Annotated[int, typer.Option(min=256, max=8192, help="Without a cohort: long side in pixels.")] = 1024,
    processes: Annotated[int, typer.Option(min=0, help="Processes that draw films; 0 for one a core.")] = 0,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a cohort and write every table and figure: R, RMSE, AUC, sensitivity, landmarks, calibration, subgroups."""
    from screening_node import assembly
    from screening_node.laboratory import evaluate as laboratory
    from screening_node.laboratory.evaluation.files import to_dict
    from screening_node.laboratory.folder import open_cohort
    from screening_node.laboratory.progress import bars
    from screening_node.settings import load_reference_table, load_settings, load_threshold_set

    settings = load_settings(config)
    section = settings.pathways.chest_film
    reference = load_reference_table(section.reference)
    pathways: list[Any] = [assembly.chest_film_pathway(settings, folder) for folder in _bundles(settings, bundle or [])]
    with ExitStack() as stack:
        folder = to or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evaluate-")))
        report = stack.enter_context(bars(err))
        if cohort is None:
            cohort = folder / "cohort"
            _draw(cohort, films, seed, size, settings, processes, report)
        done = laboratory.evaluate(
            open_cohort(cohort),
            pathways,
            folder,
            laboratory.Terms(reference=reference, thresholds=load_threshold_set(section.thresholds)),
            true_landmarks=true_landmarks,
            report=report,
        )
    if as_json:
        print_json(to_dict(done.about, done.contents))
        return
    tables = {table.key: table for table in done.contents.tables}
    for key in ("overview", "by-vertebra", "landmarks"):
        if key in tables:
            out.print(laboratory.drawn(tables[key]))
    out.print(" ".join(done.about.limits), style="yellow")
    if to is not None:
        out.print(f"The page lies in {done.page}, its tables beside it.", soft_wrap=True, markup=False, highlight=False)


def _bundles(settings: Settings, wanted: list[str]) -> list[Path]:
    """The folders named, by path or by name; the configured bundle where none is."""
    from screening_node.settings import REPOSITORY

    configured = settings.pathways.chest_film.bundle
    known = (configured.parent, REPOSITORY / "models" / "chest_film")
    found = []
    for name in wanted:
        places = [
            place for place in (Path(name), *(folder / name for folder in known)) if (place / "card.toml").exists()
        ]
        if not places:
            there = sorted({card.parent.name for folder in known for card in folder.glob("*/card.toml")})
            raise Misconfigured(
                f"No bundle {name}: no folder of that name holds a card.toml.",
                fix=f"Name a folder, or one of: {', '.join(there)}.",
            )
        found.append(places[0])
    return found or [configured]


def _draw(
    folder: Path,
    films: int,
    seed: int,
    size: int,
    settings: Settings,
    processes: int,
    report: Report,
) -> None:
    """Unseen synthetic films as a cohort of their own."""
    from screening_node.laboratory.progress import Progress
    from screening_node.phantom.cohort_folder import CohortOrder, write_cohort
    from screening_node.settings import load_reference_table

    reference = load_reference_table(settings.pathways.chest_film.reference)
    order = CohortOrder(films=films, seed=seed, size=size)
    for done in write_cohort(order, folder, reference=reference, processes=processes):
        report(Progress(stage="films", done=done, total=films))
