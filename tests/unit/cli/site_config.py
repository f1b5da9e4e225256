"""A site's configuration, to be filled with a port and [[destinations]] blocks."""

CONFIG = """
[node]
host = "127.0.0.1"
port = {port}
{destinations}
[store]
url = "sqlite:///node.sqlite"
archive = "archive"
[pathways.chest_film]
bundle = "bundle"
reference = "wang2022-implied"
thresholds = "flex"
[worker]
device = "cpu"
[intake]
min_free_mib = 1
[admin]
port = 0
"""
