"""Landmark detectors: trained on phantom and real films, scored in mm, the better of two kept.

real_films      pictures with landmarks placed by hand
films           films of both kinds as arrays
augmentation    films changed as the world changes them
loss, detector  the training
scores          how far off the points lie
config, trial   detectors compared by cross-validation
locate          landmarks of a whole cohort, as the pathway finds them
"""
