"""The durable queue: what is to be judged, who holds it until when, and what becomes of what fails."""
