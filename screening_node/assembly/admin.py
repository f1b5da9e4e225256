"""The admin process: serves the admin's page."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from screening_node import __version__
from screening_node.assembly.logs import configure_logging
from screening_node.assembly.storage import MIB, opened
from screening_node.domain.histogram import Histogram
from screening_node.settings import Settings, load_reference_table
from screening_node.store.archive import Archive

if TYPE_CHECKING:
    from screening_node.admin.site import AdminConfig


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
        destinations=tuple(each.name for each in settings.destinations),
        min_free_bytes=settings.intake.min_free_mib * MIB,
        model_card=_model_card(chest_film.bundle),
        # A calibration moves the estimates: what was counted before it is no measure for them.
        validation=None if card.calibration else Histogram.from_metrics(card.metrics),
        settings=shown_settings(settings),
    )


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


def admin_page(settings: Settings) -> str | None:
    """The link to the admin's page for a browser on this machine; None where it is switched off."""
    from screening_node.admin.address import page_address

    section = settings.admin
    return page_address(section.host, section.port, tls=section.certificate is not None) if section.served else None
