"""The body of the anatomical phantom: bones as closed meshes, soft tissue as intervals along each ray.

Patient coordinates in mm at body size 1: x to the patient's left, y down from T1's upper edge, z to the front.
Measures are those of the project's own phantom study (design: phantom); what is added to it says so.
"""
