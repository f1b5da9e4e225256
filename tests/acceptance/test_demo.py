"""`screening-node demo`: what a newcomer runs first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
from acceptance.node import dciodvfy
from integration import peers

#: Room for a slow machine; the demo itself gives up after as many seconds.
SECONDS = 240


def _command(folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "screening_node", "demo", "--folder", str(folder), "--seconds", str(SECONDS), *more]


@pytest.mark.timeout(2 * SECONDS)
def test_the_demo_shows_every_kind_of_outcome(tmp_path: Path) -> None:
    done = subprocess.run(
        _command(tmp_path / "demo"),
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
        timeout=2 * SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        "normal.dcm",
        "osteopenia",
        "osteoporosis",
        "alarm raised",
        "refused (not-frontal)",
        "refused (pixels-unreadable)",
        "Alert log",
        "not for clinical use",
    ):
        assert words.lower() in done.stdout.lower(), words
    reports = list((tmp_path / "demo" / "pacs").glob("*.dcm"))
    assert len(reports) == 5
    for report in reports:
        assert pydicom.dcmread(report).Modality == "SR"
        assert dciodvfy(report.read_bytes(), tmp_path) == []
        assert report.name in done.stdout, "the table says where it lies"


@pytest.mark.timeout(2 * SECONDS)
def test_a_kept_demo_takes_more_films_until_ctrl_c(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    log = tmp_path / "out.txt"
    with log.open("wb") as out:
        demo = subprocess.Popen(_command(folder, "--keep"), stdout=out, stderr=out, env=os.environ | {"COLUMNS": "200"})
    try:
        peers.wait_until(lambda: demo.poll() is not None or b"Ctrl-C ends it." in log.read_bytes(), SECONDS)
        assert demo.poll() is None, log.read_text()
        (line,) = [line for line in log.read_text().splitlines() if line.strip().startswith("storescu")]
        port = int(line.split()[-2])
        assert peers.storescu(port, folder / "films" / "normal.dcm").returncode == 0
    finally:
        demo.send_signal(signal.SIGINT)
        status = demo.wait(60)
    assert status == 0
    assert not peers.listens(port)


def test_a_folder_with_other_things_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = subprocess.run(_command(tmp_path), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "holds other things" in done.stderr
    assert (tmp_path / "thesis.txt").exists()
