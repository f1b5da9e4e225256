"""What the node says about a film, in plain Python: no I/O, no torch, no DICOM library."""
