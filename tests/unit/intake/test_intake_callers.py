"""Who is let in by the list, and how often refusals are written down."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from screening_node.intake.callers import ANY_TITLE, AllowedCaller, Note, RefusalLedger, why_not

ROOM = AllowedCaller(ae_title="ROOM1", networks=(ip_network("192.0.2.16/28"), ip_network("2001:db8::/64")))
LOCAL = AllowedCaller(ae_title=ANY_TITLE, networks=(ip_network("127.0.0.1"),))
PORTABLE = AllowedCaller(ae_title="PORTABLE")


@pytest.mark.parametrize(
    ("title", "address", "let_in"),
    [
        ("ROOM1", "192.0.2.17", True),
        (" ROOM1  ", "192.0.2.17", True),
        ("ROOM1", "2001:db8::7", True),
        ("ROOM1", "::ffff:192.0.2.17", True),
        ("ROOM1", "fe80::1%eth0", False),
        ("ROOM1", "192.0.2.32", False),
        ("room1", "192.0.2.17", False),
        ("ROOM2", "192.0.2.17", False),
        ("", "192.0.2.17", False),
        ("ANYBODY", "127.0.0.1", True),
        ("PORTABLE", "198.51.100.1", True),
    ],
)
def test_title_and_address_have_to_belong_together(title: str, address: str, let_in: bool) -> None:
    assert (why_not((ROOM, LOCAL, PORTABLE), title, address) is None) == let_in


def test_the_reason_says_which_of_both_was_wrong() -> None:
    assert why_not((ROOM,), "ROOM2", "192.0.2.17") == "calling AE title not allowed"
    assert why_not((ROOM,), "ROOM1", "198.51.100.1") == "address not allowed for this AE title"


def test_an_empty_list_lets_everybody_in() -> None:
    assert why_not((), "ANYBODY", "203.0.113.9") is None


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_caller_is_noted_once_an_hour_with_its_repetitions() -> None:
    clock = Clock()
    ledger = RefusalLedger(window=3600, limit=10, clock=clock)
    assert ledger.note("A") == Note(times=1, others=0)
    assert [ledger.note("A") for _ in range(41)] == [None] * 41
    assert ledger.note("B") == Note(times=1, others=0)
    clock.now += 3600
    assert ledger.note("A") == Note(times=42, others=0)


def test_a_scan_under_many_names_is_counted_not_listed() -> None:
    clock = Clock()
    ledger = RefusalLedger(window=3600, limit=10, clock=clock)
    noted = [note for number in range(10_000) if (note := ledger.note(number)) is not None]
    assert len(noted) == 10
    clock.now += 3600
    assert ledger.note("A") == Note(times=1, others=9990)
    assert ledger.note("B") == Note(times=1, others=0)
