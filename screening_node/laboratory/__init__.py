"""Where weights come from: synthetic cohorts, training, evaluation. Nothing here runs in a serving node."""
