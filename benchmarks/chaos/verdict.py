"""The count at the end: what was lost, what was doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pydicom

from chaos.films import Film, kept_sha256
from chaos.world import World


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Films by what is wrong with them; all zero where nothing is."""

    acknowledged: int
    lost: int
    altered: int
    doubled: int
    without_result: int
    with_several_results: int
    without_report: int
    with_several_reports: int

    @property
    def good(self) -> bool:
        """Whether every acknowledged film is there, once, judged once and reported once."""
        return not any(value for name, value in asdict(self).items() if name != "acknowledged")


def judge(world: World, acknowledged: Mapping[str, Film]) -> Verdict:
    """Compare what was acknowledged with the archive, the store and the PACS."""
    kept = world.rows("select i.sop_instance_uid, i.path, i.exam_id from instances i")
    paths = {uid: path for uid, path, _ in kept}
    results = Counter(uid for (uid,) in world.rows(_RESULTS))
    reports = Counter(_source_of(path) for path in world.pacs.folder.iterdir() if path.is_file())
    present = [uid for uid in acknowledged if uid in paths]
    return Verdict(
        acknowledged=len(acknowledged),
        lost=len(acknowledged) - len(present),
        altered=sum(kept_sha256(world.archive / paths[uid]) != acknowledged[uid].sha256 for uid in present),
        doubled=len(kept) - len(paths),
        without_result=sum(uid not in results for uid in acknowledged),
        with_several_results=sum(number > 1 for number in results.values()),
        without_report=sum(uid not in reports for uid in acknowledged),
        with_several_reports=sum(number > 1 for number in reports.values()),
    )


_RESULTS = """
select i.sop_instance_uid from instances i join results r on r.exam_id = i.exam_id where r.current
"""


def _source_of(report: Any) -> str:
    dataset = pydicom.dcmread(report, stop_before_pixels=True)
    study = dataset.CurrentRequestedProcedureEvidenceSequence[0]
    return str(study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
