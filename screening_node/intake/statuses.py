"""The DIMSE statuses that the intake answers with, each by name."""

from __future__ import annotations

import enum


class IntakeStatus(enum.IntEnum):
    """Status (0000,0900) of a C-STORE response (PS3.4 section B.2.3 and PS3.7 annex C).

    A sender may repeat what ended in the A7xx class; all other failures would end the same way again.
    """

    #: The object is on disk and committed. PS3.4 table B.2-1.
    SUCCESS = 0x0000
    #: The node itself failed in an unforeseen way. PS3.7 C.5.1.
    PROCESSING_FAILURE = 0x0110
    #: An instance with this UID but other content is kept already. PS3.7 C.5.4 (Duplicate SOP Instance).
    DUPLICATE_SOP_INSTANCE = 0x0111
    #: The Affected SOP Instance UID violates the rules for UIDs. PS3.7 C.5.7 (Invalid Object Instance).
    INVALID_SOP_INSTANCE = 0x0117
    #: The Affected SOP Class UID is not the one negotiated for the presentation context. PS3.7 C.5.20.
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    #: The archive's disk is full. PS3.4 table B.2-1: Refused, out of resources (A7xx).
    OUT_OF_DISK = 0xA700
    #: The database cannot take the row just now. PS3.4 table B.2-1: Refused, out of resources (A7xx).
    STORE_UNAVAILABLE = 0xA701
    #: SOP Class UID or SOP Instance UID in the data set are not those of the command. PS3.4 table B.2-1 (A9xx).
    DATA_SET_MISMATCH = 0xA900
    #: The data set is missing, cut, or no DICOM. PS3.4 table B.2-1: Cannot understand (Cxxx).
    CANNOT_UNDERSTAND = 0xC000
    #: The data set has no valid Study or Series Instance UID. PS3.4 table B.2-1: Cannot understand (Cxxx).
    INVALID_STUDY_OR_SERIES = 0xC001
    #: The object is larger than the node takes. PS3.4 table B.2-1: Cannot understand (Cxxx); a repeat won't help.
    OBJECT_TOO_LARGE = 0xC002
    #: The object is encoded in a way that the node does not keep: of files only (STOW-RS, folder, WADO-RS), as
    #: associations negotiate it. PS3.18 table I.2-2 (Referenced Transfer Syntax not supported).
    SYNTAX_NOT_SUPPORTED = 0xC122
