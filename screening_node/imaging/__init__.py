"""From DICOM headers and pixel data to plain values: no network, no torch."""
