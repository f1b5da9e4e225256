"""The papers' comparisons on one cohort: a plan (config/experiments), its runs, and docs/results.md."""
