"""Files judged one after the other, without a store: what ``screening-node screen`` does."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom

from screening_node.domain.alarm import AlarmDecision, PatientFacts, ThresholdSet, decide
from screening_node.domain.exam import ExamFiles
from screening_node.domain.result import ScreeningResult
from screening_node.domain.tscore import ReferenceTable
from screening_node.errors import Permanent, ScreeningNodeError, UnreadableObject
from screening_node.imaging import header
from screening_node.pathways.base import Pathway
from screening_node.pathways.judgement import answers_of, conclude
from screening_node.queue.retry import describe, where

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FileJudgement:
    """What is said of one file without a store: a result and its alarm, or the error that stopped it."""

    file: Path
    result: ScreeningResult | None = None
    alarm: AlarmDecision | None = None
    error: ScreeningNodeError | None = None


def judge_files(
    files: Iterable[Path],
    *,
    pathway: Pathway[Any],
    reference: ReferenceTable,
    thresholds: ThresholdSet,
    at: dt.datetime,
) -> Iterator[FileJudgement]:
    """Judge files one after the other as the node would, for a patient of whom nothing else is known."""
    for file in files:
        try:
            yield _judge_file(file, pathway, reference, thresholds, at)
        except ScreeningNodeError as error:
            yield FileJudgement(file=file, error=error)
        except Exception as error:  # the other files are still judged
            log.error("%s: %s", file.name, where(error))
            yield FileJudgement(file=file, error=Permanent(describe(error)))


def _judge_file(
    file: Path, pathway: Pathway[Any], reference: ReferenceTable, thresholds: ThresholdSet, at: dt.datetime
) -> FileJudgement:
    dataset = _header_of(file)
    work = pathway.prepare(ExamFiles(files=(file,), requested_at=at))
    (answer,) = answers_of(pathway, [work])
    if isinstance(answer, Exception):
        raise answer
    sex = header.patient_of(dataset).sex
    result = conclude(pathway, answer, sex=sex, reference=reference, thresholds=thresholds)
    alarm = decide(
        crossed=result.crossed,
        study_date=header.study_date(dataset) or at.date(),
        known=(),
        facts=PatientFacts(),
        window_months=0,
    )
    return FileJudgement(file=file, result=result, alarm=alarm)


def _header_of(file: Path) -> pydicom.Dataset:
    try:
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
    except OSError as error:
        raise UnreadableObject(
            f"{file} cannot be read: {error.strerror or 'it is no file'}.", fix="Check the path and the file's rights."
        ) from error
    except Exception as error:  # pydicom raises whatever its parser stumbles over
        raise UnreadableObject(f"{file} is no DICOM file.", fix="Give a DICOM Part 10 file.") from error
    if header.text(dataset, "SOPInstanceUID") is None:  # what a file is that was cut short in its header
        raise UnreadableObject(
            f"{file} has no SOP Instance UID: it is cut short, or no DICOM object.", fix="Give a whole DICOM file."
        )
    return dataset
