"""``store purge-patient`` and ``store export-patient``.

Whom it is about comes from a file or is asked for: what stands on a command line stays in the shell's history, and
everybody on the machine can see it while the command runs.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from screening_node.cli.console import ActorOption, ConfigOption, JsonOption, err, out, print_record
from screening_node.cli.listings import actor_or_user, open_store
from screening_node.errors import Misconfigured

if TYPE_CHECKING:
    from screening_node.admin.patients import Identity

_KEYS = ("patient_id", "issuer", "study_instance_uid")
IdentityOption = Annotated[
    Path | None,
    typer.Option(
        "--identity",
        help='A TOML file ("-": standard input): patient_id = "...", and issuer where needed; or study_instance_uid.',
        show_default="asked for",
        allow_dash=True,
    ),
]


def add_to(store: typer.Typer) -> None:
    """Hang these commands under ``store``."""
    store.command("purge-patient")(purge_patient)
    store.command("export-patient")(export_patient)


def purge_patient(
    identity: IdentityOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether that is meant.")] = False,
    config: ConfigOption = None,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove all that the node holds of one patient: films, results, alarms, reports. It cannot be undone."""
    from screening_node.admin import patients
    from screening_node.admin.films import DISPLAY, DisplayCopies
    from screening_node.settings import load_settings
    from screening_node.store.archive import Archive

    archive = Archive(load_settings(config).store.archive)
    who = _identity(identity)
    with open_store(config) as store:
        held = patients.holdings(store, who)
        if not yes:
            err.print(", ".join(f"{number} {name}" for name, number in held.items() if number), highlight=False)
            typer.confirm("Remove all of it, for ever?", abort=True, err=True)
        copies = DisplayCopies(archive.root / DISPLAY)
        done = patients.forget(store, archive, who, actor=actor_or_user(actor), forget_copy=copies.forget)
    if as_json:
        print_record(done, as_json=True)
        return
    out.print(
        f"{done['instances']} films, {done['results']} results and {done['files']} files are gone.", style="green"
    )
    err.print("What was delivered, and backups made before, still hold the patient.", highlight=False)


def export_patient(
    folder: Annotated[Path, typer.Argument(help="An empty folder, or one to be made.", file_okay=False)],
    identity: IdentityOption = None,
    config: ConfigOption = None,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write one patient's films without the identity (PS3.15 Annex E, Basic Profile), and the results beside them."""
    from screening_node.admin import patients
    from screening_node.settings import load_settings
    from screening_node.store.archive import Archive

    archive = Archive(load_settings(config).store.archive)
    who = _identity(identity)
    with open_store(config) as store:
        done = patients.export(store, archive, who, folder.absolute(), actor=actor_or_user(actor))
    if as_json:
        print_record(done, as_json=True)
        return
    out.print(f"{done['films']} films and {patients.MANIFEST} are in {folder}.", style="green", soft_wrap=True)
    err.print("Look at the films before they leave the house: text burned into the pixels is still there.")


def _identity(file: Path | None) -> Identity:
    """From the file, or asked for. No error quotes what stands there."""
    from screening_node.admin.patients import Identity

    if file is None:
        patient_id = typer.prompt("Patient ID", err=True).strip()
        issuer = typer.prompt("Issuer of Patient ID (empty: the only one)", default="", show_default=False, err=True)
        return Identity(patient_id=patient_id or None, issuer=issuer.strip() or None)
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except OSError as error:
        raise Misconfigured(f"{file} cannot be read: {error.strerror}.", fix="Check its name and rights.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise Misconfigured(f"{file} is no TOML file.", fix='Write patient_id = "..." into it.') from None
    named = {key: value for key, value in table.items() if isinstance(value, str) and value and key in _KEYS}
    if len(named) < len(table) or not ({"patient_id", "study_instance_uid"} & set(named)):
        raise Misconfigured(
            f"{file} does not say whom it is about.", fix=f"Keys: {', '.join(_KEYS)}; texts in quotation marks."
        )
    return Identity(**named)
