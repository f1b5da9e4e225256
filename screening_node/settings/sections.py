"""What a node can be told, section by section; frozen, unknown keys refused.

Clinical choices (bundle, reference table, thresholds) have no default on purpose: a site that misspells one must
not get another silently. Every check here is one that needs no network and changes nothing.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    SecretStr,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from screening_node.errors import Misconfigured
from screening_node.reporting import sentence as sentences
from screening_node.reporting.kinds import COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, ENHANCED_SR, Kind
from screening_node.reporting.language import Language
from screening_node.settings.access import AllowSection, DestinationTlsSection, NodeTlsSection
from screening_node.settings.base import AeTitle, Host, Port, Section, listed, wrong
from screening_node.settings.messages import FhirSection, Hl7Section, Name
from screening_node.settings.notifications import NotificationsSection
from screening_node.settings.retention import RetentionSection
from screening_node.settings.signin import OidcSection
from screening_node.settings.tables import load_reference_table, load_threshold_set
from screening_node.settings.ways_in import FolderSection, PullSection, StowSection

ENVIRONMENT_PREFIX = "SCREENING_NODE__"
_EVERYWHERE = frozenset({"0.0.0.0", "::", "127.0.0.1", "::1", "localhost"})


def _bundle(path: Path) -> Path:
    if not (path / "card.toml").is_file():
        raise wrong(f"no weight bundle at {path}: it has no card.toml", "Name a folder under models/chest_film.")
    return path


def _reference(path: Path) -> Path:
    _translated(load_reference_table, path)
    return path


def _thresholds(path: Path) -> Path:
    _translated(load_threshold_set, path)
    return path


def _translated(load: object, path: Path) -> None:
    assert callable(load)
    try:
        load(path)
    except Misconfigured as error:
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.toml")))
        fix = error.fix if path.is_file() else f"Use one of: {known}; or the path of a TOML file of your own."
        raise wrong(error.message.rstrip("."), fix) from error


#: One sentence for every language, one for each of some languages, or none: ours.
Sentence = str | dict[Language, str] | None


def _judged_sentence(value: Sentence) -> Sentence:
    return _said(value, sentences.JUDGED_WORDS)


def _refused_sentence(value: Sentence) -> Sentence:
    return _said(value, sentences.REFUSED_WORDS)


def _said(value: Sentence, words: tuple[str, ...]) -> Sentence:
    faults = (sentences.fault_in(each, words) for each in sentences.in_every_language(value).values())
    fault = next(filter(None, faults), None)
    if fault is not None:
        raise wrong(f"no sentence: {fault}", f"Write one line; in braces may stand: {', '.join(words)}.")
    return value


Age = Annotated[int, Field(ge=0, le=130)]


class NodeSection(Section):
    """How modalities and PACS reach this node."""

    ae_title: AeTitle = "SCREENING_NODE"
    host: Host = "0.0.0.0"
    port: Port = 11112
    max_associations: Annotated[int, Field(ge=1, le=1000)] = 32
    allow: tuple[AllowSection, ...] = ()
    plain: bool = True
    tls: NodeTlsSection | None = None

    @model_validator(mode="after")
    def _ports(self) -> NodeSection:
        if not self.plain and self.tls is None:
            raise wrong("the node listens nowhere", "Leave plain out, or add [node.tls].")
        if any(entry.certificate for entry in self.allow):
            raise wrong("without TLS nobody shows a certificate", "Name certificates in [node.tls] allow only.")
        if self.plain and self.tls is not None and self.tls.port == self.port:
            raise wrong(f"port {self.port} is plain and TLS", "Give [node.tls] a port of its own, or plain = false.")
        return self

    @property
    def ports(self) -> tuple[int, ...]:
        """Where the node listens: the plain port, the one with TLS, or both."""
        return ((self.port,) if self.plain else ()) + ((self.tls.port,) if self.tls is not None else ())


class SrClass(StrEnum):
    """SOP classes of the Structured Report, by the names that a site writes."""

    THREE_D = "3d"
    COMPREHENSIVE = "comprehensive"
    ENHANCED = "enhanced"

    @property
    def uid(self) -> str:
        """The SOP Class UID."""
        return {"3d": COMPREHENSIVE_3D_SR, "comprehensive": COMPREHENSIVE_SR, "enhanced": ENHANCED_SR}[self.value]


class DestinationSection(Section):
    """One PACS, and what it gets of every film."""

    name: Name
    protocol: Literal["dicom"] = "dicom"
    ae_title: AeTitle
    host: Host
    port: Port
    tls: DestinationTlsSection | None = None
    sr: SrClass = SrClass.THREE_D
    objects: Annotated[tuple[Kind, ...], Field(min_length=1), BeforeValidator(listed)] = (Kind.SR,)
    language: Language = Language.ENGLISH

    @field_validator("objects")
    @classmethod
    def _once_each(cls, value: tuple[Kind, ...]) -> tuple[Kind, ...]:
        if len(set(value)) < len(value):
            raise wrong("a kind of object is listed twice", 'List each once, for example ["SR", "GSPS", "PDF"].')
        return value


#: Every kind of destination, by what it writes as its protocol; without one it is a PACS.
PROTOCOLS: Final[dict[str, type[BaseModel]]] = {"dicom": DestinationSection, "hl7": Hl7Section, "fhir": FhirSection}


def _protocol(value: Any) -> str:
    return str(value.get("protocol", "dicom") if isinstance(value, dict) else getattr(value, "protocol", "dicom"))


AnyDestinationSection = Annotated[
    Annotated[DestinationSection, Tag("dicom")]
    | Annotated[Hl7Section, Tag("hl7")]
    | Annotated[FhirSection, Tag("fhir")],
    Discriminator(
        _protocol,
        custom_error_type="site",
        custom_error_message="there is no such protocol",
        custom_error_context={"fix": 'Write protocol = "hl7" or "fhir"; leave it out for a PACS.'},
    ),
]


class StoreSection(Section):
    """Where rows and bytes are kept; ``url`` may hold a password and is masked in every repr."""

    url: SecretStr
    archive: Path

    @field_validator("url")
    @classmethod
    def _known_url(cls, value: SecretStr) -> SecretStr:
        try:
            make_url(value.get_secret_value()).get_dialect().import_dbapi()
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise wrong(
                "not a database address that this installation can open",
                "Use sqlite:///PATH, or install the driver of the database that it names.",
            ) from error
        return value

    @property
    def safe_url(self) -> str:
        """The address with its password masked, for people's eyes."""
        return make_url(self.url.get_secret_value()).render_as_string(hide_password=True)


class ChestFilmSection(Section):
    """What the chest-film pathway judges with."""

    bundle: Annotated[Path, AfterValidator(_bundle)]
    reference: Annotated[Path, AfterValidator(_reference)]
    thresholds: Annotated[Path, AfterValidator(_thresholds)]
    age_range: tuple[Age, Age] = (40, 90)

    @field_validator("age_range")
    @classmethod
    def _ascending(cls, value: tuple[int, int]) -> tuple[int, int]:
        if value[0] > value[1]:
            raise wrong(f"{value[0]} is above {value[1]}", "Write the lower age first, for example [40, 90].")
        return value


class PathwaysSection(Section):
    """One section for each kind of exam that the node judges."""

    chest_film: ChestFilmSection


class AlarmsSection(Section):
    """When films of one patient share an alarm."""

    window_months: Annotated[int, Field(ge=0, le=240)] = 12


class ReportsSection(Section):
    """What is reported to PACS, and in which words."""

    refusals: bool = True
    sentence: Annotated[Sentence, AfterValidator(_judged_sentence)] = None
    sentence_refused: Annotated[Sentence, AfterValidator(_refused_sentence)] = None


class WorkerSection(Section):
    """How films are judged."""

    batch: Annotated[int, Field(ge=1, le=256)] = 8
    threads: Annotated[int, Field(ge=1, le=64)] = 2
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    lease_seconds: Annotated[float, Field(ge=5, le=3600)] = 60


class IntakeSection(Section):
    """Limits on what is accepted."""

    max_object_mib: Annotated[int, Field(ge=1, le=4096)] = 1024
    min_free_mib: Annotated[int, Field(ge=0)] = 512
    max_pdu: Annotated[int, Field(ge=4096, le=1_048_576)] = 131_072
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    network_timeout_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 60
    stow: StowSection | None = None
    folder: FolderSection | None = None


class DeliverySection(Section):
    """How stubbornly reports are sent."""

    timeout_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 30
    give_up_days: Annotated[float, Field(gt=0, le=365)] = 7


class AdminSection(Section):
    """The admin's page. Without accounts it is served on loopback only, whatever ``host`` says."""

    enabled: bool = True
    host: Host = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8180
    certificate: Path | None = None
    key: Annotated[Path | None, Field(validate_default=True)] = None
    viewer_url: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    oidc: OidcSection | None = None

    @property
    def served(self) -> bool:
        """Whether there is to be a page."""
        return self.enabled and self.port != 0

    @field_validator("key")
    @classmethod
    def _with_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        certificate = info.data.get("certificate")
        if (value is None) is not (certificate is None):
            raise wrong("certificate and key belong together", "Name the PEM files of both, or of neither.")
        missing = [path for path in (certificate, value) if path is not None and not path.is_file()]
        if missing:
            raise wrong(f"no file at {missing[0]}", "Name PEM files that the node's user can read.")
        return value


class Settings(BaseSettings):
    """Everything that this node was told. Made by ``load_settings``, which merges file and environment."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__"
    )

    node: NodeSection = NodeSection()
    destinations: tuple[AnyDestinationSection, ...] = ()
    pull: tuple[PullSection, ...] = ()
    store: StoreSection
    pathways: PathwaysSection
    alarms: AlarmsSection = AlarmsSection()
    reports: ReportsSection = ReportsSection()
    worker: WorkerSection = WorkerSection()
    intake: IntakeSection = IntakeSection()
    delivery: DeliverySection = DeliverySection()
    admin: AdminSection = AdminSection()
    notifications: NotificationsSection = NotificationsSection()
    retention: RetentionSection = RetentionSection()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what ``load_settings`` hands over: it has merged the environment already, to resolve names."""
        return (init_settings,)

    @field_validator("pull")
    @classmethod
    def _distinct_sources(cls, value: tuple[PullSection, ...]) -> tuple[PullSection, ...]:
        names = [source.name for source in value]
        if len(set(names)) < len(names):
            raise wrong("two sources have one name", "Give each [[pull]] a name of its own.")
        return value

    @field_validator("destinations")
    @classmethod
    def _distinct(
        cls, value: tuple[AnyDestinationSection, ...], info: ValidationInfo
    ) -> tuple[AnyDestinationSection, ...]:
        names = [destination.name for destination in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise wrong(f"more than one is named {', '.join(twice)}", "Give each destination a name of its own.")
        node = info.data.get("node")
        own = [destination.name for destination in value if node is not None and _is_node(destination, node)]
        if own:
            raise wrong(
                f"{', '.join(own)} is this node itself", "Name the PACS's host and port: reports must leave the node."
            )
        return value

    @field_validator("notifications")
    @classmethod
    def _one_outbox(cls, value: NotificationsSection, info: ValidationInfo) -> NotificationsSection:
        """Channels and destinations share the outbox, and so their names."""
        names = [channel.name for channel in value.channels]
        names += [destination.name for destination in info.data.get("destinations", ())]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise wrong(f"more than one is named {', '.join(twice)}", "Give each channel a name that no other has.")
        return value


def _is_node(destination: AnyDestinationSection, node: NodeSection) -> bool:
    """Whether sending there would send to ourselves."""
    here = destination.host == node.host or {destination.host, node.host} <= _EVERYWHERE
    return here and destination.port in node.ports
