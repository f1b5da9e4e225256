"""A screening node that sits beside a PACS and estimates bone mineral density from chest films.

The route of one film, which is also the order of the folders to read:

    modality
      -> intake     C-STORE: bytes to disk, row and job in one commit, then 0x0000
      -> queue      durable, leased, fenced
      -> screening  one exam, top to bottom (start reading at ``screening.py``)
      -> pathways   gate, landmarks, crops, estimate
      -> domain     T-score, patient-level alarm
      -> store      result, alarm and outbox in one commit
      -> reporting  the Structured Report
      -> delivery   to PACS, with retry
    admin shows the alert log and everything that waits or failed.

Each hand-over is a committed row, so any process may die at any moment and nothing is lost or done twice.
"""

__version__ = "0.1.0"
