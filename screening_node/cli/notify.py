"""``notify``: whether people are reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from screening_node.cli.console import ConfigOption, JsonOption, print_rows
from screening_node.errors import Misconfigured, NotFound, ScreeningNodeError

if TYPE_CHECKING:
    from screening_node.delivery.destination import NotificationDestination
    from screening_node.delivery.notification import Message
    from screening_node.settings import Settings

notify = typer.Typer(help="Messages to people: e-mail, webhooks, chats.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Hang these commands under the root."""
    app.add_typer(notify, name="notify")


@notify.command("test")
def send_test(
    channels: Annotated[list[str] | None, typer.Argument(help="Names of channels; all of them without any.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Send a test message at once, past the outbox. Exit code 1 where a channel does not take it."""
    from screening_node import assembly
    from screening_node.settings import load_settings

    settings = load_settings(config)
    message = assembly.writer(settings).trial()
    rows = [_tried(channel, message) for channel in _chosen(settings, channels or [])]
    columns = {"Channel": "channel", "Taken": "taken", "Why not": "error", "Fix": "fix"}
    print_rows(rows, columns, as_json=as_json)
    if not all(row["taken"] for row in rows):
        raise typer.Exit(1)


def _chosen(settings: Settings, names: list[str]) -> list[NotificationDestination]:
    from screening_node import assembly

    there = {channel.name: channel for channel in assembly.channels(settings)}
    if not there:
        raise Misconfigured(
            "No channel is configured.", fix="Add a [[notifications.channels]] block; config/node.toml shows one."
        )
    strange = [name for name in names if name not in there]
    if strange:
        raise NotFound(f"There is no channel {strange[0]}.", fix=f"Use one of: {', '.join(there)}.")
    return [there[name] for name in names or there]


def _tried(channel: NotificationDestination, message: Message) -> dict[str, Any]:
    from screening_node.delivery.destination import Timeouts
    from screening_node.delivery.notification import NotificationChannel

    try:
        NotificationChannel(channel, Timeouts(connect=10.0, message=10.0)).send(message, [message])
    except ScreeningNodeError as error:
        return {"channel": channel.name, "taken": False, "error": error.message, "fix": error.fix}
    return {"channel": channel.name, "taken": True, "error": None, "fix": None}
