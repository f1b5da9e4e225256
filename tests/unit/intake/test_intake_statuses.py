import pytest
from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS

from screening_node.intake.refused import Refused
from screening_node.intake.statuses import IntakeStatus


def test_every_status_is_one_of_the_storage_service_class() -> None:
    categories = {status.name: STORAGE_SERVICE_CLASS_STATUS[status][0] for status in IntakeStatus}
    assert categories.pop("SUCCESS") == "Success"
    assert set(categories.values()) == {"Failure"}


@pytest.mark.parametrize("status", [IntakeStatus.OUT_OF_DISK, IntakeStatus.STORE_UNAVAILABLE])
def test_what_may_mend_itself_is_out_of_resources(status: IntakeStatus) -> None:
    assert status & 0xFF00 == 0xA700


def test_an_error_comment_fits_its_element() -> None:
    assert len(Refused(IntakeStatus.CANNOT_UNDERSTAND, "x" * 200).reason) == 64
