"""``train``, ``models`` and ``phantom``: making weights, saying what they are, and films whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from screening_node.cli.console import JsonOption, err, out, print_json
from screening_node.errors import Misconfigured, Permanent

models = typer.Typer(help="Weight bundles.", no_args_is_help=True)
phantom = typer.Typer(help="Synthetic films, whose bone density is known exactly.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Hang these commands under the root."""
    app.command()(train)
    app.add_typer(models, name="models")
    app.add_typer(phantom, name="phantom")


def train(
    cohort: Annotated[Path, typer.Option("--cohort", help="Folder of films with DXA values.", file_okay=False)],
    to: Annotated[Path, typer.Option("--out", help="Folder for checkpoints, logs and the bundle.", file_okay=False)],
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Training configuration.", show_default="config/pathways/compact.toml"),
    ] = None,
    detector: Annotated[
        Path | None,
        typer.Option("--detector", help="A bundle, or the folder of `landmarks`: its detector is taken, none trained."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same weights on the same machine.")] = 0,
    device: Annotated[str, typer.Option(help="auto (every GPU there is, else the CPU), cpu or cuda.")] = "auto",
    jobs: Annotated[int, typer.Option(min=1, help="Networks trained at a time on each device.")] = 1,
) -> None:
    """Train detector and ensemble on a cohort by folds of patients, and write a bundle; a killed run goes on."""
    from screening_node.laboratory.bundle import train_bundle
    from screening_node.laboratory.config import load
    from screening_node.laboratory.folder import open_cohort
    from screening_node.laboratory.progress import bars
    from screening_node.settings import REPOSITORY, find_table, load_reference_table

    wanted = load(config or REPOSITORY / "config" / "pathways" / "compact.toml")
    tables = Path(wanted.source).resolve().parents[1]
    reference = load_reference_table(find_table(wanted.reference, tables, "references"))
    films = open_cohort(cohort, reference=reference)
    with bars(err) as report:
        bundle = train_bundle(wanted, films, to, detector=detector, device=device, jobs=jobs, seed=seed, report=report)
    out.print(f"The bundle lies in {bundle}; name it in [pathways.chest_film] bundle.", soft_wrap=True, markup=False)


@models.command("card")
def models_card(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.", exists=True, file_okay=False)],
    evaluation: Annotated[
        Path | None, typer.Option("--evaluation", help="evaluation.json of these weights, or its folder.", exists=True)
    ] = None,
    landmarks: Annotated[
        Path | None, typer.Option("--landmarks", help="landmarks.json of the detector's trial.", exists=True)
    ] = None,
    note: Annotated[
        Path | None, typer.Option("--note", help="How the weights were made, in Markdown.", exists=True)
    ] = None,
) -> None:
    """Write a bundle's MODEL_CARD.md from its card and from what was measured of it."""
    from screening_node.laboratory import evidence, model_card
    from screening_node.pathways.weights import load_bundle

    card = load_bundle(bundle).card
    path = model_card.write(
        bundle,
        evidence=None if evaluation is None else evidence.read_evaluation(evaluation, card),
        landmarks=None if landmarks is None else evidence.read_landmarks(landmarks, card),
        note="" if note is None else note.read_text(encoding="utf-8"),
    )
    out.print(f"The model card is {path}. {card.limits_of_use}", soft_wrap=True, markup=False, highlight=False)


@phantom.command("film")
def phantom_film(
    to: Annotated[Path, typer.Option("--out", help="The DICOM file to write.", dir_okay=False)],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same film.")] = 0,
    lateral: Annotated[bool, typer.Option("--lateral", help="A lateral view, which the node refuses.")] = False,
    kind: Annotated[str | None, typer.Option(help="frontal, lateral, bedside, extremity, abdomen or hand.")] = None,
    size: Annotated[
        int | None, typer.Option(min=256, max=8192, help="Long side in pixels; a detector's by default.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write one synthetic film as DICOM and say what is true of it."""
    from screening_node.phantom.dicom_film import write_film
    from screening_node.phantom.film import FRONTAL, KINDS, LATERAL

    wanted = kind or (LATERAL if lateral else FRONTAL)
    if wanted not in KINDS:
        raise Misconfigured(f"There is no kind of film {wanted!r}.", fix=f"Choose one of {', '.join(KINDS)}.")
    try:
        film = write_film(seed, to, kind=wanted, size=size)
    except OSError as error:
        raise Permanent(f"{to} cannot be written: {error.strerror}.", fix="Name another place with --out.") from error
    truth = {vertebra.value: round(float(bmd), 4) for vertebra, bmd in film.patient.bmd.items()}
    if as_json:
        print_json({"file": str(to), "seed": seed, "generator": film.version, "kind": film.kind, "bmd": truth})
    else:
        said = ", ".join(f"{vertebra} {bmd:.3f}" for vertebra, bmd in truth.items())
        out.print(f"{to}: true BMD in g/cm²: {said}", soft_wrap=True, highlight=False)


@phantom.command("cohort")
def phantom_cohort(
    to: Annotated[Path, typer.Option("--out", help="The cohort's folder; an unfinished one is gone on with.")],
    films: Annotated[int, typer.Option(min=1, help="How many films, each of another patient.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first film; the next film takes the next seed.")] = 0,
    size: Annotated[int, typer.Option(min=256, max=8192, help="Long side in pixels.")] = 1024,
    reference: Annotated[str, typer.Option(help="Reference table of the T-scores: a name or a file.")] = (
        "wang2022-implied"
    ),
    processes: Annotated[int, typer.Option(min=0, help="Processes that draw films; 0 for one a core.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Write a cohort as a hospital would bring its own: films, dxa.csv, landmarks.csv, and a manifest with seeds."""
    from screening_node.laboratory.progress import Progress, bars
    from screening_node.phantom.cohort_folder import CohortOrder, write_cohort
    from screening_node.phantom.film import PHANTOM_VERSION
    from screening_node.settings import REPOSITORY, find_table, load_reference_table

    table = load_reference_table(find_table(reference, REPOSITORY / "config", "references"))
    order = CohortOrder(films=films, seed=seed, size=size)
    with bars(err) as report:
        for done in write_cohort(order, to, reference=table, processes=processes):
            report(Progress(stage="films", done=done, total=films))
    if as_json:
        print_json({"folder": str(to), "films": films, "seed": seed, "generator": PHANTOM_VERSION})
    else:
        out.print(f"{films} films lie in {to}, with dxa.csv, landmarks.csv and manifest.json.", soft_wrap=True)
