"""The one place that imports torchvision, and only when a backbone of its is asked for.

Its published wheel is built for CUDA. Beside a CPU build of torch its compiled operators do not load, and the import
fails with "operator torchvision::nms does not exist". Declaring those operators first (they are never called here)
lets the import pass; where torchvision loads by itself, nothing is done.
"""

from __future__ import annotations

import functools
import sys
from types import ModuleType

import torch

_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def torchvision_models() -> ModuleType:
    """The module ``torchvision.models``."""
    try:
        import torchvision.models
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        _declare_operators()
        import torchvision.models
    return torchvision.models  # type: ignore[no-any-return]


@functools.cache  # the operators live as long as the library object does
def _declare_operators() -> torch.library.Library:
    for module in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[module]  # half-loaded
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in _OPERATORS:
        library.define(schema)  # type: ignore[no-untyped-call]
    return library
