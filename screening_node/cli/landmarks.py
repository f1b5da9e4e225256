"""``landmarks``: training and cross-validating landmark detectors on phantom and real films."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from screening_node.cli.console import JsonOption, err, out, print_json


def add_to(app: typer.Typer) -> None:
    """Hang this command under the root."""
    app.command()(landmarks)


def landmarks(
    cohort: Annotated[
        Path, typer.Option(help="Cohort folder with landmarks, the phantom's.", exists=True, file_okay=False)
    ],
    real: Annotated[Path, typer.Option(help="Folder with landmarks.csv of real films.", exists=True, file_okay=False)],
    pictures: Annotated[
        Path, typer.Option(help="Folder with nih_metadata.csv and the pictures.", exists=True, file_okay=False)
    ],
    to: Annotated[Path, typer.Option("--out", help="Folder for checkpoints, logs, weights, tables.", file_okay=False)],
    config: Annotated[
        Path | None, typer.Option(help="Configuration.", show_default="config/landmarks/compact.toml")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Folds by patient.", show_default="the configuration's")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same weights on the same machine.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoints in the folder.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train DAG and heatmap detector on phantom and real films, cross-validate them, keep the better one."""
    from dataclasses import replace

    import torch

    from screening_node.laboratory.folder import open_cohort
    from screening_node.laboratory.jobs import pick_devices
    from screening_node.laboratory.landmarks import trial
    from screening_node.laboratory.landmarks.config import load
    from screening_node.laboratory.landmarks.real_films import read_real_films
    from screening_node.laboratory.progress import bars
    from screening_node.laboratory.stage import Run
    from screening_node.settings import REPOSITORY

    wanted = load(config or REPOSITORY / "config" / "landmarks" / "compact.toml")
    if folds is not None:
        wanted = replace(wanted, data=replace(wanted.data, folds=folds))
    annotated, films = read_real_films(real, pictures), open_cohort(cohort)
    to.mkdir(parents=True, exist_ok=True)
    with bars(err) as report:
        run = Run(
            folder=to,
            device=torch.device(pick_devices(device, 1)[0]),
            seed=seed,
            config_sha256=wanted.sha256,
            resume=resume,
            report=report,
        )
        figures = trial.compare(wanted, trial.trial_films(wanted, films, annotated, run), run)
    trial.write(figures, to)
    if as_json:
        print_json(figures)
    else:
        out.print(trial.table(figures), markup=False, soft_wrap=True)
        out.print(f"The better detector ({figures['best']}) lies in {to}/detector.safetensors.", soft_wrap=True)
