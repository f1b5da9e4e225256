"""A first, simple generator of synthetic chest films with their truth: the bundled weights' only teacher.

Everything is drawn from a seed: the same seed gives the same film, on any machine. No real patient's data is
in it. Geometry and cohort numbers come from the project's own study of a digital chest phantom.
"""
