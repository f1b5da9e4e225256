"""Troubles: what they are about, and which of them keep films or reports from where they belong."""

from __future__ import annotations

import datetime as dt

from admin.filled_store import NOW, fill

from screening_node.admin import wellness
from screening_node.admin.wellness import Cause
from screening_node.store import outbox
from screening_node.store.archive import Archive
from screening_node.store.outbox import NOTIFICATION, NOTIFICATION_FORMAT, Outgoing
from screening_node.store.session import Store


def test_people_who_cannot_be_reached_are_no_grave_trouble(store: Store, archive: Archive) -> None:
    fill(store)
    message = Outgoing(
        destination="duty",
        kind=NOTIFICATION,
        sop_class_uid=NOTIFICATION_FORMAT,
        sop_instance_uid="alarm/1",
        path="reports/1.json",
    )
    with store.begin() as tx:
        outbox.add(tx, None, message, NOW)
    later = NOW + dt.timedelta(hours=1)  # what the filled store's own sender held is due again
    for name in ("duty", "pacs"):
        (held,) = outbox.claim_due(store, name, "sender", later, 5, 60.0)
        with store.begin() as tx:
            outbox.postpone(tx, held, later, "It is away.")
    well = wellness.look(store, archive, ("pacs", "duty"), 0)
    found = {trouble.about: trouble for trouble in well.troubles if trouble.cause is Cause.DESTINATION}
    assert found["duty"].text == "duty does not take notifications: 1 wait."
    assert not found["duty"].grave
    assert found["pacs"].grave
    assert found["pacs"].whole == "pacs does not take reports: 1 wait. It is away."
    assert [lane.to_people for lane in well.lanes] == [False, True]
