import pytest

from screening_node.delivery.outcomes import Delivered, of_rejection, of_store_status
from screening_node.errors import DestinationRefused, DestinationUnavailable


def test_success() -> None:
    assert of_store_status(0x0000, "", "pacs") == Delivered()


@pytest.mark.parametrize("status", [0xB000, 0xB006, 0xB007, 0xBFFF, 0x0107, 0x0116])
def test_warnings_are_stored_and_noted(status: int) -> None:
    assert of_store_status(status, "coerced", "pacs").note == f"stored with warning 0x{status:04X} (coerced)"


def test_a_comment_stays_on_its_line() -> None:
    note = of_store_status(0xB000, "a\nFAKE LOG LINE" + "x" * 100, "pacs").note
    assert "\n" not in note
    assert len(note) < 110


def test_a_duplicate_is_delivered_already() -> None:
    assert of_store_status(0x0111, "", "pacs").note == "the destination has it already"


@pytest.mark.parametrize("status", [0xA700, 0xA701, 0xA7FF, 0x0110, 0x0210, 0x0213])
def test_worth_another_try(status: int) -> None:
    with pytest.raises(DestinationUnavailable, match=rf"pacs .*0x{status:04X}"):
        of_store_status(status, "", "pacs")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0x0122, "does not support the SOP class"),
        (0x0124, "may not store"),
        (0xA900, "do not match"),
        (0xC000, "cannot understand"),
        (0xCFFF, "cannot understand"),
        (0x0117, "failure"),
        (0xFE00, "failure"),
        (0xA6FF, "failure"),
        (0xFF00, "failure"),
    ],
)
def test_refused(status: int, words: str) -> None:
    with pytest.raises(DestinationRefused, match=words) as caught:
        of_store_status(status, "why", "pacs")
    assert "why" in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize(("source", "reason"), [(1, 1), (1, 2), (1, 3), (1, 7), (2, 1), (2, 2), (3, 1), (3, 2), (9, 9)])
def test_the_result_of_a_rejection_decides(source: int, reason: int) -> None:
    assert isinstance(of_rejection(1, source, reason, "pacs"), DestinationRefused)
    assert isinstance(of_rejection(2, source, reason, "pacs"), DestinationUnavailable)


def test_a_rejection_says_what_to_do() -> None:
    assert str(of_rejection(1, 1, 3, "pacs")) == (
        "pacs rejected the association because it does not know this node's AE title. "
        "Fix: Add the node's AE title there, then retry."
    )
