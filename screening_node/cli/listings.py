"""The admin's commands: alerts, exams, deliveries, patients, audit. Every change is written to the audit."""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from screening_node.cli.console import (
    ActorOption,
    Columns,
    ConfigOption,
    JsonOption,
    LimitOption,
    err,
    local_time,
    out,
    print_record,
    print_rows,
)
from screening_node.store.session import Store

alerts = typer.Typer(help="The alert log: one line for each patient's alarm.", no_args_is_help=True)
exams = typer.Typer(help="What came in, and what became of it.", no_args_is_help=True)
deliveries = typer.Typer(help="Reports and notifications on their way.", no_args_is_help=True)
patients = typer.Typer(help="What the site knows about a patient.", no_args_is_help=True)
audit = typer.Typer(help="Who did what; rows can only be added.", no_args_is_help=True)

ALERT_COLUMNS: Columns = {
    "No.": "number",
    "State": "state",
    "Category": "category",
    "Lowest T": lambda row: f"{row['lowest_vertebra']} {row['lowest_t_score']:+.1f}",
    "Patient ID": "patient_id",
    "Newest film": "study_date",
    "Opened": local_time("opened_at"),
    "Acknowledged by": "acknowledged_by",
}
EXAM_COLUMNS: Columns = {
    "No.": "id",
    "State": "state",
    "Patient ID": "patient_id",
    "Study date": "study_date",
    "From": "calling_ae",
    "Received": local_time("received_at"),
    "Outcome": lambda row: _outcome(row),
}
DELIVERY_COLUMNS: Columns = {
    "No.": "id",
    "Exam": "exam",
    "To": "destination",
    "Kind": "kind",
    "State": "state",
    "Tries": "attempt",
    "Not before": local_time("not_before"),
    "Error": "error",
}
AUDIT_COLUMNS: Columns = {
    "When": local_time("at"),
    "Who": "actor",
    "What": "action",
    "On": "subject",
    "Detail": lambda row: ", ".join(f"{key} {value}" for key, value in row["detail"].items()),
}

Number = Annotated[int, typer.Argument(help="The number that the listing shows.")]
Comment = Annotated[str | None, typer.Option("--comment", help="Why, or what was done.")]


def add_to(app: typer.Typer) -> None:
    """Hang these commands under the root."""
    for name, group in (
        ("alerts", alerts),
        ("exams", exams),
        ("deliveries", deliveries),
        ("patients", patients),
        ("audit", audit),
    ):
        app.add_typer(group, name=name)


@contextmanager
def open_store(config: Path | None) -> Iterator[Store]:
    """The store of a configured node, with this version's tables."""
    from screening_node.assembly import open_store as assembled
    from screening_node.settings import load_settings

    store = assembled(load_settings(config))
    try:
        yield store
    finally:
        store.close()


def actor_or_user(actor: str | None) -> str:
    """Who is named in the audit."""
    if actor and actor.strip():
        return actor.strip()
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "unknown"


def _outcome(row: Mapping[str, Any]) -> str | None:
    """What became of an exam, in a few words."""
    if row["category"] is not None:
        return f"{row['category']}, alarm {row['alarm_status']}"
    said: str | None = row["refusal"] or row["error"]
    return said


def _done(text: str, data: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_record(data, as_json=True)
    else:
        out.print(text, style="green")


@alerts.command("list")
def alerts_list(
    state: Annotated[str | None, typer.Option(help="Only open, acknowledged or closed ones.")] = None,
    limit: LimitOption = 100,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """The alarms, the newest first."""
    from screening_node.admin import listings

    with open_store(config) as store:
        rows = listings.alerts(store, state=state, limit=limit)
    print_rows(rows, ALERT_COLUMNS, as_json=as_json, empty="No alerts.")


@alerts.command("show")
def alerts_show(number: Number, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """One alarm with the films behind it."""
    from screening_node.admin import listings

    with open_store(config) as store:
        print_record(listings.alert(store, number), as_json=as_json)


@alerts.command("acknowledge")
def alerts_acknowledge(
    number: Number,
    comment: Comment = None,
    actor: ActorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that somebody has seen an alarm and takes care of it."""
    from screening_node.admin import actions

    who = actor_or_user(actor)
    with open_store(config) as store:
        actions.acknowledge(store, number, actor=who, comment=comment)
    _done(f"Alert {number} acknowledged by {who}.", {"number": number, "state": "acknowledged"}, as_json=as_json)


@alerts.command("close")
def alerts_close(
    number: Number,
    comment: Comment = None,
    actor: ActorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that nothing is left to do about an alarm."""
    from screening_node.admin import actions

    with open_store(config) as store:
        actions.close(store, number, actor=actor_or_user(actor), comment=comment)
    _done(f"Alert {number} closed.", {"number": number, "state": "closed"}, as_json=as_json)


@alerts.command("retract")
def alerts_retract(
    number: Number,
    reason: Annotated[str, typer.Option("--reason", help="What was wrong; it stands in the new report: name nobody.")],
    actor: ActorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take an alarm back: its films are judged again, and new reports say that it is retracted."""
    from screening_node.admin import actions

    with open_store(config) as store:
        films = actions.retract(store, number, actor=actor_or_user(actor), reason=reason)
    told = {"number": number, "state": "closed", "outcome": "retracted", "exams": films}
    _done(f"Alert {number} retracted. New reports follow for {len(films)} films.", told, as_json=as_json)


@alerts.command("export")
def alerts_export(
    to: Annotated[Path, typer.Option("--out", help="The file to write: .csv, .xlsx or .json.", dir_okay=False)],
    state: Annotated[str | None, typer.Option(help="Only open, acknowledged or closed ones.")] = None,
    actor: ActorOption = None,
    config: ConfigOption = None,
) -> None:
    """Write the alert log to a file. It holds patients' names: keep it as you keep them."""
    from screening_node.admin import actions

    with open_store(config) as store:
        count = actions.export_alerts(store, to, state=state, actor=actor_or_user(actor))
    out.print(f"{count} alerts written to {to}.", style="green", soft_wrap=True)


@exams.command("list")
def exams_list(
    state: Annotated[
        str | None, typer.Option(help="Only waiting, running, judged, refused, failed or incomplete ones.")
    ] = None,
    limit: LimitOption = 100,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """The exams, the newest first."""
    from screening_node.admin import listings

    with open_store(config) as store:
        rows = listings.exams(store, state=state, limit=limit)
    print_rows(rows, EXAM_COLUMNS, as_json=as_json, empty="No exams.")


@exams.command("show")
def exams_show(number: Number, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """One exam: its instances, its result, its deliveries."""
    from screening_node.admin import listings

    with open_store(config) as store:
        print_record(listings.exam(store, number), as_json=as_json)


@exams.command("retry")
def exams_retry(
    number: Number, actor: ActorOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Judge an exam again: one that failed, or one that a new bundle would answer differently."""
    from screening_node.admin import actions

    with open_store(config) as store:
        actions.retry_exam(store, number, actor=actor_or_user(actor))
    _done(f"Exam {number} will be judged again.", {"id": number, "state": "waiting"}, as_json=as_json)


@deliveries.command("list")
def deliveries_list(
    state: Annotated[
        str | None, typer.Option(help="Only pending, sending, delivered, parked or cancelled ones.")
    ] = None,
    destination: Annotated[str | None, typer.Option(help="Only those to this destination.")] = None,
    limit: LimitOption = 100,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """The deliveries, the newest first."""
    from screening_node.admin import listings

    with open_store(config) as store:
        rows = listings.deliveries(store, state=state, destination=destination, limit=limit)
    print_rows(rows, DELIVERY_COLUMNS, as_json=as_json, empty="No deliveries.")


@deliveries.command("retry")
def deliveries_retry(
    number: Annotated[int | None, typer.Argument(help="The number that the listing shows.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that are parked or postponed.")] = False,
    actor: ActorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send parked or postponed reports and notifications again at once."""
    from screening_node.admin import actions

    if (number is None) is not every:
        raise typer.BadParameter("Give one delivery's number, or --all.")
    with open_store(config) as store:
        if number is None:
            count = actions.retry_all_deliveries(store, actor=actor_or_user(actor))
            _done(f"{count} deliveries will be tried again.", {"count": count}, as_json=as_json)
        else:
            actions.retry_delivery(store, number, actor=actor_or_user(actor))
            _done(f"Delivery {number} will be tried again.", {"id": number, "state": "pending"}, as_json=as_json)


@deliveries.command("cancel")
def deliveries_cancel(
    number: Number, actor: ActorOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Give a parked or waiting report or notification up; a later retry takes it up again."""
    from screening_node.admin import actions

    with open_store(config) as store:
        actions.cancel_delivery(store, number, actor=actor_or_user(actor))
    _done(f"Delivery {number} is cancelled.", {"id": number, "state": "cancelled"}, as_json=as_json)


@patients.command("note")
def patients_note(
    patient_id: Annotated[str, typer.Argument(help="Patient ID, as the films carry it.")],
    issuer: Annotated[str | None, typer.Option(help="Issuer of Patient ID, where films carry one.")] = None,
    diagnosed: Annotated[
        bool | None, typer.Option("--diagnosed/--not-diagnosed", help="Whether the diagnosis is known.")
    ] = None,
    last_dxa: Annotated[
        dt.datetime | None, typer.Option("--last-dxa", formats=["%Y-%m-%d"], help="Date of the latest DXA.")
    ] = None,
    actor: ActorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the node about a known diagnosis or a DXA, so that no alarm is raised for what is known."""
    from screening_node.admin import actions

    if diagnosed is None and last_dxa is None:
        raise typer.BadParameter("Say --diagnosed, --not-diagnosed or --last-dxa YYYY-MM-DD.")
    with open_store(config) as store:
        note = actions.note_patient(
            store,
            patient_id,
            issuer,
            diagnosed=diagnosed,
            last_dxa=None if last_dxa is None else last_dxa.date(),
            actor=actor_or_user(actor),
        )
    if not note["seen"]:
        err.print("No film of a patient with this ID has come in so far: check that it is typed right.")
    _done("Noted.", note, as_json=as_json)


@audit.command("list")
def audit_list(limit: LimitOption = 100, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Who did what, the newest first."""
    from screening_node.admin import listings

    with open_store(config) as store:
        rows = listings.audit(store, limit=limit)
    print_rows(rows, AUDIT_COLUMNS, as_json=as_json, empty="Nothing yet.")
