"""``screening-node screen``: the node's judgement without a network, a store or a queue."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from screening_node.cli.console import ConfigOption, JsonOption, err, out, print_json, printable
from screening_node.errors import Permanent, ScreeningNodeError

if TYPE_CHECKING:
    from screening_node.assembly import Judging
    from screening_node.pathways.files import FileJudgement
    from screening_node.settings import Settings


def add_to(app: typer.Typer) -> None:
    """Hang the command under the root."""
    app.command("screen")(screen)


def screen(
    files: Annotated[list[Path], typer.Argument(help="DICOM files; of a folder, every file in it and below.")],
    as_json: JsonOption = False,
    to: Annotated[
        Path | None, typer.Option("--out", help="Write the Structured Reports into this folder.", file_okay=False)
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Judge films without a network. Exit code 1 where a file could not be read; a refusal is a result (0)."""
    from rich.progress import Progress

    from screening_node.assembly import judging
    from screening_node.settings import load_settings

    settings = load_settings(config)
    films = list(_expanded(files))
    if to is not None:
        _make_folder(to)
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("Loading the weights", total=len(films))
        parts = judging(settings)
        answers = []
        for film in films:
            progress.update(task, description=f"Judging {printable(film.name)}")
            answers.append(_answer(film, settings, parts, to))
            progress.advance(task)
    if as_json:
        print_json(answers)
    else:
        _print_table(answers)
    if any(answer["error"] is not None for answer in answers):
        raise typer.Exit(1)


def _expanded(files: list[Path]) -> Iterator[Path]:
    """Folders as the files in them and below, by name; hidden ones are passed over."""
    for file in files:
        if not file.is_dir():
            yield file
            continue
        inside = sorted(path for path in file.rglob("*") if path.is_file() and not path.name.startswith("."))
        err.print(f"{file}: a folder with {len(inside)} files.", soft_wrap=True, highlight=False, markup=False)
        yield from inside


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Permanent(f"{folder} cannot be made: {error.strerror}.", fix="Name another folder with --out.") from error


def _answer(film: Path, settings: Settings, parts: Judging, to: Path | None) -> dict[str, Any]:
    """One object of the JSON list; what breaks on one film is said there, and the others are judged all the same."""
    from screening_node.pathways.files import judge_files

    at = dt.datetime.now(dt.UTC)
    try:
        (judgement,) = judge_files(
            [film], pathway=parts.pathway, reference=parts.reference, thresholds=parts.thresholds, at=at
        )
        report = None if to is None else _write_report(judgement, settings, parts, at, to)
    except ScreeningNodeError as error:
        return _failed(film, parts, error)
    except Exception as error:  # foreign, and its text may quote a header: only its type is said
        return _failed(film, parts, Permanent(f"{film} made the node fail: {type(error).__name__}."))
    if judgement.error is not None:
        return _failed(film, parts, judgement.error)
    return {**_judged(judgement, parts), "report": report}


def _judged(judgement: FileJudgement, parts: Judging) -> dict[str, Any]:
    result, alarm = judgement.result, judgement.alarm
    assert result is not None
    assert alarm is not None
    refusal = result.refusal
    data = result.to_dict()
    return {
        "file": str(judgement.file),
        "pathway": result.model.pathway,
        "refusal": None if refusal is None else {"code": refusal.code.value, "text": refusal.text},
        "estimates": data["findings"],
        "category": data["category"],
        "alarm": None if refusal is not None else alarm.status.value == "raised",
        "landmarks": data["landmarks"],
        "bundle": result.model.bundle,
        "error": None,
        "limits_of_use": result.model.limits_of_use,
    }


def _failed(film: Path, parts: Judging, error: ScreeningNodeError) -> dict[str, Any]:
    return {
        "file": str(film),
        "pathway": parts.pathway.identity.pathway,
        "refusal": None,
        "estimates": [],
        "category": None,
        "alarm": None,
        "landmarks": [],
        "bundle": parts.pathway.identity.bundle,
        "error": {"code": _code(error), "text": str(error)},
        "limits_of_use": parts.pathway.identity.limits_of_use,
        "report": None,
    }


def _code(error: ScreeningNodeError) -> str:
    """The class of the error in the style of refusal codes: UnreadableObject is unreadable-object."""
    name = type(error).__name__
    return name[0].lower() + "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name[1:])


def _write_report(
    judgement: FileJudgement, settings: Settings, parts: Judging, at: dt.datetime, to: Path
) -> str | None:
    """The film's report as ``<film>.sr.dcm``, where the node would send one; None where it would not."""
    result, alarm = judgement.result, judgement.alarm
    if result is None or alarm is None:
        return None
    refusal = result.refusal
    if refusal is not None and not (settings.reports.refusals and refusal.code.concerns_chest_films):
        return None
    report = parts.reporter.report(judgement.file, result, alarm, at)
    path = _free(to, judgement.file.stem)
    try:
        path.write_bytes(report.data)
    except OSError as error:
        raise Permanent(
            f"{path} cannot be written: {error.strerror}.", fix="Name another folder with --out."
        ) from error
    return str(path)


def _free(folder: Path, stem: str) -> Path:
    """A file name that no other film of the same run took: films of several folders may share a name."""
    path, number = folder / f"{stem}.sr.dcm", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.sr.dcm"
    return path


def _print_table(answers: list[dict[str, Any]]) -> None:
    from screening_node.admin.film_table import FilmLine, film_table

    out.print(
        film_table(
            FilmLine(
                title=printable(answer["file"]),
                estimates=answer["estimates"],
                category=answer["category"],
                alarm={True: "raised", False: "not raised", None: None}[answer["alarm"]],
                trouble=_trouble(answer),
                report=answer["report"],
            )
            for answer in answers
        )
    )
    if answers:
        out.print(answers[0]["limits_of_use"], style="yellow")


def _trouble(answer: dict[str, Any]) -> str | None:
    if answer["error"] is not None:
        return printable(f"error: {answer['error']['text']}")
    if answer["refusal"] is not None:
        return f"refused ({answer['refusal']['code']}): {answer['refusal']['text']}"
    return None
