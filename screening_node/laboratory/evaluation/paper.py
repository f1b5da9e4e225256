"""Wang et al. 2022's own figures, to stand beside ours. Their films are a hospital's: compare orders and gaps."""

from __future__ import annotations

from typing import Any

from screening_node.laboratory.evaluation.study import AVERAGE, VERTEBRAE

NOTE = "Grey rows: Wang et al. 2022, on a hospital's films; orders and gaps may be compared, values may not."

_PLACES = (*VERTEBRAE, AVERAGE)
#: Table I: R, RMSE (g/cm2), AUC of L1..L4 and their average.
_ONE = {
    "Baseline (whole film)": "859 089 952 870 101 960 860 104 966 823 120 963 853 104 960",
    "Multi-Patch": "873 071 958 877 080 967 873 083 971 834 098 965 864 083 965",
    "Attentive Multi-Patch": "885 068 964 888 076 967 882 081 969 846 094 964 875 080 966",
    "Multi-ROI": "883 068 959 887 076 966 879 082 972 837 097 966 871 081 966",
    "Attentive Multi-ROI": "894 065 964 899 073 966 887 079 972 855 092 968 884 077 968",
}
#: Table II: sensitivity and specificity of L1..L4 and their average, per mille.
_TWO = {
    "−1.75": "939 851 917 891 934 911 850 931 910 896",
    "−2": "862 910 850 930 848 948 754 954 828 936",
    "−2.25": "776 953 763 958 720 969 689 974 737 964",
    "−2.5": "619 975 635 979 607 983 545 989 602 981",
    "flex": "798 947 823 944 848 948 784 944 813 946",
}
#: Table III: osteoporosis, then osteopenia.
_THREE = {
    "−1.75": "933 873 453 995",
    "−2": "844 929 341 998",
    "−2.25": "736 966 255 999",
    "flex": "895 906 392 997",
}
_PROPOSED = "Wang 2022, Attentive Multi-ROI"


def table_one() -> tuple[dict[str, Any], ...]:
    """Table I."""
    keys = [f"{place}_{figure}" for place in _PLACES for figure in ("r", "rmse", "auc")]
    return tuple({"model": f"Wang 2022, {name}"} | _cells(keys, cells) for name, cells in _ONE.items())


def table_two() -> tuple[dict[str, Any], ...]:
    """Table II."""
    keys = [f"{place}_{figure}" for place in _PLACES for figure in ("sensitivity", "specificity")]
    return tuple({"model": _PROPOSED, "thresholds": name} | _cells(keys, cells) for name, cells in _TWO.items())


def table_three() -> tuple[dict[str, Any], ...]:
    """Table III."""
    keys = ["sensitivity", "specificity", "osteopenia_sensitivity", "osteopenia_specificity"]
    return tuple({"model": _PROPOSED, "thresholds": name} | _cells(keys, cells) for name, cells in _THREE.items())


def _cells(keys: list[str], cells: str) -> dict[str, float]:
    return {key: int(cell) / 1000 for key, cell in zip(keys, cells.split(), strict=True)}
