"""Synthetic chest films with their truth: the bundled weights' teacher.

Everything is drawn from a seed: the same seed gives the same film, on any machine. No real patient's data is
in it. docs/phantom.md says what is modelled, how, and where the numbers come from.
"""
