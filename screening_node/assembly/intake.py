"""The intake process: listens, stores, acknowledges."""

from __future__ import annotations

import threading

from screening_node.assembly.logs import configure_logging
from screening_node.assembly.ports import allowed_callers, secure_port
from screening_node.assembly.storage import MIB, opened
from screening_node.settings import Settings
from screening_node.store.archive import Archive


def run_intake_process(stop: threading.Event, owner: str, settings: Settings) -> None:
    """Take films in until ``stop`` is set; the body of the intake process."""
    from screening_node.imaging.header import patient_of
    from screening_node.intake.scp import IntakeConfig, run_intake
    from screening_node.pathways.registry import route

    configure_logging()
    config = IntakeConfig(
        ae_title=settings.node.ae_title,
        host=settings.node.host,
        port=settings.node.port if settings.node.plain else None,
        max_pdu=settings.intake.max_pdu,
        max_associations=-(-settings.node.max_associations // settings.intake.processes),  # each takes its share
        network_timeout=settings.intake.network_timeout_seconds,
        min_free_bytes=settings.intake.min_free_mib * MIB,
        max_object_bytes=settings.intake.max_object_mib * MIB,
        allow=allowed_callers(settings.node.allow),
        secure=secure_port(settings),
        share_ports=settings.intake.processes > 1,
    )
    with opened(settings) as store:
        run_intake(config, store, Archive(settings.store.archive), route, patient_of, stop)
