"""Every exception that the node raises on purpose.

    ScreeningNodeError
    ├── Transient                  worth another try: what failed may mend itself
    │   ├── StoreUnavailable       the database is locked, gone or unreachable
    │   ├── DiskFull               the archive cannot take the bytes
    │   ├── DestinationUnavailable a PACS is away, slow or out of resources
    │   └── SourceUnavailable      an archive to fetch from is away, slow or out of resources
    ├── Permanent                  another try would end the same way
    │   ├── UnreadableObject       the bytes are no DICOM object that can be read
    │   ├── UnreadablePixels       the object is sound but its pixels cannot be decoded
    │   ├── DestinationRefused     a PACS answered, and the answer was no
    │   │   └── SopClassRefused    it takes no objects of this SOP class
    │   ├── SourceRefused          an archive to fetch from answered, and the answer was no
    │   ├── LeaseLost              the job was given to another worker meanwhile
    │   ├── IllegalTransition      an event that the present state does not allow
    │   ├── ChangedMeanwhile       somebody else changed it since it was looked at
    │   └── NotFound               no exam, alert, delivery or job of that number
    └── Misconfigured              a person has to change a file, a key or a folder
        ├── BundleInvalid          a weight bundle does not match its card
        └── AlreadyRunning         another node works on the same store

Foreign exceptions are translated where they enter and kept as ``__cause__``. No message carries a patient's
name, ID or birth date: errors end in logs.
"""


class ScreeningNodeError(Exception):
    """Root of the tree. ``fix`` says, in words for an admin, how to mend it."""

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message} Fix: {self.fix}" if self.fix else self.message


class Transient(ScreeningNodeError):
    """Worth another try."""


class StoreUnavailable(Transient):
    """The database is locked, gone or unreachable."""


class DiskFull(Transient):
    """The archive cannot take the bytes."""


class DestinationUnavailable(Transient):
    """A destination is away, slow or out of resources."""


class SourceUnavailable(Transient):
    """An archive to fetch from is away, slow or out of resources."""


class Permanent(ScreeningNodeError):
    """Another try would end the same way."""


class UnreadableObject(Permanent):
    """The bytes are no DICOM object that can be read."""


class UnreadablePixels(Permanent):
    """The object is sound but its pixels cannot be decoded."""


class DestinationRefused(Permanent):
    """A destination answered, and the answer was no."""


class SopClassRefused(DestinationRefused):
    """A destination does not take objects of this SOP class at all."""


class SourceRefused(Permanent):
    """An archive to fetch from answered, and the answer was no."""


class LeaseLost(Permanent):
    """The job was given to another worker meanwhile; this one's work must not be committed."""


class IllegalTransition(Permanent):
    """An event that the present state does not allow."""


class ChangedMeanwhile(Permanent):
    """Somebody else changed it since it was looked at; nothing was written."""


class NotFound(Permanent):
    """No exam, alert, delivery or job of that number."""


class Misconfigured(ScreeningNodeError):
    """A person has to change a file, a key or a folder."""


class BundleInvalid(Misconfigured):
    """A weight bundle does not match its card."""


class AlreadyRunning(Misconfigured):
    """Another node works on the same store."""
