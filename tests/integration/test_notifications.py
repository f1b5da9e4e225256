"""Notifications from the store to real receivers on loopback: a webhook and a mail server."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import notification_peers as receivers
import pytest
from admin.filled_store import fill
from integration import peers
from notification_peers import SECRET
from unit.notifications.telling import LIMITS, PAGE, WELL, WRITER, Told
from unit.settings.test_messages import load

from screening_node.assembly import delivery, opened
from screening_node.delivery.channel import Unreachable
from screening_node.delivery.destination import NotificationDestination, Timeouts
from screening_node.delivery.dispatcher import DeliveryConfig, owner_prefix, run_delivery
from screening_node.delivery.notification import Message, NotificationChannel
from screening_node.errors import DestinationRefused, DestinationUnavailable, ScreeningNodeError
from screening_node.notifications.schedule import telling
from screening_node.notifications.watch import Watch, WatchRules
from screening_node.store import outbox
from screening_node.store import tables as t
from screening_node.store.archive import Archive
from screening_node.store.outbox import Delivery, DeliveryState
from screening_node.store.session import Store

TIMEOUTS = Timeouts(connect=2.0, association=2.0, message=2.0)
CONFIG = DeliveryConfig(ae_title="NODE", timeouts=TIMEOUTS, poll=0.02, store_pause=0.05)
TEST = Message(title="NODE: test", body="one line\n<b> & another\nhttps://node.example/alerts/1")
CHANNELS = """
[[notifications.channels]]
name = "chat"
apprise_url_file = "chat.url"
about = ["dead-letters"]
[[notifications.channels]]
name = "mail"
apprise_url_file = "mail.url"
about = ["digest"]
[notifications.digest]
enabled = true
hour = 0
time_zone = "UTC"
"""
PATIENT = ("P1", "P2", "P3", "HYPERLINK", "Doe", "Jane", "2026-02-28", "osteoporosis")


def channel(address: str, name: str = "duty") -> NotificationDestination:
    return NotificationDestination(name=name, address=address)


def send(address: str, message: Message = TEST) -> None:
    NotificationChannel(channel(address), TIMEOUTS).send(message, [message])


def closed_port() -> int:
    return peers.free_port()


@contextlib.contextmanager
def node(store: Store, archive: Archive, *channels: NotificationDestination) -> Iterator[None]:
    """The delivery process's threads: what watches, and what sends."""
    told = Told(store, archive)
    names = tuple(each.name for each in channels)
    postbox = told.postbox(dict.fromkeys(told.postbox().audience, names))
    rules = WatchRules(settle=0.0, alarms=dt.timedelta(0), dead_letters=dt.timedelta(0), oldest=dt.timedelta(days=9999))
    watch = Watch(postbox=postbox, writer=WRITER, look=lambda: WELL, rules=rules)
    stop = threading.Event()
    thread = threading.Thread(target=run_delivery, args=(CONFIG, channels, store, archive, stop))
    with telling(watch, None, every=0.05):
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(30)
            assert not thread.is_alive()


def deliveries(store: Store) -> list[Delivery]:
    with store.read() as tx:
        rows = tx.execute(outbox.select_deliveries().where(t.outbox.c.kind == outbox.NOTIFICATION)).all()
    return [outbox.as_delivery(row) for row in rows]


def all_are(store: Store, state: DeliveryState, count: int) -> bool:
    found = deliveries(store)
    return len(found) == count and {one.state for one in found} == {state}


@pytest.fixture
def filled(store: Store, archive: Archive) -> Store:
    """One alarm, one dead job, one parked report, which came after notifications were turned on long ago."""
    told = Told(store, archive)
    told.watch().round()
    fill(store)
    return store


def test_a_webhook_gets_the_message_as_json() -> None:
    with receivers.webhook() as hook:
        send(hook.url)
    (got,) = hook.received
    assert (got["title"], got["message"], got["type"]) == (TEST.title, TEST.body, "info")


def test_a_mail_is_plain_text_with_the_title_as_subject() -> None:
    with receivers.mail_server() as server:
        send(server.url)
    (mail,) = server.received
    assert mail["Subject"] == TEST.title
    assert mail["To"] == f"duty-{SECRET}@hospital.example"
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().splitlines() == TEST.body.splitlines()


@pytest.mark.parametrize("status", [400, 401, 404, 301])
def test_a_refusal_is_permanent(status: int) -> None:
    with receivers.webhook(status) as hook, pytest.raises(DestinationRefused, match=f"HTTP {status}"):
        send(hook.url)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_server_that_is_busy_is_asked_again(status: int) -> None:
    with receivers.webhook(status) as hook, pytest.raises(DestinationUnavailable, match=f"HTTP {status}") as caught:
        send(hook.url)
    assert not isinstance(caught.value, Unreachable)


def test_nobody_there_and_silence_are_transient() -> None:
    with pytest.raises(Unreachable):
        send(f"json://127.0.0.1:{closed_port()}/{SECRET}")
    with receivers.silent_server() as port:
        for scheme in ("json", "mailto"):
            with pytest.raises(Unreachable):
                send(f"{scheme}://127.0.0.1:{port}/?from=a-{SECRET}@b.example&to=c@d.example&mode=insecure")


def test_a_mail_server_that_takes_nobody_s_mail_is_asked_again() -> None:
    with receivers.mail_server("451 greylisted") as server, pytest.raises(Unreachable):
        send(server.url)
    assert server.received == []


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (f"nonsense://{SECRET}", "does not understand"),
        (SECRET, "does not understand"),
        ("", "does not understand"),
        (f"mailto://x:{SECRET}@127.0.0.1:25?to=a@b.example,c@d.example&from=e@f.example", "several receivers"),
    ],
)
def test_an_address_that_is_none_waits_for_a_better_one(address: str, why: str) -> None:
    with pytest.raises(Unreachable, match=why):
        send(address)


def test_an_address_in_a_file_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "duty.url"
    made = NotificationChannel(NotificationDestination(name="duty", address_file=file), TIMEOUTS)
    with pytest.raises(Unreachable, match="cannot be read"):
        made.send(TEST, [TEST])
    with receivers.webhook() as hook:
        file.write_text(f"{hook.url}\n")
        made.send(TEST, [TEST])
    assert hook.titles == [TEST.title]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the node's own log would hold, at its most talkative; pytest's would listen at every logger."""
    text = io.StringIO()
    handler, root = logging.StreamHandler(text), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(before)


def test_no_address_leaks_in_errors_logs_or_reprs(log: io.StringIO) -> None:
    said = [repr(channel(f"json://{SECRET}@h")), str(channel(f"json://{SECRET}@h"))]
    with receivers.silent_server() as silent, receivers.webhook(404) as hook, receivers.mail_server("550 no") as mail:
        for address in (
            f"nonsense://{SECRET}",
            f"json://127.0.0.1:{closed_port()}/{SECRET}",
            f"json://127.0.0.1:{silent}/{SECRET}",
            hook.url,
            mail.url,
        ):
            with pytest.raises(ScreeningNodeError) as caught:
                send(address)
            error: BaseException | None = caught.value
            while error is not None:
                said += [str(error), repr(error)]
                error = error.__cause__
    assert SECRET not in "".join(said)
    logging.getLogger().info("It is heard.")
    assert "It is heard." in log.getvalue()
    assert SECRET not in log.getvalue()


def test_films_end_as_messages_that_name_no_patient(filled: Store, archive: Archive) -> None:
    with (
        receivers.webhook() as hook,
        receivers.mail_server() as mail,
        node(filled, archive, channel(hook.url, "chat"), channel(mail.url, "mail")),
    ):
        peers.wait_until(lambda: all_are(filled, DeliveryState.DELIVERED, 4))
    assert sorted(hook.titles) == ["NODE: 1 film not judged and 1 report not delivered", "NODE: 1 new alarm"]
    assert sorted(str(one["Subject"]) for one in mail.received) == sorted(hook.titles)
    texts = [one["title"] + one["message"] for one in hook.received] + [one.as_string() for one in mail.received]
    assert sum(f"{PAGE}/alerts/1" in text for text in texts) == 2
    for text in texts:
        assert LIMITS in text
        assert not [word for word in PATIENT if word in text.replace("https", "")]


def test_a_restart_in_the_middle_loses_and_repeats_nothing(filled: Store, archive: Archive) -> None:
    port = closed_port()
    away = channel(f"json://127.0.0.1:{port}/{SECRET}")
    with node(filled, archive, away):
        peers.wait_until(lambda: [one.attempt for one in deliveries(filled)] == [1, 1])
    waiting = deliveries(filled)
    assert {one.state for one in waiting} == {DeliveryState.PENDING}
    assert all("(notifications)" in (one.error or "") for one in waiting)
    with filled.begin() as tx:
        for one in waiting:
            outbox.requeue(tx, one.id, dt.datetime.now(dt.UTC))
    with receivers.webhook(port=port) as hook, node(filled, archive, away):
        peers.wait_until(lambda: all_are(filled, DeliveryState.DELIVERED, 2))
    with node(filled, archive, away):
        peers.wait_until(lambda: all_are(filled, DeliveryState.DELIVERED, 2))
    assert len(hook.received) == 2


def test_what_a_killed_process_held_goes_out(filled: Store, archive: Archive) -> None:
    told = Told(filled, archive)
    told.watch(dict.fromkeys(told.postbox().audience, ("duty",))).round()
    held = outbox.claim_due(filled, "duty", f"{owner_prefix()}1:dead", dt.datetime.now(dt.UTC), 1, 3600.0)
    assert [one.state for one in held] == [DeliveryState.SENDING]
    with receivers.webhook() as hook, node(filled, archive, channel(hook.url)):
        peers.wait_until(lambda: all_are(filled, DeliveryState.DELIVERED, 2))
    assert len(hook.received) == 2


def test_a_refused_message_is_parked_and_goes_out_once_a_person_says_so(filled: Store, archive: Archive) -> None:
    with receivers.webhook(401) as hook, node(filled, archive, channel(hook.url)):
        peers.wait_until(lambda: all_are(filled, DeliveryState.PARKED, 2))
        parked = deliveries(filled)
        assert "HTTP 401 (Unauthorized)" in (parked[0].error or "")
        hook.statuses[:] = [200]
        with filled.begin() as tx:
            for one in parked:
                outbox.requeue(tx, one.id, dt.datetime.now(dt.UTC))
        peers.wait_until(lambda: all_are(filled, DeliveryState.DELIVERED, 2))
    assert len(hook.received) == 2


def test_one_channel_that_hangs_holds_up_no_other(filled: Store, archive: Archive) -> None:
    with (
        receivers.silent_server() as port,
        receivers.webhook() as hook,
        node(filled, archive, channel(f"json://127.0.0.1:{port}/", "hangs"), channel(hook.url, "works")),
    ):
        peers.wait_until(lambda: len(hook.received) == 2)
        states = {one.state for one in deliveries(filled) if one.destination == "hangs"}
        assert DeliveryState.DELIVERED not in states


def test_the_delivery_process_tells_people_and_writes_the_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "configure_logging", lambda: None)
    with receivers.webhook() as hook, receivers.mail_server() as mail:
        (tmp_path / "chat.url").write_text(hook.url)
        (tmp_path / "mail.url").write_text(mail.url)
        settings = load(tmp_path, CHANNELS)
        with opened(settings) as store:
            store.migrate()
            Told(store, Archive(settings.store.archive)).watch().round()
            fill(store)
            stop = threading.Event()
            process = threading.Thread(target=delivery.run_delivery_process, args=(stop, "here/delivery/1", settings))
            process.start()
            try:
                peers.wait_until(lambda: len(mail.received) == 1 and len(hook.received) == 1)
            finally:
                stop.set()
                process.join(30)
            assert not process.is_alive()
    assert hook.titles == ["SCREENING_NODE: 1 film not judged and 1 report not delivered"]
    assert str(mail.received[0]["Subject"]).startswith("SCREENING_NODE: digest of ")
    assert "- reports not delivered to pacs: 2 (1 parked)" in mail.received[0].get_content()
