"""The delivery process: who gets reports and how they are called, what each gets of every film; who is told."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING

from screening_node.assembly.certificates import client_tls
from screening_node.assembly.logs import configure_logging
from screening_node.assembly.notifications import channels, told
from screening_node.assembly.storage import opened
from screening_node.settings import Settings
from screening_node.store.archive import Archive

if TYPE_CHECKING:
    from screening_node.delivery.destination import AnyDestination, Timeouts
    from screening_node.reporting.kinds import ObjectSet
    from screening_node.reporting.message import MessageSet
    from screening_node.settings.sections import AnyDestinationSection


def run_delivery_process(stop: threading.Event, owner: str, settings: Settings) -> None:
    """Send reports and notifications until ``stop`` is set; the body of the delivery process."""
    from screening_node.delivery.dispatcher import DeliveryConfig, run_delivery

    configure_logging()
    config = DeliveryConfig(
        ae_title=settings.node.ae_title,
        timeouts=timeouts(settings.delivery.timeout_seconds),
        give_up_after=dt.timedelta(days=settings.delivery.give_up_days),
    )
    archive = Archive(settings.store.archive)
    with opened(settings) as store, told(settings, store, archive):
        run_delivery(config, (*destinations(settings), *channels(settings)), store, archive, stop)


def destinations(settings: Settings) -> tuple[AnyDestination, ...]:
    """What gets reports: PACS, receivers of HL7 messages, FHIR servers."""
    return tuple(_destination(each) for each in settings.destinations)


def _destination(section: AnyDestinationSection) -> AnyDestination:
    from screening_node.delivery.destination import Destination, FhirDestination, MllpDestination

    name, host, port, tls = section.name, section.host, section.port, client_tls(section.tls)
    if section.protocol == "hl7":
        return MllpDestination(name=name, host=host, port=port, tls=tls)
    if section.protocol == "fhir":
        version, token = {"R4": "4.0", "R5": "5.0"}[section.version], section.token_file
        return FhirDestination(
            name=name, host=host, port=port, tls=tls, path=section.path, fhir_version=version, token=token
        )
    return Destination(name=name, host=host, port=port, tls=tls, ae_title=section.ae_title)


def timeouts(seconds: float) -> Timeouts:
    """How long a destination may take: for the connection, the association, and each message."""
    from screening_node.delivery.destination import Timeouts

    return Timeouts(connect=min(seconds, 10.0), association=seconds, message=seconds)


def object_sets(settings: Settings) -> dict[str, ObjectSet | MessageSet]:
    """What each destination gets of every film."""
    return {each.name: _object_set(each) for each in settings.destinations}


def _object_set(section: AnyDestinationSection) -> ObjectSet | MessageSet:
    from screening_node.reporting.kinds import ObjectSet
    from screening_node.reporting.message import Addressing, MessageFormat, MessageSet

    if section.protocol == "dicom":
        return ObjectSet(sr_class=section.sr.uid, kinds=section.objects, language=section.language)
    if section.protocol == "hl7":
        keys = ("sending_application", "sending_facility", "receiving_application", "receiving_facility", "processing")
        named = {key: getattr(section, key) for key in keys}
        addressing = Addressing(**named, assigning_authority=section.assigning_authority)
        return MessageSet(format=MessageFormat.ORU_R01, addressing=addressing, language=section.language)
    return MessageSet(
        format=MessageFormat.FHIR_R5 if section.version == "R5" else MessageFormat.FHIR_R4,
        addressing=Addressing(
            assigning_authority=section.assigning_authority, patient_system=section.patient_system or ""
        ),
        language=section.language,
    )
