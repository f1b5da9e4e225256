"""DICOMweb STOW-RS (PS3.18 section 10.5): films over HTTP, through the same door as those over C-STORE."""
