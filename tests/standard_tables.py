"""The standard's module tables in the form that dicom-validator reads, without its download of PS3.3, PS3.4 and PS3.6.

dicom-validator fetches the standard as DocBook from its publisher, which a closed network does not reach. highdicom
carries the same tables (which modules an IOD has, which attributes of which type a module has, within which sequences)
in its package, and pydicom the dictionary of PS3.6. What they do not carry is the text of conditions and the
enumerated values: an attribute of type 1C or 2C may be there or not, and has a value where it is of type 1C. dciodvfy
knows conditions and values, and is asked beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from dicom_validator.validator.dicom_info import DicomInfo
from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import tag_for_keyword

_Table = dict[str, Any]
#: What stands below one content item, again and again, as deep as the tree is (PS3.3 section C.17.3).
_CONTENT = "ContentSequence"
_CONTENT_ITEM = "content item"
#: What every content item has; the others belong to one value type or another, so that none of them is a must.
_OF_EVERY_ITEM = ("ValueType", "RelationshipType")


@cache
def dicom_info() -> DicomInfo:
    """Dictionary, IODs and modules."""
    modules = {name: _module(name, attributes) for name, attributes in _packaged("module_attribute_map").items()}
    content = _packaged("module_attribute_map")["sr-document-content"]
    below = [{**each, "path": each["path"][1:]} for each in content if each["path"][:1] == [_CONTENT]]
    nested = {"keyword": _CONTENT, "path": [], "type": "1C"}
    modules[_CONTENT_ITEM] = _module("sr-document-content", [*below, nested])
    return DicomInfo(_dictionary(), _iods(), modules)


@cache
def _packaged(name: str) -> Any:
    return json.loads(files("highdicom").joinpath("_standard", f"{name}.json").read_text(encoding="utf-8"))


def _dictionary() -> dict[str, dict[str, str]]:
    found = {}
    for tag, (vr, vm, name, _, _) in DicomDictionary.items():
        found[_written(tag)] = {"name": name, "vr": vr, "vm": vm, "prop": ""}
    return found


def _iods() -> dict[str, _Table]:
    modules = _packaged("iod_module_map")
    return {
        uid: {
            "title": iod,
            "modules": {each["key"]: {"ref": each["key"], "use": each["usage"]} for each in modules[iod]},
            "group_macros": {},
        }
        for uid, iod in _packaged("sop_class_iod_map").items()
        if iod in modules
    }


def _module(name: str, attributes: Sequence[Mapping[str, Any]]) -> _Table:
    """A module's attributes by tag, those of sequences within the sequence."""
    found: _Table = {}
    in_tree = name == "sr-document-content"
    for each in attributes:
        if in_tree and _CONTENT in each["path"]:
            continue
        place = found
        for keyword in each["path"]:
            place = place[_tag(keyword)].setdefault("items", {})
        kind = each["type"]
        if in_tree and not each["path"] and each["keyword"] not in _OF_EVERY_ITEM:
            kind = kind if kind == "3" else f"{kind[0]}C"
        place.setdefault(_tag(each["keyword"]), {}).update(_attribute(each["keyword"], kind))
        if in_tree and each["keyword"] == _CONTENT:
            place[_tag(_CONTENT)]["items"] = {"include": [{"ref": _CONTENT_ITEM}]}
    return found


def _attribute(keyword: str, kind: str) -> _Table:
    conditional = {"cond": {"type": "U"}} if kind in ("1C", "2C") else {}
    return {"name": keyword, "type": kind, **conditional}


def _tag(keyword: str) -> str:
    tag = tag_for_keyword(keyword)
    return _written(tag) if tag is not None else "(FFFF,FFFF)"  # retired since, or of another edition


def _written(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
