"""The page as a picture and as a document: Secondary Capture (PS3.3 A.8.1) and Encapsulated PDF (PS3.3 A.45.1)."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pypdfium2
from pydicom.dataset import Dataset

from screening_node.reporting import page
from screening_node.reporting.composite import composite, date, time
from screening_node.reporting.items import sop_reference
from screening_node.reporting.kinds import SOP_CLASSES, Kind
from screening_node.reporting.language import Words
from screening_node.reporting.measurement_report import Statement
from screening_node.reporting.picture import Picture

#: Pixels for each point of the page: 1263 x 893, which fills a viewport and keeps small print legible.
_SCALE = 1.5


def secondary_capture(
    statement: Statement, picture: Picture | None, *, sop_instance_uid: str, at: dt.datetime
) -> Dataset:
    """The page as an RGB image. Never a derived DX: it could be taken for an acquired film.

    ``picture``: the film as ``page.render`` wants it.
    """
    dataset = _of_the_film(statement, Kind.SC, sop_instance_uid, at)
    dataset.BodyPartExamined = "CHEST"  # unpaired: no Laterality has to be given
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.PatientOrientation = ""
    dataset.DerivationDescription = statement.say("Page that shows a bone density estimate; not an acquired image")
    if statement.film.is_image:
        dataset.SourceImageSequence = [sop_reference(statement.film.sop)]
    dataset.LossyImageCompression = "00"
    document = page.render(statement, picture, _said(at, statement.say), palette=page.DARK, method=False)
    _add_pixels(dataset, _rasterised(document))
    return dataset


def encapsulated_pdf(
    statement: Statement, picture: Picture | None, *, sop_instance_uid: str, at: dt.datetime
) -> Dataset:
    """The page, and one on method and limits, as a PDF document; arguments as for ``secondary_capture``."""
    dataset = _of_the_film(statement, Kind.PDF, sop_instance_uid, at)
    dataset.AcquisitionDateTime = ""
    dataset.SourceInstanceSequence = [sop_reference(statement.film.sop)]
    dataset.DocumentTitle = statement.say("Bone density estimate from a chest film, research use")
    dataset.ConceptNameCodeSequence = []
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document = page.render(statement, picture, _said(at, statement.say), palette=page.LIGHT, method=True)
    dataset.EncapsulatedDocument = document + b"\0" * (len(document) % 2)
    dataset.EncapsulatedDocumentLength = len(document)
    return dataset


def _of_the_film(statement: Statement, kind: Kind, sop_instance_uid: str, at: dt.datetime) -> Dataset:
    """What both share: SC Equipment (PS3.3 section C.8.6.1), dates, and that a person can be read off the page."""
    dataset = composite(statement, kind, SOP_CLASSES[kind], sop_instance_uid, at)
    dataset.ConversionType = "WSD"
    dataset.ContentDate = date(at)
    dataset.ContentTime = time(at)
    dataset.BurnedInAnnotation = "YES"
    return dataset


def _add_pixels(dataset: Dataset, pixels: Picture) -> None:
    """Image Pixel (PS3.3 section C.7.6.3); ``pixels`` are RGB (rows, columns, 3)."""
    rows, columns, _ = pixels.shape
    dataset.SamplesPerPixel = 3
    dataset.PhotometricInterpretation = "RGB"
    dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    data = pixels.tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB"


def _rasterised(document: bytes) -> Picture:
    """The first page of a PDF as RGB (rows, columns, 3)."""
    pdf = pypdfium2.PdfDocument(document)
    try:
        bitmap = pdf[0].render(scale=_SCALE, rev_byteorder=True)
        return np.ascontiguousarray(bitmap.to_numpy()[:, :, :3])
    finally:
        pdf.close()


def _said(at: dt.datetime, say: Words) -> str:
    """Date and time for people."""
    return say("estimated {date} {time}", date=say.date(date(at)), time=f"{at:%H:%M}")
