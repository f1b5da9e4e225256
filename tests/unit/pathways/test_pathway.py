from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from screening_node.domain.exam import ExamFiles
from screening_node.domain.result import LANDMARK_NAMES, ROI_NAMES, Estimate, Refusal, RefusalCode, Vertebra
from screening_node.errors import BundleInvalid, UnreadableObject
from screening_node.pathways.chest_film import regions
from screening_node.pathways.chest_film.admission import AdmissionRules
from screening_node.pathways.chest_film.pathway import ChestFilmPathway, PreparedFilm
from screening_node.pathways.weights import CARD
from screening_node.phantom.dicom_film import write_film

from .networks_for_tests import ESTIMATOR, OPEN_GATE, REFERENCE, THRESHOLDS, make_bundle

RULES = AdmissionRules(reference=REFERENCE)
CPU = torch.device("cpu")


def load(folder: Path, rules: AdmissionRules = RULES) -> ChestFilmPathway:
    return ChestFilmPathway.load(folder, CPU, rules, thresholds=THRESHOLDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pathway")


@pytest.fixture(scope="module")
def exams(folder: Path) -> list[ExamFiles]:
    """Three frontal phantom films and a lateral one, small."""
    paths = []
    for seed, kind in ((21, "frontal"), (22, "frontal"), (23, "frontal"), (24, "lateral")):
        paths.append(folder / f"{seed}.dcm")
        write_film(seed, paths[-1], kind=kind, size=512)
    return [ExamFiles(files=(path,), requested_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) for path in paths]


@pytest.fixture(scope="module")
def pathway(folder: Path) -> ChestFilmPathway:
    make_bundle(folder / "open", gate=OPEN_GATE)
    return load(folder / "open")


def prepared(pathway: ChestFilmPathway, exam: ExamFiles) -> PreparedFilm:
    film = pathway.prepare(exam)
    assert isinstance(film, PreparedFilm)
    return film


def test_a_film_becomes_an_estimate_of_four_vertebrae(pathway: ChestFilmPathway, exams: list[ExamFiles]) -> None:
    (estimate,) = pathway.judge([prepared(pathway, exams[0])])
    assert isinstance(estimate, Estimate)
    assert [bmd.vertebra for bmd in estimate.bmd] == list(Vertebra)
    assert all(0.2 < bmd.bmd < 2.2 and bmd.sd >= 0.08 for bmd in estimate.bmd)
    assert tuple(point.name for point in estimate.landmarks) == LANDMARK_NAMES
    assert tuple(roi.name for roi in estimate.rois) == ROI_NAMES


def test_an_answer_does_not_depend_on_its_neighbours(pathway: ChestFilmPathway, exams: list[ExamFiles]) -> None:
    films = [prepared(pathway, exam) for exam in exams[:3]]
    together = pathway.judge(films)
    assert together == [pathway.judge([film])[0] for film in films]
    assert together[::-1] == pathway.judge(films[::-1])
    assert len({estimate.bmd for estimate in together if isinstance(estimate, Estimate)}) == 3


def test_an_empty_batch_has_no_answers(pathway: ChestFilmPathway) -> None:
    assert pathway.judge([]) == []


def test_the_default_gate_refuses_what_an_untrained_detector_sees(folder: Path, exams: list[ExamFiles]) -> None:
    """An untrained detector says the same place in every view, so it does not follow the film."""
    make_bundle(folder / "closed")
    pathway = load(folder / "closed")
    (answer,) = pathway.judge([prepared(pathway, exams[0])])
    assert isinstance(answer, Refusal)
    assert answer.code in {RefusalCode.LANDMARKS_IMPLAUSIBLE, RefusalCode.NOT_FRONTAL}
    assert len(answer.landmarks) == 16


def test_refused_and_judged_films_keep_their_order(folder: Path, exams: list[ExamFiles]) -> None:
    first, second = prepared(load(folder / "open"), exams[0]), prepared(load(folder / "open"), exams[1])
    broken = replace(second, views=tuple(replace(view, side=1e-3) for view in second.views))
    make_bundle(folder / "narrow", gate=OPEN_GATE | {"least_spine_mm": 10.0})
    answers = load(folder / "narrow").judge([broken, first, broken])
    assert [type(answer) for answer in answers] == [Refusal, Estimate, Refusal]


def test_members_of_any_layout_judge_a_film_together(folder: Path, exams: list[ExamFiles]) -> None:
    """A report's ROIs stay those of rois-15, whatever the members look at."""
    members = [
        replace(ESTIMATOR, kind="concatenated", layout="patches-3"),
        replace(ESTIMATOR, layout="patches-3"),
        replace(ESTIMATOR, layout="rois-7", only=("cervical",), size=32),
        replace(ESTIMATOR, kind="baseline", layout="whole"),
    ]
    estimates = []
    for number in range(len(members)):
        make_bundle(folder / f"member-{number}", architectures=members[number : number + 1], gate=OPEN_GATE)
        estimates += load(folder / f"member-{number}").judge([prepared(load(folder / "open"), exams[0])])
    assert all(isinstance(estimate, Estimate) for estimate in estimates)
    assert len({estimate.bmd for estimate in estimates if isinstance(estimate, Estimate)}) == len(members)
    make_bundle(folder / "mixed", architectures=members, gate=OPEN_GATE)
    (estimate,) = load(folder / "mixed").judge([prepared(load(folder / "mixed"), exams[0])])
    assert isinstance(estimate, Estimate)
    assert tuple(roi.name for roi in estimate.rois) == ROI_NAMES


def test_members_that_cut_alike_share_the_crops(
    folder: Path, exams: list[ExamFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [replace(ESTIMATOR, layout="rois-7"), replace(ESTIMATOR, layout="rois-7", only=("lumbar",)), ESTIMATOR]
    make_bundle(folder / "shared", architectures=members, gate=OPEN_GATE)
    pathway = load(folder / "shared")
    cut: list[str] = []
    rectangles = regions.rectangles

    def counted(layout: str, *rest: object) -> list[np.ndarray]:
        cut.append(layout)
        return rectangles(layout, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(regions, "rectangles", counted)
    pathway.judge([prepared(pathway, exams[0])])
    assert sorted(cut) == ["rois-15", "rois-7"]


def test_members_that_disagree_refuse(folder: Path, exams: list[ExamFiles]) -> None:
    make_bundle(folder / "quarrel", gate=OPEN_GATE)
    card = folder / "quarrel" / CARD
    card.write_text(card.read_text().replace("disagreement_limit = 0.2", "disagreement_limit = 1e-9"))
    pathway = load(folder / "quarrel")
    (answer,) = pathway.judge([prepared(pathway, exams[0])])
    assert isinstance(answer, Refusal)
    assert answer.code is RefusalCode.MEMBERS_DISAGREE
    assert len(answer.landmarks) == 16


def test_headers_are_asked_first(pathway: ChestFilmPathway, exams: list[ExamFiles]) -> None:
    refusal = pathway.prepare(exams[3])
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.NOT_FRONTAL


def test_an_exam_is_one_file(pathway: ChestFilmPathway, exams: list[ExamFiles]) -> None:
    with pytest.raises(UnreadableObject, match="one file"):
        pathway.prepare(replace(exams[0], files=exams[0].files * 2))


def test_crops_come_from_the_full_resolution(pathway: ChestFilmPathway, exams: list[ExamFiles]) -> None:
    film = prepared(pathway, exams[0])
    assert film.pyramid.shape[0] == 512 or film.pyramid.shape[1] == 512
    assert all(inputs.dtype == np.float32 for inputs in film.inputs)


def test_the_identity_names_all_that_decides(folder: Path, pathway: ChestFilmPathway) -> None:
    identity = pathway.identity
    assert identity.pathway == "chest_film"
    assert identity.bundle == "tiny 0"
    assert identity.members == 2
    assert identity.reference == "test 1"
    assert identity.thresholds == "test"
    assert identity.limits_of_use.startswith("Untrained")
    older = load(folder / "open", replace(RULES, age_range=(50, 90))).identity
    assert older.configuration_sha256 != identity.configuration_sha256
    assert older.weights_sha256 == identity.weights_sha256
    assert load(folder / "open").identity == identity


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('pathway = "chest_film"', 'pathway = "chest_ct"', "bundle for the pathway chest_ct"),
        ('vertebrae = ["L1", "L2", "L3", "L4"]\n\n', 'vertebrae = ["L1"]\n\n', "the card lists"),
        ("graph_width = 8", "graph_width = 9", "does not fit"),
        ("most_tilt = ", "mist_tilt = ", "mist_tilt"),
    ],
)
def test_a_bundle_that_does_not_fit_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    make_bundle(tmp_path, gate=OPEN_GATE)
    text = (tmp_path / CARD).read_text()
    assert old in text
    (tmp_path / CARD).write_text(text.replace(old, new, 1))
    with pytest.raises(BundleInvalid, match=says):
        load(tmp_path)


def test_what_led_to_an_answer_is_told(pathway: ChestFilmPathway, exams: list[ExamFiles]) -> None:
    (estimate,) = pathway.judge([prepared(pathway, exams[0])])
    assert isinstance(estimate, Estimate)
    told = estimate.explanation
    assert tuple(region.name for region in told.regions) == (*ROI_NAMES, regions.WHOLE)
    assert all(sorted(region.bmd) == list(Vertebra) for region in told.regions)
    shares = [region.attention for region in told.regions]
    assert all(share is not None and share > 0 for share in shares)
    assert 0.5 < sum(share or 0 for share in shares) < 1, "the token has the rest"
    assert {"tilt", "lung_contrast", "unsteadiness"} <= {check.name for check in told.checks}


def test_a_refusal_tells_which_number_is_out_of_its_limits(folder: Path, exams: list[ExamFiles]) -> None:
    make_bundle(folder / "strict", gate=OPEN_GATE | {"least_lung_contrast": 99.0})
    pathway = load(folder / "strict")
    (answer,) = pathway.judge([prepared(pathway, exams[0])])
    assert isinstance(answer, Refusal)
    assert [check.name for check in answer.explanation.checks if not check.passed] == ["lung_contrast"]
    assert answer.explanation.regions == ()


def test_members_of_several_layouts_are_told_together(folder: Path, exams: list[ExamFiles]) -> None:
    members = [replace(ESTIMATOR, layout="rois-7"), replace(ESTIMATOR, kind="concatenated"),
               replace(ESTIMATOR, kind="baseline", layout="whole", vertebrae=("L1",))]  # fmt: skip
    make_bundle(folder / "told", architectures=members, gate=OPEN_GATE)
    pathway = load(folder / "told")
    (estimate,) = pathway.judge([prepared(pathway, exams[0])])
    assert isinstance(estimate, Estimate)
    told = {region.name: region for region in estimate.explanation.regions}
    assert set(told) == {*regions.input_names("rois-7"), *ROI_NAMES, regions.WHOLE}
    assert told["left_clavicle"].attention is not None
    assert told["left_rib_cage_1"].attention is None, "nothing attends in a plain concatenation"
    assert set(told["left_rib_cage_1"].bmd) == set(Vertebra)
