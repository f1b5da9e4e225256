"""``screening-node doctor``: is everything there that the node needs, and how is it mended.

Each check looks and changes nothing. ``FAIL`` is what keeps films from being judged or reports from arriving;
``WARN`` is what somebody should know.
"""

from __future__ import annotations

import datetime as dt
import http.client
import os
import shutil
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from screening_node import assembly, tls
from screening_node.admin import listings
from screening_node.assembly import looks, store_looks
from screening_node.delivery.destination import AnyDestination
from screening_node.delivery.notification import NotificationChannel
from screening_node.delivery.reach import answer_of
from screening_node.delivery.sender import echo
from screening_node.delivery.sockets import listens, why_no_handshake
from screening_node.errors import DestinationRefused, Misconfigured, ScreeningNodeError
from screening_node.settings import Settings, load_reference_table, load_settings
from screening_node.settings.access import TlsSection
from screening_node.store import schema
from screening_node.store.session import Store

_ECHO_SECONDS = 5.0
#: A certificate that ends sooner is worth a word.
_RENEW_DAYS = 30.0


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the doctor's: what was looked at, how it is, what to do."""

    check: str
    state: State
    message: str
    fix: str = ""


def examine(config: Path | None) -> Iterator[Finding]:
    """Every finding, one after the other; only the configuration's where that cannot be read."""
    try:
        settings = load_settings(config)
    except Misconfigured as error:
        for line in str(error).splitlines():
            message, _, fix = line.partition(" Fix: ")
            yield Finding(check="configuration", state=State.FAIL, message=message, fix=fix)
        return
    yield Finding(check="configuration", state=State.OK, message="Every key is known and possible.")
    for check in (
        _disk,
        _store,
        _upkeep,
        _bundle,
        _reference,
        _device,
        _tls,
        _destinations,
        _channels,
        _port,
        _callers,
        _ways_in,
        _admin,
    ):
        yield from _guarded(check, settings)


def _guarded(check: Callable[[Settings], Iterator[Finding]], settings: Settings) -> Iterator[Finding]:
    """The node's own errors are findings, too."""
    try:
        yield from check(settings)
    except ScreeningNodeError as error:
        name = check.__name__.removeprefix("_")
        yield Finding(check=name, state=State.FAIL, message=error.message, fix=error.fix)


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = _existing(settings.store.archive)
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            check="disk",
            state=State.FAIL,
            message=f"{folder} may not be written.",
            fix="Give this user the right to write there, or change [store] archive.",
        )
        return
    free, wanted = shutil.disk_usage(folder).free // assembly.MIB, settings.intake.min_free_mib
    message = f"{free} MiB free for {settings.store.archive}; below {wanted} MiB the node takes nothing in."
    if free < wanted:
        yield Finding(
            check="disk", state=State.FAIL, message=message, fix="Free space, or lower [intake] min_free_mib."
        )
    elif free < 4 * wanted:
        yield Finding(check="disk", state=State.WARN, message=message, fix="Free space before it runs out.")
    else:
        yield Finding(check="disk", state=State.OK, message=message)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return folder if folder.exists() else _existing(folder.parent)


def _store(settings: Settings) -> Iterator[Finding]:
    store = Store(settings.store.url.get_secret_value())
    try:
        if store.file is not None and not store.file.exists():
            yield Finding(check="store", state=State.OK, message=f"{store.file} is not there yet; serve will make it.")
            return
        if store.tables() != schema.head():
            return  # said by another check: its rows cannot be read
        failed = len(listings.exams(store, state="failed", limit=None))
        parked = len(listings.deliveries(store, state="parked", limit=None))
    finally:
        store.close()
    yield Finding(check="store", state=State.OK, message=f"{settings.store.safe_url} answers.")
    if failed:
        yield Finding(
            check="store",
            state=State.WARN,
            message=f"{failed} exams failed for good.",
            fix="See them: screening-node exams list --state failed; then exams retry.",
        )
    if parked:
        yield Finding(
            check="store",
            state=State.WARN,
            message=f"{parked} reports or notifications are parked.",
            fix="See them: screening-node deliveries list --state parked; then deliveries retry.",
        )


def _bundle(settings: Settings) -> Iterator[Finding]:
    identity = assembly.judging(settings).pathway.identity
    yield Finding(
        check="bundle",
        state=State.OK,
        message=f"{identity.bundle} in {settings.pathways.chest_film.bundle} matches its card.",
    )
    if identity.limits_of_use:
        yield Finding(check="bundle", state=State.WARN, message=identity.limits_of_use)


def _reference(settings: Settings) -> Iterator[Finding]:
    table = load_reference_table(settings.pathways.chest_film.reference)
    without = [sex for sex in ("F", "M") if not table.covers(sex)]
    if without:
        yield Finding(
            check="reference",
            state=State.WARN,
            message=f"Table {table.name} has no rows for sex {' and '.join(without)}: those films are refused.",
            fix="Choose a table that covers them, or add rows from your DXA machine's own.",
        )
    else:
        yield Finding(check="reference", state=State.OK, message=f"{table.citation}.")


def _device(settings: Settings) -> Iterator[Finding]:
    import torch

    chosen = assembly.device(settings.worker.device)
    name = torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else "the CPU (no GPU is used)"
    yield Finding(check="gpu", state=State.OK, message=f"Films are judged on {name}.")


def _destinations(settings: Settings) -> Iterator[Finding]:
    if not settings.destinations:
        yield Finding(
            check="destinations",
            state=State.WARN,
            message="None is configured: no report leaves the node.",
            fix="Add a [[destinations]] block for your PACS.",
        )
    for destination in assembly.destinations(settings):
        yield _called(destination, settings)


def _called(destination: AnyDestination, settings: Settings) -> Finding:
    check = f"destination {destination.name}"
    try:
        said = answer_of(destination, calling_ae=settings.node.ae_title, timeouts=assembly.timeouts(_ECHO_SECONDS))
    except ScreeningNodeError as error:
        return Finding(check=check, state=State.FAIL, message=error.message, fix=error.fix)
    return Finding(check=check, state=State.OK, message=f"{destination} {said}.")


def _channels(settings: Settings) -> Iterator[Finding]:
    for channel in assembly.channels(settings):
        check = f"channel {channel.name}"
        try:
            kind = NotificationChannel(channel, assembly.timeouts(_ECHO_SECONDS)).check()
        except ScreeningNodeError as error:
            yield Finding(check=check, state=State.FAIL, message=error.message, fix=error.fix)
        else:
            message = f"{kind} by its address; whether it arrives: screening-node notify test {channel.name}."
            yield Finding(check=check, state=State.OK, message=message)


def _tls(settings: Settings) -> Iterator[Finding]:
    assembly.check_certificates(settings)
    destinations = [(f"destination {each.name}", each.tls) for each in settings.destinations]
    sources = [(f"pull {each.name}", each.tls) for each in settings.pull]
    stow = None if settings.intake.stow is None else settings.intake.stow.tls
    for name, section in [("node.tls", settings.node.tls), ("intake.stow.tls", stow), *destinations, *sources]:
        if section is not None:
            yield from _certificates(f"certificates of {name}", section)
    if settings.node.tls is not None:
        yield _tls_port(settings)


def _certificates(check: str, section: TlsSection) -> Iterator[Finding]:
    yield from (_until(check, file) for file in (section.certificate, section.authorities) if file is not None)
    if section.key is not None and section.key.stat().st_mode & 0o077:
        yield Finding(
            check=check,
            state=State.WARN,
            message=f"Others than its owner may read the private key {section.key}.",
            fix=f"chmod 600 {section.key}",
        )


def _until(check: str, file: Path) -> Finding:
    """When the first certificate of a file ends."""
    days, fix = tls.days_left(file), "Put a renewed one in its place; a running node takes it without a restart."
    if days < 0:
        return Finding(check=check, state=State.FAIL, message=f"{file} ended {-days:.0f} days ago.", fix=fix)
    if days < _RENEW_DAYS:
        return Finding(check=check, state=State.WARN, message=f"{file} ends in {days:.0f} days.", fix=fix)
    return Finding(check=check, state=State.OK, message=f"{file} ends in {days:.0f} days.")


def _tls_port(settings: Settings) -> Finding:
    there = assembly.tls_destination(settings)
    where = f"{there.host}:{there.port} with TLS"
    if there.tls is None or not listens(there):
        return Finding(check="TLS port", state=State.OK, message=f"Nobody listens on {where}; the node is not running.")
    context = tls.calling(there.tls).get()
    reason = why_no_handshake(context, there.host, there, assembly.timeouts(_ECHO_SECONDS))
    if reason is None:
        return Finding(check="TLS port", state=State.OK, message=f"A node answers on {where}.")
    return Finding(
        check="TLS port",
        state=State.WARN,
        message=f"{where} answers, but not to this node's own certificate: {reason}.",
        fix="Where authorities does not accept that certificate as a client's, all is well; else another program "
        "holds the port: change [node.tls] port, or stop it.",
    )


def _port(settings: Settings) -> Iterator[Finding]:
    node = settings.node
    if not node.plain:
        return
    where = f"{node.host}:{node.port}"
    if assembly.port_is_free(settings):
        yield Finding(check="port", state=State.OK, message=f"{where} is free; the node is not running.")
        return
    try:
        echo(assembly.this_node(settings), calling_ae=node.ae_title, timeouts=assembly.timeouts(_ECHO_SECONDS))
    except DestinationRefused:
        yield Finding(check="port", state=State.OK, message=f"{where} answers, and does not let this machine in.")
        return
    except ScreeningNodeError:
        yield Finding(
            check="port",
            state=State.FAIL,
            message=f"{where} is not this node's to listen on: another program holds it, or it is no address of this "
            "machine.",
            fix="Change [node] host or port, or stop the other program.",
        )
        return
    yield Finding(check="port", state=State.OK, message=f"A node answers C-ECHO on {where}.")


def _callers(settings: Settings) -> Iterator[Finding]:
    node = settings.node
    lists = {"node": node.allow} if node.plain else {}
    if node.tls is not None and not node.tls.client_certificates:
        lists["node.tls"] = node.tls.allow
    for section, allow in lists.items():
        yield _list_of_callers(section, len(allow))
    refused = _refused_lately(settings)
    if refused:
        yield Finding(
            check="callers",
            state=State.WARN,
            message=f"{refused} refusals of associations were written down in the last 24 hours.",
            fix="See who it was: screening-node audit list. Add those that belong here to [node] allow.",
        )


def _ways_in(settings: Settings) -> Iterator[Finding]:
    for look in looks.ways_in(settings):
        yield Finding(check=look.check, state=State(look.state), message=look.message, fix=look.fix)


def _upkeep(settings: Settings) -> Iterator[Finding]:
    for look in store_looks.store(settings):
        yield Finding(check=look.check, state=State(look.state), message=look.message, fix=look.fix)


def _list_of_callers(section: str, listed: int) -> Finding:
    if listed:
        return Finding(check="callers", state=State.OK, message=f"{listed} entries of [{section}] say who may call.")
    return Finding(
        check="callers",
        state=State.WARN,
        message=f"Anybody who reaches the port may send films: [{section}] allow is empty.",
        fix=f"List the modalities' AE titles and addresses in [{section}] allow; docs/operations.md shows how.",
    )


def _refused_lately(settings: Settings) -> int:
    store = Store(settings.store.url.get_secret_value())
    if store.file is not None and not store.file.exists():
        return 0
    try:
        return listings.refused_associations(store, since=dt.datetime.now(dt.UTC) - dt.timedelta(days=1))
    finally:
        store.close()


def _admin(settings: Settings) -> Iterator[Finding]:
    yield from _provider(settings)
    page = assembly.admin_page(settings)
    if page is None:
        yield Finding(check="admin", state=State.OK, message="The admin's page is switched off.")
        return
    host, port = settings.admin.host, settings.admin.port
    if _answers(page):
        yield Finding(check="admin", state=State.OK, message=f"The admin's page answers on {page}")
    elif assembly.can_listen(host, port):
        yield Finding(check="admin", state=State.OK, message=f"{page} is free; the page is not running.")
    else:
        yield Finding(
            check="admin",
            state=State.WARN,
            message=f"{host}:{port} is taken by another program: there is no admin's page. Films are taken.",
            fix="Change [admin] port, or stop the other program.",
        )


def _provider(settings: Settings) -> Iterator[Finding]:
    """Whoever vouches for users: without it local accounts still sign in, hence no failure."""
    from screening_node.admin.oidc import Provider

    section = settings.admin.oidc
    if section is None or not settings.admin.served:
        return
    file = section.client_secret_file
    if file is not None and file.is_file() and file.stat().st_mode & 0o077:
        said = f"Others than its owner may read the client's secret {file}."
        yield Finding(check="sign-in", state=State.WARN, message=said, fix=f"chmod 600 {file}")
    try:
        told = assembly.oidc_config(settings)
        assert told is not None
        issuer = Provider(told).check()
    except ScreeningNodeError as error:
        yield Finding(check="sign-in", state=State.WARN, message=error.message, fix=error.fix)
        return
    yield Finding(check="sign-in", state=State.OK, message=f"{issuer} answers and is strict enough.")


def _answers(page: str) -> bool:
    """Whether a page of this kind of node is there; its certificate is not what is asked."""
    trusting = ssl._create_unverified_context()
    try:
        with urllib.request.urlopen(f"{page}health/live", timeout=_ECHO_SECONDS, context=trusting) as answer:
            return bool(answer.read(16) == b"alive\n")
    except (OSError, http.client.HTTPException):
        return False
