"""``serve``, ``send``, ``doctor`` and ``demo``: the node as a service, and its surroundings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from screening_node.cli.console import ConfigOption, JsonOption, cell, err, out, print_json, printable
from screening_node.errors import Misconfigured

if TYPE_CHECKING:
    from screening_node.delivery.destination import Destination


def add_to(app: typer.Typer) -> None:
    """Hang these commands under the root."""
    for command in (serve, send, doctor, demo):
        app.command()(command)


def serve(config: ConfigOption = None) -> None:
    """Run the node: take films in over DICOM, judge them, send reports. Ctrl-C or SIGTERM stops it."""
    from screening_node import assembly
    from screening_node.assembly import ways_in
    from screening_node.settings import load_settings

    settings = load_settings(config)
    card = assembly.card_of(settings)
    destinations = ", ".join(map(str, assembly.destinations(settings))) or "none: reports wait in the store"
    page = assembly.admin_page(settings) or "switched off ([admin] enabled, port)"
    for line in (
        f"Listens as {settings.node.ae_title} on {assembly.ports_in_words(settings)}",
        *ways_in.in_words(settings),
        f"Stores in {settings.store.safe_url} and {settings.store.archive}",
        f"Reports to {destinations}",
        f"Judges with bundle {card.name} in {settings.pathways.chest_film.bundle}",
        f"Admin's page: {page}",
    ):
        err.print(line, soft_wrap=True, highlight=False, markup=False)
    err.print(card.limits_of_use, style="yellow", soft_wrap=True, highlight=False, markup=False)
    assembly.serve(settings)


def send(
    files: Annotated[list[Path], typer.Argument(help="DICOM files; damaged ones are sent as they are.")],
    to: Annotated[
        str | None,
        typer.Option("--to", help="AE_TITLE@host:port of a node or PACS.", show_default="the configured node"),
    ] = None,
    calling: Annotated[str, typer.Option(help="AE title to call by.")] = "MODALITY",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send films over C-STORE, as a modality would. Exit code 1 where any of them was not taken."""
    from rich.progress import Progress

    from screening_node.delivery.sender import send_files

    node = _configured_node(config) if to is None else _destination(to)
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise typer.BadParameter(f"{missing[0]} is no file.", param_hint="FILES")
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("Sending", total=len(files))
        results = send_files(files, node, calling_ae=calling, on_progress=lambda _: progress.advance(task))
    if as_json:
        print_json(
            [
                {
                    "file": str(sent.path),
                    "sop_instance_uid": sent.sop_instance_uid,
                    "note": sent.note,
                    "error": None if sent.error is None else str(sent.error),
                }
                for sent in results
            ]
        )
    else:
        for sent in results:
            said = f"{sent.path}: " + (f"sent {sent.note}".rstrip() if sent.error is None else str(sent.error))
            style = "green" if sent.error is None else "red"
            out.print(printable(said), style=style, soft_wrap=True, highlight=False, markup=False)
    if any(sent.error is not None for sent in results):
        raise typer.Exit(1)


def _destination(to: str) -> Destination:
    from screening_node.delivery.destination import Destination

    title, at, address = to.rpartition("@")
    host, _, port = address.rpartition(":")
    if not at or not title or not host or not port.isdigit():
        raise typer.BadParameter(f"{to!r} is not AE_TITLE@host:port.", param_hint="--to")
    return Destination(name=title, ae_title=title, host=host.strip("[]"), port=int(port))


def _configured_node(config: Path | None) -> Destination:
    from screening_node.assembly import this_node
    from screening_node.settings import load_settings

    return this_node(load_settings(config))


def doctor(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check configuration, disk, store, bundle, GPU, destinations and port. Exit code 1 where one fails."""
    from screening_node.doctor import Finding, State, examine

    styles = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}
    found: list[Finding] = []
    for finding in examine(config):
        found.append(finding)
        if not as_json:
            line = cell(f"{finding.state.value:5}")
            line.stylize(styles[finding.state])
            out.print(line + cell(f" {finding.check}: {finding.message}"), soft_wrap=True)
            if finding.fix:
                out.print(cell(f"      {finding.fix}"), soft_wrap=True)
    if as_json:
        print_json([{"check": f.check, "state": f.state, "message": f.message, "fix": f.fix} for f in found])
    if any(finding.state is State.FAIL for finding in found):
        raise typer.Exit(1)


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the node running until Ctrl-C.")] = False,
    folder: Annotated[
        Path, typer.Option(help="Where the demo's node, films and reports lie; emptied first.", file_okay=False)
    ] = Path("var/demo"),
    seconds: Annotated[float, typer.Option(min=1, help="How long to wait for the reports.")] = 120,
) -> None:
    """Send sample films through a node of its own into a PACS of its own, and show what came out."""
    from screening_node.demo import run

    if folder.exists() and not folder.is_dir():
        raise Misconfigured(f"{folder} is no folder.", fix="Name another with --folder.")
    run(folder, keep=keep, seconds=seconds, console=out)
