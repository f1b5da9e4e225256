"""``store``: is it in order, copy it while the node runs, get it back."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from screening_node.cli import migration, patients
from screening_node.cli.console import (
    ActorOption,
    Columns,
    ConfigOption,
    JsonOption,
    local_time,
    out,
    print_record,
    print_rows,
)
from screening_node.cli.listings import actor_or_user, open_store

if TYPE_CHECKING:
    from screening_node.store.retention import Verdict

store = typer.Typer(help="The database and the archive: check, back up, restore, make smaller.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="The backup's folder.", file_okay=False)]


def add_to(app: typer.Typer) -> None:
    """Hang these commands under the root."""
    migration.add_to(store)
    patients.add_to(store)
    app.add_typer(store, name="store")


@store.command("check")
def check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Look for damage: the database, files that rows name, files that none names. Exit code 1 where data is lost."""
    from screening_node.settings import load_settings
    from screening_node.store.archive import Archive
    from screening_node.store.upkeep import faults

    with open_store(config) as opened:
        found = list(faults(opened, Archive(load_settings(config).store.archive)))
    rows = [{"fault": fault.what, "where": fault.where, "harmless": fault.harmless} for fault in found]
    columns: Columns = {"Fault": "fault", "Where": "where", "Harmless": lambda row: "yes" if row["harmless"] else "NO"}
    print_rows(rows, columns, as_json=as_json, empty="The store is in order.")
    if any(not fault.harmless for fault in found):
        raise typer.Exit(1)


@store.command("backup")
def backup(folder: Folder, config: ConfigOption = None, actor: ActorOption = None, as_json: JsonOption = False) -> None:
    """Copy everything while the node runs; into the folder of an earlier backup, only what is new."""
    from screening_node.settings import load_settings
    from screening_node.store.backup import backup as copy
    from screening_node.store.records import audit

    with open_store(config) as opened:
        done = copy(opened, load_settings(config).store.archive, folder.absolute())
        with opened.begin() as tx:
            detail = {"files": done.files, "copied": done.copied}
            audit(tx, actor=actor_or_user(actor), action="store.backup", subject=str(folder.absolute()), detail=detail)
    if as_json:
        print_record({"files": done.files, "copied": done.copied}, as_json=True)
        return
    out.print(f"The database and {done.files} files are in {folder}; {done.copied} of them are new.", style="green")


@store.command("restore")
def restore(folder: Folder, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Put a backup in the place of a store that is gone. The node must not run; every file is compared."""
    from screening_node.assembly import not_running, opened
    from screening_node.errors import Misconfigured
    from screening_node.settings import load_settings
    from screening_node.store.backup import restore as put_back
    from screening_node.store.session import Store

    settings = load_settings(config)
    database = Store(settings.store.url.get_secret_value()).file
    if database is None:
        raise Misconfigured("The database is a server's.", fix="Use pg_restore, then copy the archive folder back.")
    with not_running(settings):
        done = put_back(folder.absolute(), database, settings.store.archive)
        with opened(settings) as restored:
            restored.migrate()  # a backup of an older version gets this one's tables
    if as_json:
        print_record({"files": done.files}, as_json=True)
        return
    out.print(f"The database and {done.files} files are back, each as it was.", style="green")


@store.command("vacuum")
def vacuum(config: ConfigOption = None) -> None:
    """Write the database anew, without the space of deleted rows. Films wait meanwhile."""
    from screening_node.store.upkeep import vacuum as written_anew

    with open_store(config) as opened:
        written_anew(opened)
    out.print("Done.", style="green")


@store.command("retain")
def retain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; say what would go and why.")] = False,
    config: ConfigOption = None,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let go of the films that [retention] does not keep, now instead of at its hour."""
    from screening_node.assembly.upkeep import retain_now, retention_rules
    from screening_node.errors import Misconfigured
    from screening_node.settings import load_settings
    from screening_node.store.archive import Archive
    from screening_node.store.retention import judge

    settings = load_settings(config)
    if not settings.retention.any_rule:
        raise Misconfigured(
            "Films are kept for ever: [retention] has no rule.", fix="Write for example judged_days = 365."
        )
    with open_store(config) as opened:
        if not dry_run:
            done = retain_now(settings, opened, actor=actor_or_user(actor))
            said = {"removed": done.removed, "bytes": done.bytes, "kept": done.kept}
            print_record(said, as_json=as_json)
            return
        free, now = Archive(settings.store.archive).free_bytes(), dt.datetime.now(dt.UTC)
        rows = [_verdict(each) for each in judge(opened, retention_rules(settings), now=now, free_bytes=free)]
    print_rows(rows, RETENTION_COLUMNS, as_json=as_json, empty="Nothing is due.")


RETENTION_COLUMNS: Columns = {
    "Film": "exam",
    "Received": local_time("received_at"),
    "MiB": lambda row: f"{row['bytes'] / 2**20:.1f}",
    "Goes": "goes",
    "Why": "why",
    "Kept because": "kept_because",
}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    film = verdict.film
    return {
        "exam": film.exam_id,
        "received_at": film.received_at.isoformat(),
        "bytes": film.size,
        "goes": verdict.goes,
        "why": verdict.why,
        "kept_because": film.protected,
    }
