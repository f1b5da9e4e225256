"""Fetching films from an archive, day by day: over DICOM (C-FIND with C-MOVE or C-GET) or DICOMweb (QIDO, WADO)."""
