"""What the node writes into PACS: a TID 1500 Structured Report for each film (design: sr.md)."""
