from pydicom.uid import UID

from screening_node.reporting import uids


def test_uids_are_valid_and_derived() -> None:
    one = uids.derived("SR", "1.2.3", "abc", 1)
    assert one == uids.derived("SR", "1.2.3", "abc", 1)
    assert UID(one).is_valid
    assert one.startswith("2.25.")


def test_every_part_counts_and_so_does_its_place() -> None:
    variants = [("SR", "1.2.3", 1), ("SR", "1.2.3", 2), ("SR", "1.2.31", 1), ("GSPS", "1.2.3", 1), ("SR", "1.2.3", "1")]
    variants += [("SR", "a", "bc"), ("SR", "ab", "c"), ("SR", "abc"), ("SR", "a", "b", "c")]
    assert len({uids.derived(*variant) for variant in variants}) == len(variants)


def test_published_uids_never_change() -> None:
    """They stand in archives: whoever changes how they are derived breaks what is already stored."""
    assert uids.CODING_SCHEME_UID == "2.25.76398383226293381642072478473862252543"
    assert uids.derived("SR", "1.2.3") == "2.25.257293948530890702565710010856753238727"
    assert uids.series("1.2.3", "SR") == "2.25.243636669534448102752717281482379633709"


def test_a_device_is_its_software_and_its_weights() -> None:
    assert uids.device("n", "1", "a") != uids.device("n", "2", "a")
    assert uids.device("n", "1", "a") != uids.device("n", "1", "b")


def test_tracking_outlives_a_revision() -> None:
    assert uids.tracking("1.2.3", "L1") == uids.tracking("1.2.3", "L1")
    assert uids.tracking("1.2.3", "L1") != uids.tracking("1.2.3", "L2")
