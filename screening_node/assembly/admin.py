"""The admin process: serves the admin's page."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from screening_node import __version__
from screening_node.assembly.delivery import destinations, timeouts
from screening_node.assembly.logs import configure_logging
from screening_node.assembly.notifications import receivers
from screening_node.assembly.sign_in import oidc_config
from screening_node.assembly.storage import MIB, opened
from screening_node.domain.histogram import Histogram
from screening_node.settings import Settings, load_reference_table
from screening_node.store.archive import Archive

if TYPE_CHECKING:
    from screening_node.admin.reach import Reachable
    from screening_node.admin.site import AdminConfig
    from screening_node.delivery.destination import AnyDestination
    from screening_node.settings.ways_in import PullSection

#: How long a destination may take to answer somebody who looks.
_ASK_SECONDS = 5.0


def run_admin_process(stop: threading.Event, owner: str, settings: Settings) -> None:
    """Serve the admin's page until ``stop`` is set; the body of the admin process."""
    from screening_node.admin.server import run_admin

    configure_logging()
    with opened(settings) as store:
        run_admin(admin_config(settings), store, Archive(settings.store.archive), stop)


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
        destinations=receivers(settings),
        reachable=(*(_reachable(each, settings) for each in destinations(settings)), *archives(settings)),
        min_free_bytes=settings.intake.min_free_mib * MIB,
        model_card=_model_card(chest_film.bundle),
        # A calibration moves the estimates: what was counted before it is no measure for them.
        validation=Histogram.from_metrics(card.metrics.get("calibration", {}) if card.calibration else card.metrics),
        validation_refusals=_refusal_rate(card.metrics),
        settings=shown_settings(settings),
        oidc=oidc_config(settings),
    )


def _reachable(destination: AnyDestination, settings: Settings) -> Reachable:
    from screening_node.admin.reach import Reachable

    def ask() -> str:
        from screening_node.delivery.reach import answer_of  # the DICOM network, loaded when somebody asks

        return answer_of(destination, calling_ae=settings.node.ae_title, timeouts=timeouts(_ASK_SECONDS))

    return Reachable(name=destination.name, described=str(destination), ask=ask)


def archives(settings: Settings) -> tuple[Reachable, ...]:
    """The archives that films are fetched from, to be asked like destinations."""
    return tuple(_archive(each, settings) for each in settings.pull)


def _archive(section: PullSection, settings: Settings) -> Reachable:
    from screening_node.admin.reach import Reachable

    def ask() -> str:
        from screening_node.assembly.pull import check_source

        with opened(settings) as store:
            return check_source(section, settings, store, seconds=_ASK_SECONDS)

    where = section.url or f"{section.ae_title} at {section.host}:{section.port}"
    return Reachable(
        name=f"archive {section.name}", described=f"{section.name} ({where}): films come from there", ask=ask
    )


def _refusal_rate(metrics: Mapping[str, Any]) -> float | None:
    """The part of its validation films that a model refused; None where its card does not say."""
    counted = metrics.get("calibration", metrics)
    films, refused = counted.get("films", counted.get("validation_films")), counted.get("refused")
    return refused / films if isinstance(films, int) and isinstance(refused, int) and films > 0 else None


def _model_card(bundle: Path) -> str:
    try:
        return (bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    except OSError:
        return ""


def shown_settings(settings: Settings) -> dict[str, dict[str, Any]]:
    """The configuration in force for people's eyes: section -> key -> value, secrets masked."""
    told = settings.model_dump(mode="json")
    told["store"]["url"] = settings.store.safe_url
    told |= {f"pathways.{name}": section for name, section in told.pop("pathways").items()}
    if (oidc := told["admin"].pop("oidc")) is not None:
        told["admin.oidc"] = oidc
    for number, destination in enumerate(told.pop("destinations")):
        told[f"destinations {number + 1}"] = destination
    for number, pulled in enumerate(told.pop("pull")):
        told[f"pull {number + 1}"] = pulled
    for way in ("stow", "folder"):
        if (section := told["intake"].pop(way)) is not None:
            told[f"intake.{way}"] = section
    for number, caller in enumerate(told.get("intake.stow", {}).pop("callers", ())):
        told[f"intake.stow.callers {number + 1}"] = caller
    told["notifications.digest"] = told["notifications"].pop("digest")
    for number, channel in enumerate(told["notifications"].pop("channels")):
        told[f"notifications.channels {number + 1}"] = channel
    return told


def admin_page(settings: Settings) -> str | None:
    """The link to the admin's page for a browser on this machine; None where it is switched off."""
    from screening_node.admin.address import page_address

    section = settings.admin
    return page_address(section.host, section.port, tls=section.certificate is not None) if section.served else None
