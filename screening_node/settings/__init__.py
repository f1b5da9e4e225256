"""The node's configuration: one TOML file, overridable by environment, as frozen, checked values.

``load_settings`` is the only way in; nothing below this room imports it, values arrive by constructor.
"""

from screening_node.settings.loading import REPOSITORY, find_table, load_settings
from screening_node.settings.sections import Settings
from screening_node.settings.tables import load_reference_table, load_threshold_set, read_toml

__all__ = [
    "REPOSITORY",
    "Settings",
    "find_table",
    "load_reference_table",
    "load_settings",
    "load_threshold_set",
    "read_toml",
]
