"""Sending reports to PACS: the outbox drained, one thread a destination, until each is delivered or parked."""
