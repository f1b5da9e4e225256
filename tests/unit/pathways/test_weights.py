from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from screening_node.errors import BundleInvalid
from screening_node.pathways.chest_film.estimator import build_estimator
from screening_node.pathways.chest_film.landmarks import build_detector
from screening_node.pathways.weights import CARD, load_bundle

from .networks_for_tests import DETECTOR, ESTIMATOR, make_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    make_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    card = make_bundle(tmp_path / "bundle", gate={"most_tilt": 30.0})
    read = load_bundle(tmp_path / "bundle").card
    assert read == card
    assert read.gate == {"most_tilt": 30.0}
    assert all(len(network.sha256) == 64 for network in (*read.detectors, *read.members))


def test_any_text_survives_the_card(tmp_path: Path) -> None:
    from screening_node.pathways.weights import write_bundle

    from .networks_for_tests import make_card, modules

    detector, (member,) = modules([ESTIMATOR])
    text = 'Zwei "Zeilen"\nund ein \\ — [table] = {}'
    card = replace(make_card([ESTIMATOR]), limits_of_use=text, metrics={"a b": {"c.d": [1, 2.5, True, "x"]}})
    files = {"detector.safetensors": detector.state_dict(), "member-0.safetensors": member.state_dict()}
    write_bundle(tmp_path, card, files)
    read = load_bundle(tmp_path).card
    assert read.limits_of_use == text
    assert read.metrics == {"a b": {"c.d": [1, 2.5, True, "x"]}}


def test_the_tensors_fill_the_module(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    module = loaded.fill(build_estimator(ESTIMATOR), loaded.card.members[1])
    expected = loaded.tensors(loaded.card.members[1])
    assert not module.training
    assert all(torch.equal(expected[name], tensor) for name, tensor in module.state_dict().items())


def test_the_hash_of_all_weights_changes_with_any_file_and_not_with_their_order(bundle: Path) -> None:
    card = load_bundle(bundle).card
    assert replace(card, members=card.members[::-1]).weights_sha256 == card.weights_sha256
    changed = replace(card.members[0], sha256="0" * 64)
    assert replace(card, members=(changed, card.members[1])).weights_sha256 != card.weights_sha256
    assert replace(card, residual_sd={**card.residual_sd, "L1": 0.5}).configuration_sha256 != card.configuration_sha256
    assert replace(card, training_data="other").configuration_sha256 == card.configuration_sha256


def _edit(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / CARD).read_text()
        assert old in text
        (folder / CARD).write_text(text.replace(old, new, 1))

    return change


def _flip_a_byte(folder: Path) -> None:
    path = folder / "member-0.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_flip_a_byte, "member-0.safetensors does not match its card: SHA-256 expected .* found"),
        (lambda folder: (folder / "detector.safetensors").unlink(), "detector.safetensors .* cannot be read"),
        (lambda folder: (folder / CARD).unlink(), "card.toml cannot be read"),
        (lambda folder: (folder / CARD).write_text("name = [["), "not valid TOML"),
        (_edit("format = 1", "format = 2"), "format 2; expected 1"),
        (_edit("intended_use", "intended_abuse"), "unknown keys .*intended_abuse"),
        (_edit('name = "tiny"\n', ""), "not a complete card: KeyError\\('name'\\)"),
        (_edit('file = "detector', 'file = "../detector'), "not a plain name"),
        (_edit('vertebrae = ["L1"', 'vertebrae = ["T12"'), "T12"),
        (_edit("L4 = 0.08", "L4 = -1"), "not above 0"),
        (_edit("L4 = 0.08", ""), "residual_sd; missing for \\['L4'\\]"),
        (_edit("training_data =", "trainingdata ="), "unknown keys"),
    ],
)
def test_a_damaged_bundle_is_refused_by_name(bundle: Path, damage: Callable[[Path], object], says: str) -> None:
    damage(bundle)
    with pytest.raises(BundleInvalid, match=says) as caught:
        load_bundle(bundle)
    assert caught.value.fix


def test_a_module_of_another_architecture_is_refused(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    wider = build_detector(replace(DETECTOR, graph_width=10))
    with pytest.raises(BundleInvalid, match=r"tensor .* does not fit .* expected 10.*, found 8"):
        loaded.fill(wider, loaded.card.detectors[0])


def test_a_file_that_is_no_safetensors_file_is_refused(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    (bundle / "member-0.safetensors").write_bytes(b"pickle?")
    with pytest.raises(BundleInvalid, match="no safetensors file"):
        loaded.tensors(loaded.card.members[0])
