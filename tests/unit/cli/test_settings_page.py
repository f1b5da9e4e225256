"""What the settings page is told of a configured site: whom it can ask, over a real association."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.test_doctor import configure
from integration import peers

from screening_node.assembly.admin import admin_config
from screening_node.delivery.folder_pacs import FolderPacs
from screening_node.errors import DestinationUnavailable
from screening_node.settings import load_settings


def test_a_pacs_answers_or_is_said_to_be_away(site: Path, tmp_path: Path) -> None:
    with FolderPacs(tmp_path / "pacs", ae_title="PACS") as pacs:
        configure(site, archive=pacs.port, away=peers.free_port())
        archive, away = admin_config(load_settings(site)).reachable
        assert archive.ask() == "answers C-ECHO"
        assert archive.described == f"archive (PACS at 127.0.0.1:{pacs.port})"
    with pytest.raises(DestinationUnavailable):
        away.ask()
