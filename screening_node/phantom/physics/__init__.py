"""From surfaces in space to stored pixels: cone beam, path lengths, beam, detector and a vendor's processing."""
