"""The answer to STOW-RS: status (PS3.18 table 10.5.3-1) and Store Instances Response Module (PS3.18 table I.2-1)."""

from __future__ import annotations

import http
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from screening_node.intake.files import Outcome
from screening_node.intake.statuses import IntakeStatus

#: PS3.18 annex F.
JSON: Final = "application/dicom+json"
#: What a sender waits before it tries again.
RETRY_AFTER_SECONDS: Final = 30
_TRANSIENT: Final = (IntakeStatus.OUT_OF_DISK, IntakeStatus.STORE_UNAVAILABLE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An HTTP response, but for the server's own headers."""

    status: http.HTTPStatus
    body: bytes = b""
    media_type: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)


def refusal(status: http.HTTPStatus, words: str, **headers: str) -> Answer:
    """The whole request is refused; ``words`` say why and how to mend it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, body=f"{words}\n".encode(), headers=named)


def of_outcomes(outcomes: Sequence[Outcome], *, cut: bool = False, too_long: bool = False) -> Answer:
    """The answer after the message was read. ``cut`` where it broke off, ``too_long`` where it was not read on."""
    status = _status(outcomes, cut=cut, too_long=too_long)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == http.HTTPStatus.SERVICE_UNAVAILABLE else {}
    return Answer(
        status=status,
        body=json.dumps(response_module(outcomes, broken=cut), separators=(",", ":")).encode(),
        media_type=JSON,
        headers=headers,
    )


def _status(outcomes: Sequence[Outcome], *, cut: bool, too_long: bool) -> http.HTTPStatus:
    reasons = [each.refused.status for each in outcomes if each.refused is not None]
    kept = len(outcomes) - len(reasons)
    if too_long or (reasons and not kept and all(reason is IntakeStatus.OBJECT_TOO_LARGE for reason in reasons)):
        return http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if kept:
        return http.HTTPStatus.ACCEPTED if reasons or cut else http.HTTPStatus.OK
    if cut or not outcomes:
        return http.HTTPStatus.BAD_REQUEST
    if all(reason in _TRANSIENT for reason in reasons):
        return http.HTTPStatus.SERVICE_UNAVAILABLE
    return http.HTTPStatus.CONFLICT


def response_module(outcomes: Iterable[Outcome], *, broken: bool = False) -> dict[str, Any]:
    """PS3.18 table I.2-1 as DICOM JSON. Retrieve URL is empty: the node gives no films back."""
    kept, failed, others = [], [], []
    for each in outcomes:
        if each.refused is None:
            kept.append(_reference(each) | {"00081190": {"vr": "UR"}})
        elif each.sop_class_uid and each.sop_instance_uid:
            failed.append(_reference(each) | _reason(each.refused.status))
        else:
            others.append(_reason(each.refused.status))
    if broken:
        others.append(_reason(IntakeStatus.CANNOT_UNDERSTAND))
    sequences = {"00081198": failed, "00081199": kept, "0008119A": others}
    module: dict[str, Any] = {"00081190": {"vr": "UR"}}
    return module | {tag: {"vr": "SQ", "Value": items} for tag, items in sequences.items() if items}


def _reference(outcome: Outcome) -> dict[str, Any]:
    """Referenced SOP Class and Instance UID."""
    uids = {"00081150": outcome.sop_class_uid, "00081155": outcome.sop_instance_uid}
    return {tag: {"vr": "UI", "Value": [uid]} for tag, uid in uids.items()}


def _reason(status: IntakeStatus) -> dict[str, Any]:
    """Failure Reason (PS3.18 table I.2-2); where the table has no value of its own, that of C-STORE."""
    return {"00081197": {"vr": "US", "Value": [int(status)]}}
