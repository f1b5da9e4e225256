"""What a FHIR server's answer means: delivered, worth another try, or no. Pure, and in words.

Sources: FHIR R4 and R5, "RESTful API", http.html (status codes of a transaction); OperationOutcome, its issue types;
RFC 9110 section 15.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from http import HTTPStatus
from typing import Any, Final

from screening_node.delivery.remarks import harmless
from screening_node.errors import DestinationRefused, DestinationUnavailable, ScreeningNodeError

#: Client errors by number that say "later", not "never".
_LATER: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
#: Server errors that another try would not change.
_NEVER: Final = (HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
#: Issue types of OperationOutcome (value set issue-type): shown because they are codes, not words.
_ISSUES: Final = """
    invalid structure required value invariant security login unknown expired forbidden suppressed processing
    not-supported duplicate multiple-matches not-found deleted too-long code-invalid extension too-costly
    business-rule conflict limited-filter transient lock-error no-store exception timeout incomplete throttled
    informational success
"""
_ISSUE_TYPES: Final = frozenset(_ISSUES.split())
_FIXES: Final[dict[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "Renew the token of this destination, or its client certificate, then retry.",
    HTTPStatus.FORBIDDEN: "Give this node the right to write there, then retry the delivery.",
    HTTPStatus.NOT_FOUND: "Correct url of this destination: it is the server's base address, as in https://HOST/fhir.",
    HTTPStatus.METHOD_NOT_ALLOWED: "Let the server accept transactions and ids that clients choose, then retry.",
    HTTPStatus.PRECONDITION_FAILED: "More than one patient there has the film's identifier: merge them, then retry.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "Correct version of this destination: R4 or R5.",
}
_FIX: Final = "See its log, mend the cause there or in this destination's settings, then retry the delivery."


def of_response(status: int, body: bytes, where: str, secrets: Collection[str]) -> str:
    """Nothing, where the server has it all; raises DestinationUnavailable or DestinationRefused.

    ``secrets``: see ``remarks.harmless``.
    """
    if 200 <= status < 300:
        if (wrong := _entry_refused(_parsed(body))) is not None:
            raise DestinationRefused(f"{where} took the bundle, but not all of it: {wrong}.", fix=_FIX)
        return ""
    raise _failure(status, body, where, secrets)


def _failure(status: int, body: bytes, where: str, secrets: Collection[str]) -> ScreeningNodeError:
    answer = _in_words(status)
    reason = "; ".join(_issues(_parsed(body), secrets)) or "it gave no reason"
    if 300 <= status < 400:
        return DestinationRefused(
            f"{where} points to another address with {answer}.", fix="Enter that address as url of this destination."
        )
    if status in _LATER or (status >= 500 and status not in _NEVER):
        return DestinationUnavailable(f"{where} failed with {answer}: {reason}.", fix="The node keeps trying.")
    return DestinationRefused(f"{where} refused the bundle with {answer}: {reason}.", fix=_FIXES.get(status, _FIX))


def _in_words(status: int) -> str:
    try:
        return f"HTTP {status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return f"HTTP {status}"


def _issues(answer: Any, secrets: Collection[str]) -> Iterator[str]:
    """What an OperationOutcome says: type, place, and words as far as they name nobody."""
    issues = answer.get("issue") if isinstance(answer, dict) else None
    for issue in issues[:5] if isinstance(issues, list) else []:
        if not isinstance(issue, dict):
            continue
        kind = issue.get("code")
        said = [kind if isinstance(kind, str) and kind in _ISSUE_TYPES else "an issue"]
        said += [f"at {place}" for place in _texts(issue.get("expression")) if place == harmless(place, secrets)]
        details = issue.get("details")
        own = [issue.get("diagnostics"), details.get("text") if isinstance(details, dict) else None]
        said += [f'"{words}"' for text in _texts(own) if (words := harmless(text, secrets))]
        yield " ".join(said)


def _entry_refused(answer: Any) -> str | None:
    """A server that took a transaction for a batch says so entry by entry."""
    entries = answer.get("entry") if isinstance(answer, dict) else None
    for number, entry in enumerate(entries if isinstance(entries, list) else []):
        response = entry.get("response") if isinstance(entry, dict) else None
        status = response.get("status") if isinstance(response, dict) else None
        code = str(status)[:3]
        if status is not None and code.isdigit() and int(code) >= 300 and int(code) != HTTPStatus.NOT_MODIFIED:
            return f"entry {number + 1} was answered with {_in_words(int(code))}"
    return None


def _texts(values: Any) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
