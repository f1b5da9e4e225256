"""UIDs that are derived, never random: repeating a report overwrites it and never makes a second one.

Form ``2.25.`` + UUID as an integer (DICOM PS3.5 section B.2), the UUID being a version 5 one: the name-based SHA-1
UUID of the parts (RFC 4122 section 4.3).
"""

from __future__ import annotations

import json
import uuid

_NAMESPACE = uuid.UUID("7b0d6f0e-5c3a-5f0b-9a53-2f6f1f0c4c11")


def derived(kind: str, *parts: str | int) -> str:
    """The UID of these parts; another kind or another part gives another UID. At most 44 characters."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, json.dumps([kind, *parts])).int}"


def device(name: str, version: str, weights_sha256: str) -> str:
    """The UID of the node as an observer: it changes with the software and with the weights."""
    return derived("device", name, version, weights_sha256)


def series(study_instance_uid: str, kind: str) -> str:
    """One series for each kind of object in the film's study."""
    return derived("series", study_instance_uid, kind)


def tracking(source_sop_instance_uid: str, identifier: str) -> str:
    """What is tracked stays the same through revisions of a report: only the film and the object count."""
    return derived("tracking", source_sop_instance_uid, identifier)


#: Implementation Class UID of the files that the node writes (DICOM PS3.7 section D.3.3.2).
IMPLEMENTATION_CLASS_UID = derived("implementation")
#: The private coding scheme (docs/private-codes.md).
CODING_SCHEME_UID = derived("coding scheme")
