"""A cohort folder, a phantom's or a hospital's (docs/bring-your-own-data.md), checked whole before it is used.

tables      dxa.csv, landmarks.csv and manifest.json, as they were written
films       the films, looked at without decoding
checks      what the values tell about mistakes
problems    all that is wrong, said in one error
cohort      the films that passed
"""

from screening_node.laboratory.folder.cohort import Checked, Cohort, CohortFilm, check_cohort, open_cohort

__all__ = ["Checked", "Cohort", "CohortFilm", "check_cohort", "open_cohort"]
