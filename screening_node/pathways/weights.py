"""Weight bundles: a folder with ``card.toml`` and safetensors files, checked before anything is believed.

The card says what the weights are (name, version, intended use, training data, metrics, reference table), how each
network is built and fed, and the SHA-256 of each file. A bundle that does not match its card is refused: a node that
starts with other weights than it names would report under a false name. Nothing in a bundle is executed.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

from screening_node.domain.result import Vertebra
from screening_node.errors import BundleInvalid
from screening_node.pathways.calibration import Calibration

CARD = "card.toml"
FORMAT = 1

_FETCH = "Fetch the bundle again, or write it anew with `screening-node train`."
_CARD_KEYS = {
    "format",
    "name",
    "version",
    "pathway",
    "intended_use",
    "limits_of_use",
    "reference",
    "training_data",
    "metrics",
    "uncertainty",
    "gate",
    "calibration",
    "detectors",
    "members",
}


@dataclass(frozen=True, kw_only=True)
class Network:
    """One safetensors file of a bundle. ``architecture`` is the table that the pathway builds the module from.

    ``vertebrae`` are a member's outputs in order; empty for a detector.
    """

    file: str
    sha256: str
    architecture: Mapping[str, Any]
    vertebrae: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Card:
    """What card.toml says. ``residual_sd`` in g/cm2 by vertebra; ``gate`` overrides the gate's default limits.

    ``calibration`` corrects what the members say, where a validation cohort showed how.
    """

    name: str
    version: str
    pathway: str
    intended_use: str
    limits_of_use: str
    reference: str
    training_data: str
    metrics: Mapping[str, Any]
    residual_sd: Mapping[str, float]
    detectors: tuple[Network, ...]
    members: tuple[Network, ...]
    disagreement_limit: float = 0.2
    gate: Mapping[str, float] = field(default_factory=dict)
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        unsure = sorted({name for member in self.members for name in member.vertebrae} - set(self.residual_sd))
        if unsure or not all(member.vertebrae for member in self.members):
            raise ValueError(f"every member lists its vertebrae, and each has a residual_sd; missing for {unsure}")

    @property
    def weights_sha256(self) -> str:
        """One hash for all weights: over the sorted hashes of the files."""
        hashes = sorted(network.sha256 for network in (*self.detectors, *self.members))
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()

    @property
    def configuration_sha256(self) -> str:
        """Hash of all in the card that decides an answer beside the weights."""
        decisive = {key: value for key, value in to_table(self).items() if key in _DECISIVE}
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


_DECISIVE = {"reference", "uncertainty", "gate", "calibration", "detectors", "members"}


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A card and the folder that it stands in, every listed file's hash checked."""

    folder: Path
    card: Card

    def tensors(self, network: Network) -> dict[str, Tensor]:
        """The tensors of one file, on the CPU."""
        try:
            return safetensors.torch.load_file(self.folder / network.file)
        except (OSError, safetensors.SafetensorError) as error:
            raise BundleInvalid(f"{self.folder / network.file} is no safetensors file: {error}.", fix=_FETCH) from error

    def fill(self, module: nn.Module, network: Network) -> nn.Module:
        """The module with the file's tensors, in evaluation mode; BundleInvalid where any name or shape differs."""
        tensors = self.tensors(network)
        _compare(module.state_dict(), tensors, self.folder / network.file)
        module.load_state_dict(tensors)
        return module.eval()


def load_bundle(folder: Path) -> Bundle:
    """Read and check a bundle: the card is complete, every file is there and has the card's SHA-256.

    Raises BundleInvalid, which names the file, what was expected, what was found, and how to mend it.
    """
    card = read_card(folder / CARD)
    for network in (*card.detectors, *card.members):
        _check_file(folder, network)
    return Bundle(folder=folder, card=card)


def read_card(path: Path) -> Card:
    """The card alone, its files not looked at."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleInvalid(
            f"{path} cannot be read: {error.strerror}.",
            fix="Name a folder that holds a card.toml in [pathways.*] bundle.",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BundleInvalid(f"{path} is not valid TOML: {error}.", fix=_FETCH) from error
    return _card(table, path)


def write_bundle(folder: Path, card: Card, files: Mapping[str, Mapping[str, Tensor]]) -> Card:
    """Write tensors by file name and the card with their SHA-256; returns the card as written.

    The card's own hashes are ignored. Each of the card's networks must have its file in ``files``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    hashes = {name: _write_tensors(folder / name, tensors) for name, tensors in files.items()}
    written = Card(
        **{
            **{key: getattr(card, key) for key in Card.__dataclass_fields__},
            "detectors": tuple(_hashed(network, hashes) for network in card.detectors),
            "members": tuple(_hashed(network, hashes) for network in card.members),
        }
    )
    write_card(folder, written)
    return written


def write_card(folder: Path, card: Card) -> None:
    """The card alone; its hashes have to be those of the files beside it."""
    (folder / CARD).write_text(_toml(to_table(card)), encoding="utf-8")


def to_table(card: Card) -> dict[str, Any]:
    """The card as the table that card.toml holds."""
    return {
        "format": FORMAT,
        "name": card.name,
        "version": card.version,
        "pathway": card.pathway,
        "intended_use": card.intended_use,
        "limits_of_use": card.limits_of_use,
        "reference": card.reference,
        "training_data": card.training_data,
        "metrics": dict(card.metrics),
        "uncertainty": {"residual_sd": dict(card.residual_sd), "disagreement_limit": card.disagreement_limit},
        "gate": dict(card.gate),
        **({} if card.calibration is None else {"calibration": card.calibration.to_table()}),
        "detectors": [_network_table(network) for network in card.detectors],
        "members": [_network_table(network) for network in card.members],
    }


def _network_table(network: Network) -> dict[str, Any]:
    table: dict[str, Any] = {"file": network.file, "sha256": network.sha256}
    if network.vertebrae:
        table["vertebrae"] = list(network.vertebrae)
    return {**table, "architecture": dict(network.architecture)}


def _card(table: Mapping[str, Any], path: Path) -> Card:
    _check_keys(table, path)
    try:
        uncertainty = table["uncertainty"]
        return Card(
            **{key: str(table[key]) for key in ("name", "version", "pathway", "intended_use", "limits_of_use")},
            reference=str(table["reference"]),
            training_data=str(table["training_data"]),
            metrics=table["metrics"],
            residual_sd=_residuals(uncertainty["residual_sd"]),
            disagreement_limit=_positive(uncertainty["disagreement_limit"]),
            gate={key: float(value) for key, value in table.get("gate", {}).items()},
            calibration=Calibration.from_table(table["calibration"]) if "calibration" in table else None,
            detectors=tuple(_network(entry) for entry in table["detectors"]),
            members=tuple(_network(entry) for entry in table["members"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleInvalid(f"{path} is not a complete card: {error!r}.", fix=_FETCH) from error


def _check_keys(table: Mapping[str, Any], path: Path) -> None:
    if table.get("format") != FORMAT:
        raise BundleInvalid(
            f"{path} has card format {table.get('format')!r}; expected {FORMAT}.",
            fix="Use a bundle of this version of the node, or another version of the node.",
        )
    unknown = sorted(set(table) - _CARD_KEYS)
    if unknown:
        raise BundleInvalid(f"{path} has the unknown keys {unknown}.", fix=f"Known keys: {sorted(_CARD_KEYS)}.")
    if not table.get("detectors") or not table.get("members"):
        raise BundleInvalid(
            f"{path} lists no detector or no member.", fix="List at least one [[detectors]], [[members]]."
        )


def _network(entry: Mapping[str, Any]) -> Network:
    file, sha256 = str(entry["file"]), str(entry["sha256"]).lower()
    if Path(file).name != file:
        raise ValueError(f"file {file!r} is not a plain name in the bundle's folder")
    vertebrae = tuple(str(Vertebra(name)) for name in entry.get("vertebrae", ()))
    return Network(file=file, sha256=sha256, architecture=dict(entry["architecture"]), vertebrae=vertebrae)


def _residuals(table: Mapping[str, Any]) -> dict[str, float]:
    return {str(Vertebra(name)): _positive(value) for name, value in table.items()}


def _positive(value: Any) -> float:
    number = float(value)
    if not 0 < number < float("inf"):
        raise ValueError(f"{value!r} is not above 0")
    return number


def _check_file(folder: Path, network: Network) -> None:
    path = folder / network.file
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleInvalid(
            f"{path} is listed in the card and cannot be read: {error.strerror}.", fix=_FETCH
        ) from error
    if found != network.sha256:
        raise BundleInvalid(
            f"{path} does not match its card: SHA-256 expected {network.sha256}, found {found}.", fix=_FETCH
        )


def _compare(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    """Every tensor of the module is in the file with its shape, and the file holds no other."""
    for name in sorted(set(wanted) | set(found)):
        expected, present = _shape(wanted.get(name)), _shape(found.get(name))
        if expected != present:
            raise BundleInvalid(
                f"{path}: tensor {name} does not fit the card's architecture: expected {expected}, found {present}.",
                fix=_FETCH,
            )


def _shape(tensor: Tensor | None) -> str:
    return "none" if tensor is None else "x".join(str(size) for size in tensor.shape) or "scalar"


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> str:
    data = safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _hashed(network: Network, hashes: Mapping[str, str]) -> Network:
    return Network(
        file=network.file,
        sha256=hashes[network.file],
        architecture=network.architecture,
        vertebrae=network.vertebrae,
    )


def _toml(table: Mapping[str, Any], prefix: str = "") -> str:
    """A table as TOML: plain values first, then its tables and arrays of tables."""
    lines = [f"{_key(key)} = {_value(value)}" for key, value in table.items() if not _is_table(value)]
    for key, value in table.items():
        name = f"{prefix}{_key(key)}"
        if isinstance(value, Mapping):
            lines.append(f"\n[{name}]\n{_toml(value, name + '.')}".rstrip("\n"))
        elif _is_table(value):
            lines.extend(f"\n[[{name}]]\n{_toml(item, name + '.')}".rstrip("\n") for item in value)
    return "\n".join(lines).rstrip("\n") + "\n"


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, Sequence) and bool(value) and all(isinstance(item, Mapping) for item in value)
    )


def _key(key: str) -> str:
    return (
        key
        if key.replace("_", "").replace("-", "").isalnum() and key.isascii()
        else json.dumps(key, ensure_ascii=False)
    )


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    raise TypeError(f"{type(value).__name__} cannot stand in a card")
