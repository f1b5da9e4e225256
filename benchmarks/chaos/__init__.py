"""A node on its worst day: films keep coming while everything around it fails, and at the end every one is counted."""
