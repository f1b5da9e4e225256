"""``store migrate`` and ``store move``: other tables, another database."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from screening_node.cli.console import ActorOption, ConfigOption, JsonOption, err, out, print_json, print_record
from screening_node.cli.listings import actor_or_user
from screening_node.errors import Misconfigured

if TYPE_CHECKING:
    from screening_node.settings import Settings
    from screening_node.store.session import Store


def add_to(store: typer.Typer) -> None:
    """Hang these commands under ``store``."""
    store.command("migrate")(migrate)
    store.command("move")(move)


def migrate(
    to: Annotated[
        str | None, typer.Option("--to", help="Tables of another version, by number; older ones too.")
    ] = None,
    backup: Annotated[
        Path | None, typer.Option("--backup", help="Copy everything there first; going down needs it.", file_okay=False)
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Change nothing; say what is there.")] = False,
    config: ConfigOption = None,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give the database this version's tables, or go back to older ones. Every node on it has to be stopped."""
    from screening_node.assembly import not_running, opened
    from screening_node.settings import load_settings
    from screening_node.store import schema

    settings = load_settings(config)
    with ExitStack() as stack:
        store = stack.enter_context(opened(settings))
        wanted = to or schema.head()
        before = store.tables()
        if not status and before != wanted:
            stack.enter_context(not_running(settings))
            _change(settings, store, before, wanted, backup, actor_or_user(actor))
        said = _said(store)
    print_record(said, as_json=as_json)
    if not as_json and not status:
        out.print("Nothing was to be done." if before == wanted else "Done.", style="green")


def _change(settings: Settings, store: Store, before: str | None, wanted: str, backup: Path | None, actor: str) -> None:
    from screening_node.store.records import audit

    if before is not None and wanted < before and backup is None:
        raise Misconfigured(
            f"Going down from {before} to {wanted} may drop what older tables cannot hold.",
            fix="Say where a copy goes first: --backup FOLDER.",
        )
    if before is not None and backup is not None:
        _copy(settings, store, backup.absolute())
    store.migrate(wanted)
    with store.begin() as tx:
        detail = {"from": before, "to": wanted, "backup": None if backup is None else str(backup.absolute())}
        audit(tx, actor=actor, action="store.migrate", subject="store", detail=detail)


def _copy(settings: Settings, store: Store, folder: Path) -> None:
    from screening_node.store import backup

    if store.file is None:
        backup.dump(store, folder)  # files of the archive are written once: no step touches them
    else:
        backup.backup(store, settings.store.archive, folder)


def _said(store: Store) -> dict[str, Any]:
    """What there is, what this version wants, and who is connected."""
    from screening_node.store import schema

    there, connected = store.tables(), []
    if there is not None:
        with store.read() as tx:
            connected = [str(who) for who in schema.connected(tx)]
    pending = [step for step in schema.steps() if there is None or step.number > there]
    return {
        "tables": there,
        "this_version": schema.head(),
        "pending": [{"number": step.number, "title": step.title} for step in pending],
        "connected": connected,
    }


def move(
    to: Annotated[
        str,
        typer.Option(
            "--to",
            envvar="SCREENING_NODE_MOVE_TO",
            help="The other database's URL, as in [store] url. With a password in it, give it by the variable.",
        ),
    ],
    config: ConfigOption = None,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the whole database into another, empty one, such as PostgreSQL. The node has to be stopped."""
    from screening_node.assembly import not_running, open_store
    from screening_node.settings import load_settings
    from screening_node.store.move import Contents
    from screening_node.store.move import move as moved
    from screening_node.store.records import audit
    from screening_node.store.session import Store

    settings, done = load_settings(config), list[Contents]()

    def tell(contents: Contents) -> None:
        done.append(contents)
        err.print(f"{contents.table}: {contents.rows} rows", highlight=False)

    open_store(settings).close()  # brought up to date: the other database gets this version's tables
    with not_running(settings), ExitStack() as stack:
        source, target = Store(settings.store.url.get_secret_value()), Store(to)
        for store in (source, target):
            stack.callback(store.close)
        _nobody_else_on(source)
        moved(source, target, on_table=tell)
        with target.begin() as tx:
            detail = {"tables": len(done), "rows": sum(each.rows for each in done)}
            audit(tx, actor=actor_or_user(actor), action="store.move", subject="store", detail=detail)
    if as_json:
        print_json([{"table": each.table, "rows": each.rows, "checksum": each.checksum} for each in done])
    else:
        out.print("Every row is over. Write the new address in [store] url, then start the node.", style="green")


def _nobody_else_on(source: Store) -> None:
    """On a server, nodes of other hosts would write rows that are not moved."""
    from screening_node.errors import AlreadyRunning
    from screening_node.store import schema

    with source.read() as tx:
        others = schema.connected(tx)
    if others:
        raise AlreadyRunning(f"Still connected: {', '.join(map(str, others))}.", fix="Stop those nodes first.")
