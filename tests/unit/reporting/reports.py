"""What tests of the Structured Report have in common."""

import datetime as dt
from typing import Any

from unit.reporting import cases

from screening_node.domain.tscore import ReferenceTable
from screening_node.reporting.reporter import Reporter

PATIENT_GROUP = "Lumbar bone density of the patient"
FILM = ("1.2.840.10008.5.1.4.1.1.1.1", "1.2.826.0.1.3680043.10.999.3")


def reporter(table: ReferenceTable = cases.TABLE, **settings: Any) -> Reporter:
    return Reporter(table, **{"software_version": "0.1.0", "zone": dt.UTC, **settings})
