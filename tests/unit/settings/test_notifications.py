"""Channels to people: what can be said of them, what is refused, and that their addresses stay secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from unit.settings.test_messages import HL7, load, refused

from screening_node import assembly
from screening_node.assembly.admin import shown_settings
from screening_node.assembly.notifications import receivers
from screening_node.errors import Misconfigured
from screening_node.notifications.topics import Topic
from screening_node.settings import Settings

SECRET = "mailtos://user:hunter2@mail.example.org?to=duty@example.org"
VARIABLE = "SCREENING_NODE__NOTIFICATIONS__CHANNELS__0__APPRISE_URL"


def a_channel(name: str = "duty", **keys: Any) -> str:
    lines = {"name": name, **keys}
    return "[[notifications.channels]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())


FILE = a_channel(apprise_url_file="duty.url")


def test_a_file_and_a_name_are_enough(tmp_path: Path) -> None:
    settings = load(tmp_path, HL7, FILE)
    (channel,) = assembly.channels(settings)
    assert (channel.name, channel.address, channel.address_file) == ("duty", None, tmp_path / "duty.url")
    assert settings.notifications.channels[0].about == tuple(Topic)
    assert not settings.notifications.digest.enabled
    assert receivers(settings) == ("ris", "duty")
    assert str(channel) == "duty (notifications)"


def test_no_channel_is_the_default(tmp_path: Path) -> None:
    assert assembly.channels(load(tmp_path)) == ()


def test_the_address_by_environment_is_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    settings = load(tmp_path, a_channel(about=["alarms"]))
    (channel,) = assembly.channels(settings)
    assert channel.address == SECRET
    shown = json.dumps(shown_settings(settings))
    assert '"notifications.channels 1": {"name": "duty", "apprise_url": "**********"' in shown
    for text in (shown, repr(settings), repr(channel), str(channel), settings.model_dump_json()):
        assert "hunter2" not in text


def test_an_address_in_the_file_is_refused_and_not_quoted(tmp_path: Path) -> None:
    said = refused(tmp_path, a_channel(apprise_url=SECRET))
    assert "notifications.channels.0.apprise_url: a channel's address" in said
    assert "apprise_url_file" in said
    assert "hunter2" not in said


def test_an_address_given_twice_is_refused_and_not_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    said = refused(tmp_path, FILE)
    assert "the address is given twice" in said
    assert "hunter2" not in said


def test_a_channel_without_an_address_stops_the_start_and_no_listing(tmp_path: Path) -> None:
    settings = load(tmp_path, a_channel())
    with pytest.raises(Misconfigured, match="channel duty has no address") as caught:
        assembly.channels(settings)
    assert VARIABLE in caught.value.fix


def test_links_lead_to_the_page_that_browsers_know(tmp_path: Path) -> None:
    assert assembly.writer(load(tmp_path, FILE)).page is None
    own = '[notifications]\npage = "https://node.example:8180/"\n'
    assert assembly.writer(load(tmp_path, own)).page == "https://node.example:8180"


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (FILE + FILE, "more than one is named duty"),
        (HL7 + a_channel("ris", apprise_url_file="x"), "more than one is named ris"),
        (a_channel(apprise_url_file="x", about=[]), "notifications.channels.0.about"),
        (a_channel(apprise_url_file="x", about=["gossip"]), "notifications.channels.0.about"),
        (a_channel("no name", apprise_url_file="x"), "notifications.channels.0.name"),
        ('[notifications]\npage = "node.example"\n', "no address of a page"),
        ('[notifications]\npage = "https://u:p@node.example"\n', "no user"),
        ("[notifications.digest]\nenabled = true\n", "nobody gets the digest"),
        (FILE + "[notifications.digest]\nhour = 24\n", "notifications.digest.hour"),
        (FILE + '[notifications.digest]\ntime_zone = "Middle/Earth"\n', "no time zone"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, block: str, why: str) -> None:
    assert why in refused(tmp_path, block)


def test_a_digest(tmp_path: Path) -> None:
    block = FILE + '[notifications.digest]\nenabled = true\nhour = 6\nminute = 30\ntime_zone = "Europe/Berlin"\n'
    digest = load(tmp_path, block).notifications.digest
    assert (digest.enabled, digest.hour, digest.minute, digest.time_zone) == (True, 6, 30, "Europe/Berlin")


def test_topics_by_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENING_NODE__NOTIFICATIONS__CHANNELS__0__ABOUT", '["troubles"]')
    settings: Settings = load(tmp_path, FILE)
    assert settings.notifications.channels[0].about == (Topic.TROUBLES,)
