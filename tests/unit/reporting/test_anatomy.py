import pytest

from screening_node.domain.result import LANDMARK_NAMES, ROI_NAMES
from screening_node.reporting import anatomy, codes


def test_every_landmark_and_roi_has_a_place_of_its_own() -> None:
    assert sorted(anatomy.LANDMARKS) == sorted(LANDMARK_NAMES)
    assert sorted(anatomy.ROIS) == sorted(ROI_NAMES)
    for places in (anatomy.LANDMARKS, anatomy.ROIS):
        assert len({place.title for place in places.values()}) == len(places)


@pytest.mark.parametrize("places", [anatomy.LANDMARKS, anatomy.ROIS])
def test_sides_are_those_of_the_name(places: dict[str, anatomy.Place]) -> None:
    for name, place in places.items():
        side = {"left": codes.LEFT, "right": codes.RIGHT}.get(name.split("_")[0])
        assert place.side is side
        assert ("Left" in place.title, "Right" in place.title) == (side is codes.LEFT, side is codes.RIGHT)


def test_the_corner_of_the_film_is_the_origin() -> None:
    assert anatomy.to_corner_origin((0.0, 0.0)) == (0.5, 0.5)
    assert anatomy.to_corner_origin((-0.5, 99.25)) == (0.0, 99.75)


INSIDE = [(10.0, 10.0), (20.0, 10.0), (20.0, 30.0), (10.0, 30.0)]


def test_an_outline_on_the_film_is_left_alone() -> None:
    assert anatomy.clipped(INSIDE, 100, 100) == INSIDE


def test_an_outline_off_the_film_is_nothing() -> None:
    assert anatomy.clipped([(x + 200, y) for x, y in INSIDE], 100, 100) == []
    assert anatomy.clipped([], 100, 100) == []


def test_an_outline_over_the_edge_ends_there() -> None:
    assert anatomy.clipped(INSIDE, 15, 100) == [(10.0, 10.0), (15.0, 10.0), (15.0, 30.0), (10.0, 30.0)]


def test_a_corner_of_the_film_cuts_a_tilted_outline() -> None:
    diamond = [(0.0, -10.0), (10.0, 0.0), (0.0, 10.0), (-10.0, 0.0)]
    cut = anatomy.clipped(diamond, 100, 100)
    assert set(cut) == {(0.0, 0.0), (10.0, 0.0), (0.0, 10.0)}
