"""Telling people: alarms, dead letters and troubles as messages in the outbox, and a digest once a day."""
