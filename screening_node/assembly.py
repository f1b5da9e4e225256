"""The only file that wires concrete parts together: from Settings to a running node.

Heavy parts (torch, DICOM network) are imported where they are needed, so that a listing of alerts loads neither,
and the intake and delivery processes never load torch.

    serve
      |- run_intake_process     listens, stores, acknowledges
      |- run_worker_process     judges, on GPU or CPU
      |- run_delivery_process   sends reports
      `- run_admin_process      serves the admin's page
"""

from __future__ import annotations

import datetime as dt
import logging
import socket
import sys
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from screening_node import __version__, tls
from screening_node.domain.alarm import ThresholdSet
from screening_node.domain.tscore import ReferenceTable
from screening_node.errors import Misconfigured
from screening_node.settings import Settings, load_reference_table, load_threshold_set, read_toml
from screening_node.store.archive import Archive
from screening_node.store.session import Store
from screening_node.tls import ClientTls, Identity, ServerTls, Trust

if TYPE_CHECKING:
    from screening_node.admin.site import AdminConfig
    from screening_node.delivery.destination import AnyDestination, Destination, Timeouts
    from screening_node.intake.callers import AllowedCaller
    from screening_node.intake.scp import SecurePort
    from screening_node.pathways.base import Pathway
    from screening_node.reporting.kinds import ObjectSet
    from screening_node.reporting.message import MessageSet
    from screening_node.reporting.reporter import Reporter
    from screening_node.settings.access import AllowSection, DestinationTlsSection, NodeTlsSection
    from screening_node.settings.sections import AnyDestinationSection

log = logging.getLogger(__name__)

MIB = 1024 * 1024
_REACHED_AS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, kw_only=True)
class Judging:
    """What judges a film: networks, tables and the writer of reports."""

    pathway: Pathway[Any]
    reference: ReferenceTable
    thresholds: ThresholdSet
    reporter: Reporter


@dataclass(frozen=True, kw_only=True)
class CardInBrief:
    """What is said of a bundle when a node starts."""

    name: str
    limits_of_use: str


def card_of(settings: Settings) -> CardInBrief:
    """The configured bundle in brief, without torch: only the worker loads that, and checks the whole card."""
    table = read_toml(settings.pathways.chest_film.bundle / "card.toml")
    return CardInBrief(
        name=f"{table.get('name', 'without a name')} {table.get('version', '')}".strip(),
        limits_of_use=str(table.get("limits_of_use", "")),
    )


def open_store(settings: Settings) -> Store:
    """The database, brought to this version's tables."""
    store = Store(settings.store.url.get_secret_value())
    store.migrate()
    return store


def judging(settings: Settings) -> Judging:
    """Load the bundle and the tables. Raises Misconfigured (BundleInvalid) where they do not fit together."""
    from screening_node.reporting.reporter import Reporter
    from screening_node.reporting.sentence import Sentences, in_every_language

    section = settings.pathways.chest_film
    reference = load_reference_table(section.reference)
    return Judging(
        pathway=chest_film_pathway(settings),
        reference=reference,
        thresholds=load_threshold_set(section.thresholds),
        reporter=Reporter(
            reference,
            software_version=__version__,
            sentences=Sentences(
                judged=in_every_language(settings.reports.sentence),
                refused=in_every_language(settings.reports.sentence_refused),
            ),
        ),
    )


def chest_film_pathway(settings: Settings, bundle: Path | None = None) -> Pathway[Any]:
    """The chest-film pathway with its bundle (or another one), on the configured device."""
    from screening_node.pathways.chest_film.admission import AdmissionRules
    from screening_node.pathways.chest_film.pathway import ChestFilmPathway

    section = settings.pathways.chest_film
    reference = load_reference_table(section.reference)
    thresholds = load_threshold_set(section.thresholds)
    rules = AdmissionRules(age_range=section.age_range, reference=reference)
    return ChestFilmPathway.load(bundle or section.bundle, device(settings.worker.device), rules, thresholds=thresholds)


def device(wanted: str) -> Any:
    """The torch device of ``[worker] device``; "auto" is CUDA where there is one. Raises Misconfigured."""
    import torch

    name = wanted if wanted != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    chosen = torch.device(name)
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise Misconfigured(
            f"worker.device is {wanted}, but torch sees {torch.cuda.device_count()} CUDA devices.",
            fix='Write device = "auto" in [worker], or mend the GPU driver.',
        )
    return chosen


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


def this_node(settings: Settings) -> Destination:
    """The node itself, as a program on this machine reaches it."""
    from screening_node.delivery.destination import Destination

    node = settings.node
    if not node.plain:
        return tls_destination(settings)
    host = _REACHED_AS.get(node.host, node.host)
    return Destination(name="this node", ae_title=node.ae_title, host=host, port=node.port)


def tls_destination(settings: Settings) -> Destination:
    """The node's port with TLS, as a program on this machine reaches it."""
    from screening_node.delivery.destination import Destination

    node, secure = settings.node, settings.node.tls
    assert secure is not None
    host = secure.host or node.host
    return Destination(
        name="this node",
        ae_title=node.ae_title,
        host=_REACHED_AS.get(host, host),
        port=secure.port,
        tls=own_client_tls(secure),
    )


def ports_in_words(settings: Settings) -> str:
    """Where the node listens, for people's eyes."""
    node = settings.node
    plain = [f"{node.host}:{node.port}"] if node.plain else []
    secure = [f"{node.tls.host or node.host}:{node.tls.port} with TLS"] if node.tls is not None else []
    return " and ".join(plain + secure)


def allowed_callers(entries: Iterable[AllowSection]) -> tuple[AllowedCaller, ...]:
    """Who may call; empty where everybody may."""
    from screening_node.intake.callers import AllowedCaller

    return tuple(
        AllowedCaller(ae_title=each.ae_title, networks=each.addresses or (), certificate=each.certificate)
        for each in entries
    )


def secure_port(settings: Settings) -> SecurePort | None:
    """The port with TLS, where there is one."""
    from screening_node.intake.scp import SecurePort

    section = settings.node.tls
    if section is None:
        return None
    return SecurePort(
        host=section.host or settings.node.host,
        port=section.port,
        tls=server_tls(section),
        allow=allowed_callers(section.allow),
    )


def server_tls(section: NodeTlsSection) -> ServerTls:
    """What the port with TLS shows, and whom it believes."""
    shown, trust = _identity(section), _trust(section) if section.client_certificates else None
    assert shown is not None  # the section was checked
    return ServerTls(identity=shown, trust=trust)


def client_tls(section: DestinationTlsSection | None) -> ClientTls | None:
    """How a destination is called over TLS; None for plain DICOM."""
    if section is None:
        return None
    trust = _trust(section)
    assert trust is not None  # the section was checked
    return ClientTls(
        trust=trust, identity=_identity(section), server_name=section.server_name, verify_name=section.verify_name
    )


def own_client_tls(section: NodeTlsSection | None) -> ClientTls | None:
    """How this machine calls its own node over TLS: it believes the node's certificate itself, and shows it."""
    if section is None or section.certificate is None:
        return None
    return ClientTls(trust=Trust(authorities=section.certificate), identity=_identity(section), verify_name=False)


def _identity(section: NodeTlsSection | DestinationTlsSection) -> Identity | None:
    if section.certificate is None:
        return None
    return Identity(
        certificate=section.certificate,
        key=section.key,
        key_pem=None if section.key_pem is None else section.key_pem.get_secret_value(),
        password=None if section.key_password is None else section.key_password.get_secret_value(),
    )


def _trust(section: NodeTlsSection | DestinationTlsSection) -> Trust | None:
    if section.authorities is None:
        return None
    return Trust(authorities=section.authorities, revocations=section.revocations)


def check_certificates(settings: Settings) -> None:
    """Raises Misconfigured where certificates, keys or authorities cannot be used."""
    if settings.node.tls is not None:
        tls.serving(server_tls(settings.node.tls))
    for each in settings.destinations:
        if (client := client_tls(each.tls)) is not None:
            tls.calling(client)


def port_is_free(settings: Settings) -> bool:
    """Whether the node could listen where it is told to, as far as can be seen without listening."""
    return can_listen(settings.node.host, settings.node.port)


def can_listen(host: str, port: int) -> bool:
    """Whether a program could listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def admin_config(settings: Settings) -> AdminConfig:
    """What the admin's page is told. Raises Misconfigured (BundleInvalid) where the bundle has no readable card."""
    from screening_node.admin.site import AdminConfig
    from screening_node.pathways.weights import CARD, read_card

    section, chest_film = settings.admin, settings.pathways.chest_film
    card = read_card(chest_film.bundle / CARD)
    return AdminConfig(
        host=section.host,
        port=section.port,
        certificate=section.certificate,
        key=section.key,
        viewer_url=section.viewer_url,
        node=settings.node.ae_title,
        version=__version__,
        bundle=f"{card.name} {card.version}",
        limits_of_use=card.limits_of_use,
        reference=load_reference_table(chest_film.reference),
        destinations=tuple(each.name for each in settings.destinations),
        min_free_bytes=settings.intake.min_free_mib * MIB,
        model_card=_model_card(chest_film.bundle),
        settings=shown_settings(settings),
    )


def admin_page(settings: Settings) -> str | None:
    """The link to the admin's page for a browser on this machine; None where it is switched off."""
    from screening_node.admin.address import page_address

    section = settings.admin
    return page_address(section.host, section.port, tls=section.certificate is not None) if section.served else None


def _model_card(bundle: Path) -> str:
    try:
        return (bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    except OSError:
        return ""


def shown_settings(settings: Settings) -> dict[str, dict[str, Any]]:
    """The configuration in force for people's eyes: section -> key -> value, the database's password masked."""
    told = settings.model_dump(mode="json")
    told["store"]["url"] = settings.store.safe_url
    told |= {f"pathways.{name}": section for name, section in told.pop("pathways").items()}
    for number, destination in enumerate(told.pop("destinations")):
        told[f"destinations {number + 1}"] = destination
    return told


def timeouts(seconds: float) -> Timeouts:
    """How long a destination may take: for the connection, the association, and each message."""
    from screening_node.delivery.destination import Timeouts

    return Timeouts(connect=min(seconds, 10.0), association=seconds, message=seconds)


def lock_paths(settings: Settings) -> tuple[Path, ...]:
    """The files whose locks say that a node of this host works on this archive and on this database."""
    database = Store(settings.store.url.get_secret_value()).file
    if database is None:  # a database server: other hosts share it, and perhaps the archive
        return (settings.store.archive / f"node-{socket.gethostname()}.lock",)
    return (settings.store.archive / "node.lock", database.with_name(database.name + ".lock"))


def serve(settings: Settings) -> None:
    """Run the node on this host until SIGTERM or Ctrl-C. Raises AlreadyRunning or Misconfigured."""
    from screening_node import service
    from screening_node.queue import rescue
    from screening_node.queue.retry import RetryRules

    configure_logging()

    def prepare_store() -> None:
        """Only once the lock is held: what an earlier run left behind belongs to nobody now."""
        check_certificates(settings)
        if settings.node.plain and not port_is_free(settings):
            raise Misconfigured(
                f"node.port: {settings.node.host}:{settings.node.port} is taken, or no address of this machine.",
                fix="Change [node] host or port, or stop the program that holds that port.",
            )
        Archive(settings.store.archive).sweep()
        store = open_store(settings)
        rescue.rescue_left_behind(store, service.host_prefix(), RetryRules(), now=dt.datetime.now(dt.UTC))
        store.close()

    def rescue_dead(owner: str) -> None:
        store = Store(settings.store.url.get_secret_value())
        try:
            rescue.rescue_owner(store, owner, RetryRules(), now=dt.datetime.now(dt.UTC))
        finally:
            store.close()

    *others, last = lock_paths(settings)
    with ExitStack() as held:
        for path in others:
            held.enter_context(service.single_run(path))
        service.serve(processes(settings), last, at_start=prepare_store, on_death=rescue_dead)


def processes(settings: Settings) -> list[Any]:
    """The processes of this host, in the order of a film's route."""
    from screening_node.service import ProcessSpec

    numbers = range(1, settings.intake.processes + 1)
    specs = [
        *(
            ProcessSpec(
                name="intake" if number == 1 else f"intake-{number}", target=run_intake_process, args=(settings,)
            )
            for number in numbers
        ),
        ProcessSpec(name="worker", target=run_worker_process, args=(settings,)),
        ProcessSpec(name="delivery", target=run_delivery_process, args=(settings,)),
    ]
    if settings.admin.served:
        specs.append(ProcessSpec(name="admin", target=run_admin_process, args=(settings,)))
    return specs


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
    with _Opened(settings) as store:
        run_intake(config, store, Archive(settings.store.archive), route, patient_of, stop)


def run_worker_process(stop: threading.Event, owner: str, settings: Settings) -> None:
    """Judge films until ``stop`` is set; the body of a worker process."""
    from screening_node.queue.worker import Worker, WorkerRules
    from screening_node.screening import Screening

    configure_logging()
    parts = judging(settings)
    log.info("Judging with bundle %s.", parts.pathway.identity.bundle)
    with _Opened(settings) as store:
        screening = Screening(
            pathways={parts.pathway.name: parts.pathway},
            reference=parts.reference,
            thresholds=parts.thresholds,
            store=store,
            archive=Archive(settings.store.archive),
            reporter=parts.reporter,
            destinations=object_sets(settings),
            report_refusals=settings.reports.refusals,
            window_months=settings.alarms.window_months,
        )
        rules = WorkerRules(
            batch_size=settings.worker.batch, decoders=settings.worker.threads, lease_s=settings.worker.lease_seconds
        )
        Worker(store, owner, prepare=screening.prepare, judge=screening.judge, rules=rules).run(stop)


def run_delivery_process(stop: threading.Event, owner: str, settings: Settings) -> None:
    """Send reports until ``stop`` is set; the body of the delivery process."""
    from screening_node.delivery.dispatcher import DeliveryConfig, run_delivery

    configure_logging()
    config = DeliveryConfig(
        ae_title=settings.node.ae_title,
        timeouts=timeouts(settings.delivery.timeout_seconds),
        give_up_after=dt.timedelta(days=settings.delivery.give_up_days),
    )
    with _Opened(settings) as store:
        run_delivery(config, destinations(settings), store, Archive(settings.store.archive), stop)


def run_admin_process(stop: threading.Event, owner: str, settings: Settings) -> None:
    """Serve the admin's page until ``stop`` is set; the body of the admin process."""
    from screening_node.admin.server import run_admin

    configure_logging()
    with _Opened(settings) as store:
        run_admin(admin_config(settings), store, Archive(settings.store.archive), stop)


class _Opened:
    """The store for the length of a process; the parent has migrated it."""

    def __init__(self, settings: Settings) -> None:
        self._store = Store(settings.store.url.get_secret_value())

    def __enter__(self) -> Store:
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()


def configure_logging() -> None:
    """Log to standard error, one line an event; the DICOM libraries' own messages may quote headers and stay out."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(processName)s %(levelname)s %(name)s: %(message)s",
    )
    for library in ("pynetdicom", "pydicom", "alembic", "highdicom"):
        logging.getLogger(library).setLevel(logging.ERROR)
