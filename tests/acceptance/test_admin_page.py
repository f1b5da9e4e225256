"""The admin's page of a whole node."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acceptance.node import Node
from integration import peers


def answer(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as response:
        return response.read().decode()


def test_a_node_shows_its_films_and_takes_them_without_a_page_too(tmp_path: Path, films: Mapping[str, Path]) -> None:
    """The port is taken at first: films are taken all the same, and the page comes when it is free."""
    node = Node(tmp_path, admin_port=peers.free_port())
    with socket.create_server(("127.0.0.1", node.admin_port)):
        node.start()
        try:
            assert peers.storescu(node.port, films["thin"]).returncode == 0
            node.settle(1)
            peers.wait_until(lambda: "Films are taken" in node.log.read_text(), 30)
        except BaseException:
            node.kill()
            raise
    try:
        assert f"Admin's page: http://127.0.0.1:{node.admin_port}/" in node.log.read_text()
        peers.wait_until(lambda: peers.listens(node.admin_port), 30)
        assert answer(node.admin_port, "/health/live") == "alive\n"
        assert json.loads(answer(node.admin_port, "/api/v1/exams")) == node.listing("exams", "list")
        assert "Is the node well?" in answer(node.admin_port, "/")
    finally:
        assert node.terminate() == 0
