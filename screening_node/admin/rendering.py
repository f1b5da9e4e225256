"""Templates: how they are found, the words they use for times and numbers, and what every page shows."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from screening_node.admin import wellness
from screening_node.admin.access import TOKEN_FIELD, Visitor
from screening_node.admin.figures import signed
from screening_node.admin.site import AdminConfig, site_of
from screening_node.errors import ScreeningNodeError

_HERE = Path(__file__).parent
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".LICENSE": "text/plain"}
#: What a page says after something was done; the link carries the key only.
DONE = {
    "acknowledged": "Acknowledged.",
    "commented": "Comment saved.",
    "assigned": "Assigned.",
    "closed": "Closed.",
    "retracted": "Retracted. Its films are judged again, and the new reports say so.",
    "retried": "It will be tried again.",
    "cancelled": "Cancelled.",
    "some-changed": "Some are left as they are: somebody changed them meanwhile, or they have ended already.",
}


@dataclass(frozen=True, kw_only=True)
class StaticFile:
    """A file that the pages load; ``version`` stands in its link, so that browsers may keep it for good."""

    data: bytes
    media_type: str
    version: str


def static_files() -> dict[str, StaticFile]:
    """The files of ``static/`` by name, read once."""
    return {file.name: _static(file) for file in sorted((_HERE / "static").iterdir()) if file.is_file()}


def _static(file: Path) -> StaticFile:
    data = file.read_bytes()
    version = hashlib.sha256(data).hexdigest()[:12]
    return StaticFile(data=data, media_type=_MEDIA_TYPES[file.suffix], version=version)


def environment(config: AdminConfig, files: Mapping[str, StaticFile]) -> Environment:
    """The templates; whatever is put into one is escaped, and an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "local": local,
        "clock": clock,
        "day": day,
        "signed": signed,
        "person": person,
        "duration": duration,
        "words": words,
        "setting": setting,
    }
    made.globals |= {
        "config": config,
        "static": lambda name: f"/static/{name}?v={files[name].version}",
        "token_field": TOKEN_FIELD,
        "done_texts": DONE,
    }
    return made


def render(
    request: Request, template: str, visitor: Visitor | None, *, status: int = 200, **values: Any
) -> HTMLResponse:
    """A page, with the strip that says how the node is (where somebody is signed in and the store answers)."""
    site = site_of(request)
    well = None
    if visitor is not None and "well" not in values:
        well = node_state(request)
    context = {"visitor": visitor, "well": well, "path": request.url.path, "done": request.query_params.get("done")}
    text = site.templates.get_template(template).render({**context, **values})
    return HTMLResponse(text, status_code=status)


def node_state(request: Request) -> wellness.Wellness | None:
    """How the node is; None where the store does not answer."""
    site = site_of(request)
    try:
        return wellness.look(site.store, site.archive, site.config.destinations, site.config.min_free_bytes)
    except ScreeningNodeError:
        return None


def _when(value: str | dt.datetime) -> dt.datetime:
    return (dt.datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone()


def local(value: str | dt.datetime | None) -> str:
    """A time on this machine's clock, to the minute, ISO 8601."""
    return "" if value is None else _when(value).strftime("%Y-%m-%d %H:%M")


def clock(value: str | dt.datetime | None) -> str:
    """A time on this machine's clock, to the second."""
    return "" if value is None else _when(value).strftime("%Y-%m-%d %H:%M:%S")


def day(value: str | dt.date | None) -> str:
    """A date, ISO 8601."""
    return "" if value is None else str(value)[:10]


def person(value: str | None) -> str:
    """A DICOM person name (PS3.5 6.2.1.1) as people write it: ``Doe^Jane`` is "Doe, Jane"."""
    if not value:
        return ""
    parts = [part.strip() for part in value.split("=")[0].split("^")]
    printable = ["".join(letter for letter in part if letter.isprintable()) for part in parts]
    family, *given = [*printable, ""]
    return ", ".join(part for part in (family, " ".join(filter(None, given[:2]))) if part)


def duration(seconds: float | None) -> str:
    """Seconds as people say them: 0.4 s, 12 s, 3 min, 2.1 h, 4 days."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    for size, unit in ((86400 * 2, 86400), (5400, 3600), (90, 60)):
        if seconds >= size:
            name = {86400: "days", 3600: "h", 60: "min"}[unit]
            return f"{seconds / unit:.0f} {name}" if unit != 3600 else f"{seconds / unit:.1f} h"
    return f"{seconds:.0f} s"


def setting(value: Any) -> str:
    """A value of the configuration as people read it."""
    if value is None or value == []:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {setting(each)}" for key, each in value.items())
    return str(value)


def words(value: str | None) -> str:
    """A name of the node's (``left_rib_3``, ``not-frontal``) without its underscores and hyphens."""
    return (value or "").replace("_", " ").replace("-", " ")
