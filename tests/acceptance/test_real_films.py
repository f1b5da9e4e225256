"""Real films and other objects: each ends in a result or in a coded refusal, and the wrong ones in the right one.

The product contains only synthetic films; these lie beside the checkout, and the fixture says what to do without.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from factory import make_dx, save
from PIL import Image

from screening_node.pathways.weights import load_bundle
from screening_node.settings import load_settings

pytestmark = pytest.mark.real_films

#: What each object must be refused for, in the order of the checks: headers first, pixels only where they settle it.
EXPECTED: Mapping[str, set[str]] = {
    "cxr_dicom/TAGTEST_udacity_test4_bodypart_RIBCAGE.dcm": {"secondary-capture"},
    "cxr_dicom/TAGTEST_udacity_test5_modality_CT.dcm": {"not-a-radiograph", "secondary-capture"},
    "cxr_dicom/cr_pa_mono1_15b_j2klossy_RG1.dcm": {"spacing-unknown"},
    "cxr_dicom/cr_pa_mono1_15b_jpegls_near_RG1.dcm": {"spacing-unknown"},
    "cxr_dicom/cr_pa_mono2_8b_jpegbaseline_rsna.dcm": {"secondary-capture"},
    "cxr_dicom/dx_nih_nhsx_no_bodypart.dcm": {"secondary-capture"},
    "cxr_dicom/dx_nih_udacity_test1_implicitLE.dcm": {"secondary-capture"},
    "cxr_dicom/dx_nih_udacity_test2_implicitLE.dcm": {"secondary-capture"},
    "cxr_dicom/dx_pa_mono1_12b_j2klossless_966_BROKEN.dcm": {"age-unknown"},
    "cxr_dicom/dx_pa_mono1_12b_j2klossless_966_fixed.dcm": {"age-unknown"},
    "not_cxr_dicom/cr_chest_pa_TAGS_NO_PIXELDATA.dcm": {"age-out-of-range", "age-unknown", "no-pixels"},
    "not_cxr_dicom/cr_extremity_mono1_j2k.dcm": {"not-chest"},
    "not_cxr_dicom/cr_extremity_mono1_jpegll.dcm": {"not-chest"},
    "not_cxr_dicom/cr_hip_j2klossless.dcm": {"not-chest"},
    "not_cxr_dicom/cr_hip_jpegextended12_BROKEN.dcm": {"not-chest"},
    "not_cxr_dicom/cr_hip_jpegextended12_fixed.dcm": {"not-chest"},
    "not_cxr_dicom/cr_hip_jpegll.dcm": {"not-chest"},
    "not_cxr_dicom/cr_hip_jpegls_lossless.dcm": {"not-chest"},
    "not_cxr_dicom/ct_scout_TRUNK_AP_j2k.dcm": {"localiser", "not-a-radiograph"},
    "not_cxr_dicom/ct_surview_localizer.dcm": {"localiser", "not-a-radiograph"},
    "not_cxr_dicom/dx_vet_leg_ybr_jpegbaseline.dcm": {"secondary-capture"},
}

#: Refusals that say that the chest or its landmarks were not found.
LOST = {"landmarks-implausible", "not-frontal"}


def screened(*files: Path) -> list[dict[str, Any]]:
    """What `screening-node screen` says of each file."""
    command = [sys.executable, "-m", "screening_node", "screen", "--json", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert [one["file"] for one in found] == [str(file) for file in files]
    return found


def test_every_object_ends_in_the_right_refusal(real_films: Path) -> None:
    files = sorted([*(real_films / "cxr_dicom").glob("*.dcm"), *(real_films / "not_cxr_dicom").glob("*.dcm")])
    assert len(files) > 30
    for one in screened(*files):
        name = "/".join(Path(one["file"]).parts[-2:])
        assert one["error"] is None, name
        assert one["refusal"] is not None, name
        allowed = EXPECTED.get(name, {"not-a-radiograph", "secondary-capture", "localiser"})
        assert one["refusal"]["code"] in allowed, (name, one["refusal"])


def test_the_pixels_decide_where_the_header_says_nothing_against_them(real_films: Path, tmp_path: Path) -> None:
    changed = {}
    for name in ("966_fixed", "966_BROKEN"):
        film = pydicom.dcmread(real_films / "cxr_dicom" / f"dx_pa_mono1_12b_j2klossless_{name}.dcm")
        film.PatientAge, film.PatientSex, film.PatientBirthDate = "061Y", "F", ""
        changed[name] = tmp_path / f"{name}.dcm"
        film.save_as(changed[name])
    sound, broken = screened(changed["966_fixed"], changed["966_BROKEN"])
    assert broken["refusal"]["code"] == "pixels-unreadable"
    assert sound["error"] is None
    assert sound["refusal"] is not None or len(sound["estimates"]) == 4


def test_real_chest_films_never_crash_and_wrong_way_up_is_refused(real_films: Path, tmp_path: Path) -> None:
    upside_down = "00003490_011"
    files = []
    for row in _rows(real_films)[:30]:
        files.append(_as_dx(real_films, row, tmp_path))
    turned = next(row for row in _rows(real_films) if upside_down in str(row))
    files.append(_as_dx(real_films, turned, tmp_path))
    found = screened(*files)
    for one in found:
        assert one["error"] is None
        assert (one["refusal"] is None) == (len(one["estimates"]) == 4)
    assert found[-1]["refusal"] is not None


def test_most_sound_real_films_are_judged(real_films: Path, tmp_path: Path) -> None:
    """Holds for a detector that was trained on real films too, as its card then says."""
    bundle = load_bundle(load_settings(None).pathways.chest_film.bundle)
    if "real films" not in bundle.card.training_data:
        pytest.skip("The bundled detector has seen phantom films only.")
    with (real_films / "landmarks_nih" / "landmarks.csv").open(newline="") as file:
        good = {row["film"] for row in csv.DictReader(file) if row["quality"] == "good"}
    adults = [row for row in _rows(real_films) if row["f"] in good and int(row["Patient Age"]) >= 18]
    found = screened(*(_as_dx(real_films, row, tmp_path) for row in adults[:20]))
    landmarks_lost = [one for one in found if one["refusal"] and one["refusal"]["code"] in LOST]
    assert len(landmarks_lost) <= 3


def _rows(real_films: Path) -> list[dict[str, str]]:
    with (real_films / "cxr_png" / "nih_metadata.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _as_dx(real_films: Path, row: dict[str, str], folder: Path) -> Path:
    """A film of the collection as the DX object that it once was, aged within the model's range.

    The pictures were squeezed to squares: their proportions are given back.
    """
    stored = next((real_films / "cxr_png" / "nih_chestxray14").rglob(row["f"]))
    width, height = (float(row[f"orig_{side}"]) for side in ("width", "height"))
    size = (round(1024 * width / max(width, height)), round(1024 * height / max(width, height)))
    pixels = np.asarray(Image.open(stored).convert("L").resize(size, Image.Resampling.BICUBIC))
    film = make_dx(rows=pixels.shape[0], columns=pixels.shape[1])
    film.PixelData = (pixels.astype("<u2") << 4).tobytes()
    spacing = round(float(row["orig_spacing_x_mm"]) * max(width, height) / 1024, 4)
    film.ImagerPixelSpacing = film.PixelSpacing = [spacing, spacing]
    film.PatientAge = "060Y"
    return save(film, folder / f"{stored.stem}.dcm")
